"""The worker's own clock: for how old what it knows is, never for the age of an entry."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """Seconds that go on while the process is paused and the machine is suspended."""

    def now(self) -> float:
        """Seconds since some moment."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Come back after so many seconds of this clock."""
        ...


class SystemClock:
    """The machine's clock, started and never set: time in suspend counts.

    Python's `time.monotonic` stands still during suspend on Linux; a laptop that wakes up must not
    take what it remembers for current.
    """

    def __init__(self) -> None:
        self.now = _reader()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def _reader() -> Callable[[], float]:
    identifier = getattr(time, "CLOCK_BOOTTIME", None)
    if identifier is None and sys.platform == "darwin":
        identifier = time.CLOCK_MONOTONIC  # on macOS this one runs during suspend
    if identifier is None:
        return time.monotonic
    return lambda: time.clock_gettime(identifier)
