"""The database of a world: rows by number, whose reads a test can hold, and the outbox."""

import itertools
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from cache import OutboxRow, Position
from tests.support.worlds.clock import ManualClock
from tests.support.worlds.gate import Gate

Value = str | int | bool | None


class Rows:
    """Rows as they are committed. A read that a test holds waits with its value in hand.

    `by_replica`: what no application may do (F4), reads are those of a replica that `lags`.
    """

    def __init__(self, values: dict[int, Value], *, by_replica: bool = False) -> None:
        self.values = values
        self._by_replica = by_replica
        self._replica = values
        self.reads = 0
        self.is_away = False
        self._after_read: list[Gate] = []
        self._here: list[Gate] = []

    async def read(self, row: int) -> Value:
        [value] = (await self.read_many([row])).values() or [None]
        return value

    async def read_many(self, rows: Sequence[int]) -> Mapping[int, Value]:
        self.reads += 1
        if self.is_away:
            raise ConnectionError("the database is away")
        values = self._replica if self._by_replica else self.values
        found = {row: values[row] for row in rows if row in values}
        if self._after_read:
            await self._after_read.pop(0)()
        return found

    def lag(self) -> None:
        """A replica hears of nothing that is committed from here on."""
        self._replica = dict(self.values)

    def hold_next(self) -> Gate:
        """The next read waits, with its value in hand, until the gate opens."""
        self._after_read.append(Gate())
        return self._after_read[-1]

    def hold_outer(self) -> Gate:
        """The next load of `World.outer` waits, with its part in hand."""
        self._here.append(Gate())
        return self._here[-1]

    async def hold_here(self) -> None:
        if self._here:
            await self._here.pop(0)()


@dataclass(eq=False)
class _Row:
    tags: frozenset[str]
    published: Position | None = None
    first: float | None = None
    is_held: bool = False


class MemoryOutbox:
    """An `Outbox` in memory. `clock` is the database's."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self._ids = itertools.count(1)
        self.rows: dict[str, _Row] = {}
        self._after_read: list[Gate] = []

    def hold_next(self) -> Gate:
        """The next look at what is unpublished waits, with its rows in hand, for the gate."""
        self._after_read.append(Gate())
        return self._after_read[-1]

    async def add(self, tags: Iterable[str]) -> str:
        identifier = f"{next(self._ids):016x}"
        self.rows[identifier] = _Row(frozenset(tags))
        return identifier

    async def add_alone(self, tags: Iterable[str]) -> str:
        return await self.add(tags)

    async def waiting(self, epoch: str, limit: int) -> Sequence[OutboxRow]:
        found = [self._told(one) for one, row in self.rows.items() if _waits(row, epoch)]
        if self._after_read:
            await self._after_read.pop(0)()
        return found[:limit]

    @asynccontextmanager
    async def unpublished(self, epoch: str, limit: int) -> AsyncIterator[Sequence[OutboxRow]]:
        free = [one for one, row in self.rows.items() if _waits(row, epoch) and not row.is_held]
        held = free[:limit]
        for one in held:
            self.rows[one].is_held = True
        try:
            yield [self._told(one) for one in held]
        finally:
            for one in held:
                self.rows[one].is_held = False

    async def mark(self, ids: Iterable[str], position: Position) -> None:
        for one in ids:
            if one in self.rows:
                row = self.rows[one]
                row.published = position
                row.first = self._clock.now() if row.first is None else row.first

    async def read(self, ids: Iterable[str]) -> Mapping[str, OutboxRow]:
        return {one: self._told(one) for one in ids if one in self.rows}

    async def prune(self, age: float) -> bool:
        limit = self._clock.now() - age
        old = [one for one, row in self.rows.items() if row.first is not None and row.first < limit]
        for one in old:
            del self.rows[one]
        return False

    def _told(self, identifier: str) -> OutboxRow:
        row = self.rows[identifier]
        return OutboxRow(identifier, row.tags, row.published)


def _waits(row: _Row, epoch: str) -> bool:
    return row.published is None or row.published.epoch != epoch
