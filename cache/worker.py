"""What the parts of one cache share: the log as this worker knows it, the clocks, the observers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from .clock import Clock
from .facts import StoreFailed
from .observers import Observers
from .protocol import Barrier, Log, Position

_SLOW = 0.02
"""Seconds: a failure that took longer was waited for; a breaker that is open answers at once."""


class Worker:
    """One process's knowledge. `tell` is told every fact."""

    def __init__(self, log: Log, clock: Clock, tell: Observers) -> None:
        self.log = log
        self.rules = log.rules
        self.is_observed = bool(tell)
        """Whether anybody is told: a hit in memory need not make a fact for nobody."""
        self.clock = clock
        self.tell = tell
        self.latest: Position | None = None
        """The newest head of the log that this worker was told of."""
        self.unpublished: Callable[[], bool] = lambda: False
        """Whether own purges wait to be published, so that nothing local may be used."""
        self.settle: Callable[[], Awaitable[None]] = _nothing
        """Publish them. Raises `StoreUnavailable` while some still wait."""
        self._offset = 0.0

    @property
    def is_current(self) -> bool:
        """Whether what rests on the log may be used now (F2)."""
        return self.log.is_current(self.clock.now()) and not self.unpublished()

    @property
    def server_time(self) -> float:
        """Seconds of Redis's clock (Unix), estimated; never behind it: entries end rather early."""
        return self.clock.now() + self._offset

    def failed(self, purpose: str, error: Exception, began: float, barrier: Barrier) -> None:
        """Tell that the store failed a request, in a call that began at `began`.

        A request waits for a store that does not answer once: then it goes on without.
        """
        self.tell(StoreFailed(purpose, str(error)))
        if self.clock.now() - began >= _SLOW:
            barrier.give_up()

    def note(self, head: Position, now: float, sent: float) -> None:
        """Remember what an answer told that was asked for at `sent`: its head and its time."""
        self._offset = now - sent
        self.saw(head)

    def saw(self, head: Position) -> None:
        """Remember the newest position that was ever the head."""
        latest = self.latest
        if latest is None or latest.epoch != head.epoch or latest.id < head.id:
            self.latest = head


async def _nothing() -> None:
    pass
