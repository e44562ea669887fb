"""DataLoaders whose rows keep their age."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from .batch import TickBatcher
from .context import current_frame, current_scope, is_bypassed
from .protocol import Barrier, Position

Key = TypeVar("Key")
Row = TypeVar("Row")
_Remembered = tuple[Row | None, Position | None]


@dataclass(frozen=True, slots=True)
class _Asked(Generic[Row]):
    """A row that is read, or was; `number` orders when it was asked for."""

    future: asyncio.Future[_Remembered[Row]]
    number: int

    @property
    def has_failed(self) -> bool:
        future = self.future
        return future.cancelled() or (future.done() and future.exception() is not None)


class Loader(Generic[Key, Row]):
    """Reads the rows of all keys that one tick asks for by one call, and remembers them.

    `batch` gets distinct keys and returns those rows that exist; `tags` names what the row of a
    key depends on. Make one for each request, and `clear` it after a write.

    A row that is handed out again is as old as the batch that read it. A load that uses it gets
    that batch's position as its dependency (L2): with the load's own, an old row would be stored
    as if it had been read after a purge that came in between, and be shared with everyone. And it
    is not handed out to a reader that must not be behind a later purge (L0): it is read again.
    """

    def __init__(
        self,
        batch: Callable[[Sequence[Key]], Awaitable[Mapping[Key, Row]]],
        tags: Callable[[Key], Iterable[str]],
    ) -> None:
        self._batch = batch
        self._tags = tags
        self._rows: dict[Key, _Asked[Row]] = {}
        self._asked = 0
        self._batcher = TickBatcher(self._read)
        self._positions: Callable[[], Position | None] = lambda: None

    async def load(self, key: Key) -> Row | None:
        """The row of `key`, None if there is none. Inside `bypass()`: read now, not remembered."""
        scope = None if is_bypassed() else current_scope()
        if scope is None or scope.barrier.alone:
            return await self._load_alone(key, is_committed=scope is not None)
        cache = scope.cache
        self._positions = lambda: cache.position
        row, position = await self._remembered(key, scope.barrier)
        frame = current_frame()
        if frame is not None:
            read_at = position if cache.rules.l2_memory else frame.position
            frame.dependencies.add_all(self._tags(key), read_at)
        return row

    async def _load_alone(self, key: Key, *, is_committed: bool) -> Row | None:
        frame = current_frame()
        if frame is not None and is_committed:
            frame.dependencies.add_all(self._tags(key), frame.position)  # read after it began
        elif frame is not None:
            frame.dependencies.known = False
        return (await self._batch([key])).get(key)

    async def _remembered(self, key: Key, barrier: Barrier) -> _Remembered[Row]:
        before = self._asked
        while True:
            asked = self._rows.get(key)
            if asked is None or asked.has_failed:
                self._asked += 1
                asked = self._rows[key] = _Asked(self._batcher.submit(key), self._asked)
            # Shielded: whoever gives up must not take the row away from those who wait for it too.
            row, position = await asyncio.shield(asked.future)
            if asked.number > before or barrier.is_met_by(position):
                return row, position
            if self._rows.get(key) is asked:
                del self._rows[key]

    async def load_many(self, keys: Sequence[Key]) -> list[Row | None]:
        return list(await asyncio.gather(*map(self.load, keys)))

    def clear(self) -> None:
        """Forget every row: what was read before a write must not be handed out after it."""
        self._rows = {}

    async def _read(self, keys: Sequence[Key]) -> Sequence[_Remembered[Row]]:
        position = self._positions()  # known before the first read, as L1 asks
        rows = await self._batch(keys)
        return [(rows.get(key), position) for key in keys]
