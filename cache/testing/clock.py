"""A clock that only a test moves: nothing waits, and a minute passes in one line.

clock = ManualClock()
store = MemoryStore(MemoryServer(now=clock.now))      # times to live, by the server's clock
cache = Cache(store, clock=clock)                     # how old the cache's knowledge is
clock.advance(60)
"""

from __future__ import annotations

import asyncio


class ManualClock:
    """A `Clock` that stands still between two calls of `advance`; it begins at `start`, in s."""

    def __init__(self, start: float = 1_000_000.0) -> None:
        self._now = start
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> float:
        """Seconds; the same until a test moves it."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Come back when the clock was moved so far; at once if `seconds` are none."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._now + seconds, woken))
        await woken

    def advance(self, seconds: float) -> None:
        """Let time pass; whoever slept so long goes on at its next turn.

        Raises `ValueError` for a time that is less than 0: this clock is never set back.
        """
        if seconds < 0:
            raise ValueError(f"expected seconds of 0 or more, got {seconds!r}: time goes on")
        self._now += seconds
        for at, woken in self._sleepers:
            if at <= self._now and not woken.done():
                woken.set_result(None)
        self._sleepers = [sleeper for sleeper in self._sleepers if not sleeper[1].done()]
