"""When staleness is bounded by Δ: outside of faults, and of the time to heal from them."""

from bisect import bisect_right
from collections.abc import Iterable

from tests.history.records import Fault

DELTA = 1.0
"""Δ: `FRESHQL_MAX_STALENESS`, in seconds."""
HEALING = 10.0
"""Within so many seconds of a fault's end everything is as promised again (promise 4)."""


class Windows:
    """The times around faults, those that touch merged."""

    def __init__(
        self, faults: Iterable[Fault], *, delta: float = DELTA, healing: float = HEALING
    ) -> None:
        self.delta = delta
        self._begins: list[float] = []
        self._ends: list[float] = []
        for fault in sorted(faults, key=lambda fault: fault.begin):
            end = fault.end + healing
            if self._ends and fault.begin <= self._ends[-1]:
                self._ends[-1] = max(self._ends[-1], end)
            else:
                self._begins.append(fault.begin)
                self._ends.append(end)

    def begin_of(self, moment: float) -> float | None:
        """When the window began that `moment` is in; None when all was well then."""
        index = bisect_right(self._begins, moment) - 1
        if index < 0 or moment > self._ends[index]:
            return None
        return self._begins[index]

    def touch(self, start: float, end: float) -> bool:
        """Whether something was wrong at some time from `start` to `end`."""
        index = bisect_right(self._begins, end) - 1
        return index >= 0 and start <= self._ends[index]

    def due(self, start: float) -> float:
        """What was acknowledged by then has to be seen by a read that begins at `start`.

        Δ before it; in a window, Δ before that began: what was acknowledged later than that is
        due when the window ends.
        """
        begin = self.begin_of(start)
        return (start if begin is None else begin) - self.delta
