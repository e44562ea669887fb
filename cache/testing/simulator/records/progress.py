"""The SQL side of a write-behind in a simulated worker: the real `SqlProgress`, whose statements
are executed by a simulated database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from ....integrations.progress_sql import SqlProgress
from ....integrations.progress_statements import Statements, statements
from ....writes import (
    LAST,
    SUM,
    Applied,
    Batch,
    Changes,
    Committed,
    Lease,
    Operation,
    Snapshot,
    merged,
)
from .database import PROGRESS, Cell, Connection, SqlAway, SqlRefuses
from .statements import LOCKING, execute

if TYPE_CHECKING:
    from .world import RecordWorld

NAME = "records"
_SQL = statements("postgresql", "progress", "letters")
_NAMES = {getattr(_SQL, each.name): each.name for each in fields(Statements)}


class SimulatedProgress(SqlProgress[Connection]):
    """`failures` counts how often the stream was not opened for SQL's sake."""

    def __init__(self, owner: str, world: RecordWorld) -> None:
        scenario = world.scenario
        operation: Operation[Any] = Operation(
            name=NAME,
            rule=SUM if scenario.is_sum else LAST,
            apply=self._apply,
            read=self._read_values,
            fields=scenario.names,
            directly=scenario.is_sum and scenario.has_outbox,
        )
        super().__init__(operation, ("progress", "letters"), _is_away)
        self.failures = 0
        self._owner = owner
        self._database = world.database
        self._rules = scenario.rules
        self._poisoned = world.poisoned
        self._outbox = scenario.has_outbox
        self._new_name = world.name

    # ---- what an adapter brings ----

    @property
    def dialect(self) -> str:
        return "postgresql"

    @property
    def has_outbox(self) -> bool:
        return self._outbox

    def begin(self) -> AbstractAsyncContextManager[Connection]:
        return self._database.begin(self._owner)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Connection]:
        yield Connection(self._owner)

    async def fetch(
        self, connection: Connection | None, statement: str, parameters: Mapping[str, Any]
    ) -> Sequence[Mapping[str, Any]]:
        name = _NAMES[statement]
        locks: tuple[Cell, ...] = (PROGRESS,) if name in LOCKING else ()
        if name == "revise" and connection is not None and not self._rules.past_locked:
            locks = ()
        found: Sequence[Mapping[str, Any]] = await self._database.execute(
            connection,
            self._owner,
            f"runs {name}",
            lambda used: execute(name, self._database, used, parameters, self._rules),
            locks,
        )
        return found

    def check_outside(self) -> None:
        """Nobody calls it inside of a transaction here."""

    async def add_outbox_row(self, connection: Connection, tags: Iterable[str]) -> str | None:
        if not self._outbox:
            return None
        row = self._new_name()
        cell = ("outbox", row)

        def insert(used: Connection) -> None:
            used.writes[cell] = sorted(tags)

        await self._database.execute(connection, self._owner, "adds an outbox row", insert)
        return row

    async def waiting_rows(self) -> dict[str, list[str]]:
        """The outbox rows that nobody has published, and their tags."""
        rows: dict[str, list[str]] = await self._database.execute(
            None, self._owner, "asks what waits", lambda used: self._database.table(used, "outbox")
        )
        return rows

    async def mark(self, row: str) -> None:
        """An outbox row is published."""
        cell = ("outbox", row)

        def remove(used: Connection) -> None:
            used.writes[cell] = None

        await self._database.execute(None, self._owner, "marks an outbox row", remove)

    # ---- the operation ----

    async def _apply(self, connection: Connection, changes: Changes[Any]) -> set[str]:
        rule = self.operation.rule

        def update(used: Connection) -> set[str]:
            refused = sorted(self._poisoned.intersection(changes))
            if refused:
                raise SqlRefuses(f"a constraint forbids it: {', '.join(refused)}")
            dropped = set()
            for key, values in changes.items():
                row = self._database.read(used, ("record", key))
                if row is None:
                    dropped.add(key)
                    continue
                new = dict(row)
                for name, value in values.items():
                    new[name] = rule.merge(new[name], value)
                used.writes[("record", key)] = new
            return dropped

        cells = tuple(("record", key) for key in sorted(changes))
        dropped: set[str] = await self._database.execute(
            connection, self._owner, f"applies {', '.join(sorted(changes))}", update, cells
        )
        return dropped

    async def _read_values(self, connection: Connection, keys: Sequence[str]) -> Changes[Any]:
        def select(used: Connection) -> Changes[Any]:
            rows = {key: self._database.read(used, ("record", key)) for key in keys}
            return {key: row for key, row in rows.items() if row is not None}

        found: Changes[Any] = await self._database.execute(
            connection, self._owner, "reads values", select
        )
        return found

    async def remove_record(self, connection: Connection, key: str) -> None:
        """Delete a record's row."""
        cell: Cell = ("record", key)

        def delete(used: Connection) -> None:
            used.writes[cell] = None

        await self._database.execute(connection, self._owner, f"deletes {key}", delete, (cell,))

    async def fence(self) -> Applied:
        """The real one; it counts how often the stream was not opened for SQL's sake."""
        try:
            return await super().fence()
        except SqlAway:
            self.failures += 1
            raise

    # ---- without a rule ----

    async def commit(self, lease: Lease, batch: Batch) -> Committed:
        """The real one; or rows first, and the progress in a transaction of its own."""
        if self._rules.one_transaction or batch.error is not None:
            return await super().commit(lease, batch)
        async with self.begin() as connection:
            changes = merged(self.operation, batch.entries)
            if changes:
                await self.operation.apply(connection, changes)
        return await super().commit(lease, Batch(batch.applied, []))

    async def read(self, keys: Sequence[str]) -> Snapshot:
        """The real one; or one look, whatever happens meanwhile."""
        if self._rules.one_look:
            return await super().read(keys)
        async with self.reading() as connection:
            return await self._look(connection, keys)


def _is_away(error: BaseException) -> bool:
    return isinstance(error, SqlAway)
