"""Leases in memory, for workers of one process."""

import asyncio
import itertools
from collections import defaultdict

from tests.support.worlds.clock import ManualClock


class MemoryLeases:
    """`Leases` that all workers of a world share."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self._tokens = itertools.count(1)
        self._held: dict[str, tuple[str, float]] = {}
        self._released: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.waiting = 0

    async def acquire(self, key: str, seconds: float) -> str | None:
        token, until = self._held.get(key, ("", 0.0))
        if token and until > self._clock.now():
            return None
        self._held[key] = (str(next(self._tokens)), self._clock.now() + seconds)
        self._released[key].clear()
        return self._held[key][0]

    async def wait(self, key: str, timeout: float) -> bool:  # noqa: ASYNC109 - the interface
        self.waiting += 1
        over = asyncio.ensure_future(self._clock.sleep(timeout))
        released = asyncio.ensure_future(self._released[key].wait())
        try:
            await asyncio.wait({over, released}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            over.cancel()
            released.cancel()
            self.waiting -= 1
        return self._released[key].is_set()

    async def release(self, key: str, token: str) -> None:
        if self._held.get(key, ("", 0.0))[0] == token:
            del self._held[key]
            self._released[key].set()

    async def aclose(self) -> None:
        """Nothing is open."""
