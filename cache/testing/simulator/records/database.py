"""A database: rows, transactions that see what others have committed, locks of rows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

from ..gates import Gate, Gates

Cell = tuple[str, Any]
"""A row: its table and its key."""

PROGRESS: Cell = ("progress", "")


class SqlAway(OSError):  # noqa: N818 - it names a state
    """The database cannot be reached, or the connection broke."""


class SqlRefuses(OSError):  # noqa: N818 - as above
    """A statement that the database does not execute, however often it is sent."""


class Connection:
    """One transaction: what it has written, which nobody else sees yet."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.writes: dict[Cell, Any] = {}
        self.is_over = False


class RecordDatabase:
    """Rows by cell: values are never changed, but replaced. `offset` is its clock (Unix).

    Each statement sees what is committed when it runs, and what its transaction wrote ("read
    committed"). Who writes a row holds it until its transaction has ended.
    """

    def __init__(self, gates: Gates, now: Callable[[], float]) -> None:
        self.rows: dict[Cell, Any] = {}
        self.now = now
        self.is_down = False
        self.committed: list[Callable[[dict[Cell, Any]], None]] = []
        """Who wants to see what a transaction commits."""
        self._gates = gates
        self._locks: dict[Cell, Connection] = {}
        self._open: list[Connection] = []
        self._committing: list[Connection] = []
        self._letters = 0

    # ---- statements ----

    async def execute(
        self,
        connection: Connection | None,
        owner: str,
        what: str,
        action: Callable[[Connection], Any],
        locks: Iterator[Cell] | tuple[Cell, ...] = (),
    ) -> Any:
        """What one statement returns; it waits for the rows that it locks. Without a connection it
        is a transaction of its own."""
        used = connection or Connection(owner)
        cells = tuple(locks)

        def step() -> Any:
            if self.is_down or used.is_over:
                raise SqlAway("the database cannot be reached")
            if connection is not None:
                self._locks.update(dict.fromkeys(cells, used))
            result = action(used)
            if connection is None:
                self._keep(used)
            return result

        def is_free() -> bool:
            return all(self._locks.get(cell, used) is used for cell in cells)

        return await self._gates.call(
            owner, "database", what, step, ready=is_free if cells else None
        )

    @asynccontextmanager
    async def begin(self, owner: str) -> AsyncIterator[Connection]:
        """A transaction; committed at the end of the block, if that raises nothing."""
        connection = Connection(owner)
        self._open.append(connection)
        try:
            yield connection
        except BaseException:
            self.roll_back(connection)
            raise
        self._committing.append(connection)

        def commit() -> None:
            self._commit(connection)

        try:
            await self._gates.call(owner, "database", "commits", commit)
        except BaseException:
            if not any(gate.action is commit for gate in self._gates.pending):
                self.roll_back(connection)  # else it may be committed yet: nobody waits for it
            raise

    def _commit(self, connection: Connection) -> None:
        if self.is_down or connection.is_over:
            self.roll_back(connection)
            raise SqlAway("the database cannot be reached")
        self._keep(connection)
        self._end(connection)

    def _keep(self, connection: Connection) -> None:
        for tell in self.committed:
            tell(connection.writes)
        for cell, value in connection.writes.items():
            if value is None:
                self.rows.pop(cell, None)
            else:
                self.rows[cell] = value

    def roll_back(self, connection: Connection) -> None:
        """Nothing of it has happened."""
        connection.writes.clear()
        self._end(connection)

    def _end(self, connection: Connection) -> None:
        connection.is_over = True
        self._locks = {cell: one for cell, one in self._locks.items() if one is not connection}
        self._open = [one for one in self._open if one is not connection]
        self._committing = [one for one in self._committing if one is not connection]

    # ---- rows, for statements ----

    def read(self, connection: Connection, cell: Cell) -> Any:
        """A row; None if it is not there."""
        if cell in connection.writes:
            return connection.writes[cell]
        return self.rows.get(cell)

    def table(self, connection: Connection, name: str) -> dict[Any, Any]:
        """The rows of a table by their keys, in the order of the keys."""
        seen = {**self.rows, **connection.writes}
        found = {cell[1]: row for cell, row in seen.items() if cell[0] == name and row is not None}
        return dict(sorted(found.items()))

    def next_letter(self) -> int:
        """A number that no dead letter had before."""
        self._letters += 1
        return self._letters

    # ---- faults ----

    def is_sent(self, gate: Gate) -> bool:
        """Whether a statement of a process that ends is executed all the same: its COMMIT."""
        return gate.at == "database" and gate.label.endswith(" commits")

    def release(self, owner: str) -> None:
        """The connections of a process are gone; a COMMIT that was sent is executed."""
        for connection in [one for one in self._open if one.owner == owner]:
            if connection not in self._committing:
                self.roll_back(connection)

    def break_off(self) -> None:
        """Roll back all that is open."""
        for connection in list(self._open):
            self.roll_back(connection)

    def restore(self, rows: dict[Cell, Any]) -> None:
        """An older copy comes back."""
        self.break_off()
        self.rows = dict(rows)
