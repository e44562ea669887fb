"""The dead letters of a write-behind in SQL, and changes past its stream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec

from ..writes.dead_letters import DeadLetter, Parked, Past, Status
from ..writes.operation import Entry
from ..writes.progress import Applied
from .stream_sql import Connection, Row, SqlStream


class SqlLetters(SqlStream[Connection]):
    """What `cache.writes.dead_letters.Letters` asks for, but for the operation."""

    async def applied(self) -> Applied:
        """How far SQL is, read fresh."""
        found = await self.fetch(None, self.sql.state, self.named())
        return applied_of(found[0]) if found else Applied()

    async def status(self) -> Status:
        """How far SQL is, and who applies the stream."""
        found = await self.fetch(None, self.sql.status, self.named())
        if not found:
            return Status(Applied(), None, None)
        row = found[0]
        is_held = bool(row["held"])
        until = str(row["lease_until"]) if is_held else None
        return Status(applied_of(row), row["owner"] if is_held else None, until)

    @asynccontextmanager
    async def past(self, tags: Sequence[str]) -> AsyncIterator[Past]:
        """A transaction for changes past the stream; it holds the row of progress."""
        self.check_outside()
        async with self.begin() as connection:
            past = Past(connection, await self.revise(connection))
            yield past
            past.outbox = await self.add_outbox_row(connection, tags)

    async def parked(self) -> Parked:
        """How many keys are parked, and how many operations wait."""
        [row] = await self.fetch(None, self.sql.count, self.named())
        return Parked(row["keys"], row["letters"])

    async def letters(
        self, connection: Connection | None, *, key: str | None, after: int, limit: int
    ) -> Sequence[DeadLetter]:
        """Dead letters behind the id `after`, in order; of one key if it is named."""
        asked = self.named(key=key, after=after, limit=limit)
        return [_letter(row) for row in await self.fetch(connection, self.sql.listed, asked)]

    async def remove(self, connection: Connection, ids: Sequence[int]) -> int:
        """Remove these; returns how many there were."""
        asked = self.named(keys=msgspec.json.encode(list(ids)).decode())
        return len(await self.fetch(connection, self.sql.remove, asked))


def applied_of(row: Row) -> Applied:
    """The progress that a row says; nothing is applied where there is none."""
    if row["token"] is None:
        return Applied()
    return Applied(row["stream_epoch"], row["last_id"], row["revision"])


def _letter(row: Row) -> DeadLetter:
    entry = Entry(row["stream_id"], row["key"], row["field"], row["payload"])
    return DeadLetter(row["id"], row["stream_epoch"], entry, row["error"], str(row["created_at"]))
