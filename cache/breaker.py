"""A circuit breaker: a server that does not answer is left alone for a while.

The pattern is Michael Nygard's (*Release It!*, "Circuit Breaker").
"""

from __future__ import annotations

import time
from collections.abc import Callable


class Breaker:
    """Counts failures in a row; open, it lets through one probe in each pause.

    - `threshold`: failures in a row that open it. One that had to be waited for counts twice: the
      next would have to be waited for as well.
    - `pause`: seconds for which it stays open, and between two probes.
    - `clock`: seconds, monotonic.
    - `changed` is told whether it is open, whenever that changes.

    Without it each request would wait for the time-out of a server that hangs.
    """

    def __init__(
        self,
        *,
        threshold: int = 2,
        pause: float = 0.25,
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

    def succeeded(self) -> None:
        was_open, self._failures = self.is_open, 0
        if was_open:
            self._changed(False)

    def failed(self, *, waited: bool = False) -> None:
        """Note a failure; `waited`: somebody waited for it until the time was over."""
        was_open = self.is_open
        self._failures += 2 if waited else 1
        if self.is_open and not was_open:
            self._next_probe = self._clock() + self._pause
            self._changed(True)
