"""A circuit breaker: a server that does not answer is left alone for a while.

The pattern is Michael Nygard's (*Release It!*, "Circuit Breaker").
"""

from __future__ import annotations

import time
from collections.abc import Callable


class Breaker:
    """Counts failures in a row; open, it refuses at once; then one probe tries again.

    - `threshold`: failures in a row that open it.
    - `pause`: seconds for which it stays open, and between two probes.
    - `clock`: seconds, monotonic.
    - `changed` is told whether it is open, whenever that changes.

    Without it each request would wait for the time-out of a server that hangs.
    """

    def __init__(
        self,
        *,
        threshold: int = 2,
        pause: float = 0.5,
        clock: Callable[[], float] = time.monotonic,
        changed: Callable[[bool], None] = lambda is_open: None,
    ) -> None:
        self._threshold = threshold
        self._pause = pause
        self._clock = clock
        self._changed = changed
        self._failures = 0
        self._next_probe = 0.0

    @property
    def is_open(self) -> bool:
        return self._failures >= self._threshold

    def allows(self) -> bool:
        """Whether to try. While open, one caller in each pause is let through as the probe."""
        if not self.is_open:
            return True
        now = self._clock()
        if now < self._next_probe:
            return False
        self._next_probe = now + self._pause
        return True

    def insist(self) -> None:
        """Let the next caller through, for what must be tried whatever was learned before."""
        self._next_probe = self._clock()

    def succeeded(self) -> None:
        was_open, self._failures = self.is_open, 0
        if was_open:
            self._changed(False)

    def failed(self) -> None:
        self._failures += 1
        if self._failures == self._threshold:
            self._next_probe = self._clock() + self._pause
            self._changed(True)
