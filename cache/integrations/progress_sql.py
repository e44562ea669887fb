"""What the adapters of a write-behind's progress share: everything but how a driver is asked."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Generic, TypeVar

import msgspec

from ..writes.operation import Entry, Operation, merged
from ..writes.progress import (
    Applied,
    Batch,
    Committed,
    Lease,
    LeaseLost,
    Snapshot,
    of_every_field,
)
from .progress_statements import Statements, statements

Connection = TypeVar("Connection")
Row = Mapping[str, Any]

logger = logging.getLogger(__name__)

_LOOKS = 3
"""Looks at the values that are tried beside flushes; then the row of progress is held."""

_LONGEST_ERROR = 1_000
"""Characters of an error that are kept."""


class SqlProgress(ABC, Generic[Connection]):
    """The progress of `operation` in two tables of SQL; an adapter says how a driver is asked.

    `is_unavailable` says which errors mean that the database is away, full or locked: operations
    wait then. What it does not know goes to the dead letters in the end.
    """

    def __init__(
        self,
        operation: Operation[Any],
        tables: tuple[str, str],
        is_unavailable: Callable[[BaseException], bool],
    ) -> None:
        self._operation = operation
        self._tables = tables
        self._is_unavailable = is_unavailable
        self._by_dialect: dict[str, Statements] = {}

    # ---- what an adapter brings ----

    @property
    @abstractmethod
    def _dialect(self) -> str:
        """`sqlite` or `postgresql`."""

    @abstractmethod
    def _begin(self) -> AbstractAsyncContextManager[Connection]:
        """A transaction on a connection of its own."""

    @abstractmethod
    def _reading(self) -> AbstractAsyncContextManager[Connection]:
        """A connection to read with, each statement by itself."""

    @abstractmethod
    async def _fetch(
        self, connection: Connection | None, statement: str, parameters: Mapping[str, Any]
    ) -> Sequence[Row]:
        """The rows, of an INSERT or UPDATE those that it returns; without a connection, on one of
        its own that commits each statement."""

    # ---- what it is for ----

    @property
    def operation(self) -> Operation[Any]:
        """What the stream is of."""
        return self._operation

    def is_unavailable(self, error: BaseException) -> bool:
        """Whether an error means that the database is away."""
        return self._is_unavailable(error)

    async def take_lease(self, owner: str, seconds: float) -> Lease | None:
        """Take the lease unless another's runs: then by a read, which waits for no writer."""
        asked = self._named(owner=owner)
        if await self._fetch(None, self._sql.held, asked):
            return None
        taken = await self._fetch(None, self._sql.take, {**asked, "seconds": float(seconds)})
        return Lease(taken[0]["token"], seconds, _applied(taken[0])) if taken else None

    async def release_lease(self, lease: Lease) -> None:
        """End the lease of this token, if it is still the current one."""
        await self._fetch(None, self._sql.release, self._named(token=lease.token))

    async def fence(self) -> Applied:
        """Void every lease; how far SQL is."""
        [row] = await self._fetch(None, self._sql.fence, self._named())
        return _applied(row)

    async def commit(self, lease: Lease, batch: Batch) -> Committed:
        """Apply the batch, park what is to be parked and move the progress: one transaction."""
        async with self._begin() as connection:
            revision = await self._advance(connection, lease, batch.applied)
            parked = await self._parked(connection, batch)
            await self._park(connection, batch, [one for one in batch.entries if one.key in parked])
            free = [one for one in batch.entries if one.key not in parked]
            changes = merged(self._operation, free)
            dropped = await self._operation.apply(connection, changes) if changes else ()
            if dropped:
                revision = await self._revise(connection)
        applied = Applied(batch.applied.epoch, batch.applied.last_id, revision)
        left = len(batch.entries) - len(free)
        return Committed(applied, len(changes) - len(dropped), frozenset(dropped), left)

    async def read(self, keys: Sequence[str]) -> Snapshot:
        """The values of `keys` with what is parked of them, and the progress: one snapshot.

        Whatever changes values or dead letters changes the row of progress with them. So what is
        read between two looks at the row is of one state, if both saw the same.
        """
        for _ in range(_LOOKS):
            async with self._reading() as connection:
                before = await self._fetch(connection, self._sql.state, self._named())
                snapshot = await self._look(connection, keys)
            if snapshot.applied == (_applied(before[0]) if before else Applied()):
                return snapshot
        async with self._begin() as connection:
            await self._fetch(connection, self._sql.hold, self._named())
            return await self._look(connection, keys)

    async def raise_revision(self, least: int) -> None:
        """Let the revision be larger than `least`."""
        await self._fetch(None, self._sql.revise, self._named(least=least))

    # ---- parts ----

    @property
    def _sql(self) -> Statements:
        dialect = self._dialect
        if dialect not in self._by_dialect:
            self._by_dialect[dialect] = statements(dialect, *self._tables)
        return self._by_dialect[dialect]

    def _named(self, **parameters: Any) -> dict[str, Any]:
        return {"stream": self._operation.name, **parameters}

    async def _advance(self, connection: Connection, lease: Lease, to: Applied) -> int:
        moved = self._named(
            token=lease.token, seconds=float(lease.seconds), epoch=to.epoch, last_id=to.last_id
        )
        found = await self._fetch(connection, self._sql.advance, moved)
        if not found:
            raise LeaseLost(
                f"the lease of {self._operation.name!r} with token {lease.token} is void"
            )
        return int(found[0]["revision"])

    async def _revise(self, connection: Connection) -> int:
        [row] = await self._fetch(connection, self._sql.revise, self._named(least=0))
        return int(row["revision"])

    async def _parked(self, connection: Connection, batch: Batch) -> Collection[str]:
        keys = {entry.key for entry in batch.entries}
        if batch.error is not None or not keys:
            return keys
        found = await self._fetch(connection, self._sql.parked, self._named(keys=_list(keys)))
        return {row["key"] for row in found}

    async def _park(self, connection: Connection, batch: Batch, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        error = batch.error or "operations on this key wait here already"
        error = error.replace("\0", "")[:_LONGEST_ERROR]
        rows = [[one.id, one.key, one.field, one.payload, error] for one in entries]
        named = self._named(epoch=batch.applied.epoch, entries=msgspec.json.encode(rows).decode())
        await self._fetch(connection, self._sql.park, named)

    async def _look(self, connection: Connection, keys: Sequence[str]) -> Snapshot:
        read = self._operation.read
        found = await read(connection, keys) if read is not None else {}
        values = of_every_field(self._operation, keys, found)
        listed = self._named(keys=_list(keys))
        rows = await self._fetch(connection, self._sql.letters, listed)
        for row in rows:
            if row["key"] is not None:
                self._add_parked(values[row["key"]], row)
        return Snapshot(_applied(rows[0]), values)

    def _add_parked(self, record: dict[str, Any], row: Row) -> None:
        rule, field = self._operation.rule, row["field"]
        if field not in record:
            return
        try:
            record[field] = rule.merge(record[field], rule.decode(row["payload"]))
        except Exception:
            # One that cannot even be read is parked for that: the others of its key are shown.
            logger.exception("a dead letter of %r cannot be read", self._operation.name)


def _applied(row: Row) -> Applied:
    if row["token"] is None:
        return Applied()
    return Applied(row["stream_epoch"], row["last_id"], row["revision"])


def _list(names: Iterable[str]) -> str:
    return msgspec.json.encode(sorted(set(names))).decode()
