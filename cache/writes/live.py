"""Reading live values: from their hashes, rebuilt where they are missing, else from SQL."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from ..batch import TickBatcher
from ..errors import StoreUnavailable
from .journal import Journal
from .progress import Progress

_SNAPSHOTS = 3
"""Newer snapshots that are read because a flush trimmed the stream past the last one."""

_CHUNK = 1_000
"""Keys of one script and one statement."""


class LiveValues:
    """The values of a write-behind, acknowledged operations included.

    All reads of one event-loop tick, of all requests, are one round trip; what is missing is
    rebuilt together, by one statement and one script. While Redis is away the values are SQL's:
    they lack what is not flushed yet.
    """

    def __init__(self, journal: Journal, progress: Progress, life: float) -> None:
        self._journal = journal
        self._progress = progress
        self._life = life
        self._reads = TickBatcher(self._read_all)

    async def read(self, keys: Sequence[str]) -> list[int]:
        """The value of each key, in the order asked for. Raises the database's errors."""
        return list(await asyncio.gather(*(self._reads.submit(key) for key in keys)))

    async def _read_all(self, keys: Sequence[str]) -> Sequence[int]:
        distinct = list(dict.fromkeys(keys))
        values: dict[str, int] = {}
        for start in range(0, len(distinct), _CHUNK):
            values.update(await self._read_some(distinct[start : start + _CHUNK]))
        return [values[key] for key in keys]

    async def _read_some(self, keys: Sequence[str]) -> Mapping[str, int]:
        try:
            return await self._from_redis(keys)
        except StoreUnavailable:
            return (await self._progress.read(keys)).values

    async def _from_redis(self, keys: Sequence[str]) -> dict[str, int]:
        found = await self._journal.values(keys)
        values = {key: value for key, value in found.items() if value is not None}
        missing = [key for key in keys if key not in values]
        if missing:
            values.update(await self._rebuild(missing))
        return values

    async def _rebuild(self, keys: Sequence[str]) -> Mapping[str, int]:
        values: Mapping[str, int] = {}
        for _ in range(_SNAPSHOTS):
            snapshot = await self._progress.read(keys)
            values, is_exact = await self._journal.rebuild(snapshot, self._life)
            if is_exact:
                break
        # Still not exact: SQL has gone back behind the trim (the flusher reports it), or each
        # snapshot was slower than a flush. The value lacks what is neither in it nor the stream.
        return values
