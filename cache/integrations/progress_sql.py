"""What the adapters of a write-behind's progress share: everything but how a driver is asked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

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
from .letters_sql import SqlLetters, applied_of
from .stream_sql import Connection, Row

logger = logging.getLogger(__name__)

_LOOKS = 3
"""Looks at the values that are tried beside flushes; then the row of progress is held."""

_LONGEST_ERROR = 1_000
"""Characters of an error that are kept."""


class SqlProgress(SqlLetters[Connection]):
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
        super().__init__(operation.name, tables)
        self._operation = operation
        self._is_unavailable = is_unavailable

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
        asked = self.named(owner=owner)
        if await self.fetch(None, self.sql.held, asked):
            return None
        taken = await self.fetch(None, self.sql.take, {**asked, "seconds": float(seconds)})
        return Lease(taken[0]["token"], seconds, applied_of(taken[0])) if taken else None

    async def release_lease(self, lease: Lease) -> None:
        """End the lease of this token, if it is still the current one."""
        await self.fetch(None, self.sql.release, self.named(token=lease.token))

    async def fence(self) -> Applied:
        """Void every lease; how far SQL is."""
        [row] = await self.fetch(None, self.sql.fence, self.named())
        return applied_of(row)

    async def commit(self, lease: Lease, batch: Batch) -> Committed:
        """Apply the batch, park what is to be parked and move the progress: one transaction."""
        async with self.begin() as connection:
            revision = await self._advance(connection, lease, batch.applied)
            parked = await self._parked(connection, batch)
            await self._park(connection, batch, [one for one in batch.entries if one.key in parked])
            free = [one for one in batch.entries if one.key not in parked]
            changes = merged(self._operation, free)
            dropped = await self._operation.apply(connection, changes) if changes else ()
            if dropped:
                revision = await self.revise(connection)
        applied = Applied(batch.applied.epoch, batch.applied.last_id, revision)
        left = len(batch.entries) - len(free)
        return Committed(applied, len(changes) - len(dropped), frozenset(dropped), left)

    async def read(self, keys: Sequence[str]) -> Snapshot:
        """The values of `keys` with what is parked of them, and the progress: one snapshot.

        Whatever changes values or dead letters changes the row of progress with them. So what is
        read between two looks at the row is of one state, if both saw the same.
        """
        for _ in range(_LOOKS):
            async with self.reading() as connection:
                before = await self.fetch(connection, self.sql.state, self.named())
                snapshot = await self._look(connection, keys)
            if snapshot.applied == (applied_of(before[0]) if before else Applied()):
                return snapshot
        async with self.begin() as connection:
            await self.fetch(connection, self.sql.hold, self.named())
            return await self._look(connection, keys)

    async def raise_revision(self, least: int) -> None:
        """Let the revision be larger than `least`."""
        await self.revise(None, least)

    # ---- parts ----

    async def _advance(self, connection: Connection, lease: Lease, to: Applied) -> int:
        moved = self.named(
            token=lease.token, seconds=float(lease.seconds), epoch=to.epoch, last_id=to.last_id
        )
        found = await self.fetch(connection, self.sql.advance, moved)
        if not found:
            raise LeaseLost(
                f"the lease of {self._operation.name!r} with token {lease.token} is void"
            )
        return int(found[0]["revision"])

    async def _parked(self, connection: Connection, batch: Batch) -> Collection[str]:
        keys = {entry.key for entry in batch.entries}
        if batch.error is not None or not keys:
            return keys
        found = await self.fetch(connection, self.sql.parked, self.named(keys=_list(keys)))
        return {row["key"] for row in found}

    async def _park(self, connection: Connection, batch: Batch, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        error = batch.error or "operations on this key wait here already"
        error = error.replace("\0", "")[:_LONGEST_ERROR]
        rows = [[one.id, one.key, one.field, one.payload, error] for one in entries]
        named = self.named(epoch=batch.applied.epoch, entries=msgspec.json.encode(rows).decode())
        await self.fetch(connection, self.sql.park, named)

    async def _look(self, connection: Connection, keys: Sequence[str]) -> Snapshot:
        read = self._operation.read
        found = await read(connection, keys) if read is not None else {}
        values = of_every_field(self._operation, keys, found)
        listed = self.named(keys=_list(keys))
        rows = await self.fetch(connection, self.sql.letters, listed)
        for row in rows:
            if row["key"] is not None:
                self._add_parked(values[row["key"]], row)
        return Snapshot(applied_of(rows[0]), values)

    def _add_parked(self, record: dict[str, Any], row: Row) -> None:
        rule, field = self._operation.rule, row["field"]
        if field not in record:
            return
        try:
            record[field] = rule.merge(record[field], rule.decode(row["payload"]))
        except Exception:
            # One that cannot even be read is parked for that: the others of its key are shown.
            logger.exception("a dead letter of %r cannot be read", self._operation.name)


def _list(names: Iterable[str]) -> str:
    return msgspec.json.encode(sorted(set(names))).decode()
