"""A clock that only a test moves."""

import asyncio

MOMENT = 1e-6
"""Seconds: whoever sleeps for so little has only its turn given away."""


class ManualClock:
    """Time stands still until `passes`. All workers of a world share one."""

    def __init__(self) -> None:
        self.started = self._now = 1_000.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> float:
        return self._now

    @property
    def passed(self) -> float:
        """Seconds since it was made."""
        return self._now - self.started

    async def sleep(self, seconds: float) -> None:
        if seconds <= MOMENT:
            await asyncio.sleep(0)
            return
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._now + seconds, waiting))
        await waiting

    def passes(self, seconds: float) -> None:
        """Let time pass; whoever slept so long wakes at its next turn."""
        self._now += seconds
        due = [sleeper for sleeper in self._sleepers if sleeper[0] <= self._now]
        self._sleepers = [sleeper for sleeper in self._sleepers if sleeper not in due]
        for _, waiting in due:
            if not waiting.done():
                waiting.set_result(None)
