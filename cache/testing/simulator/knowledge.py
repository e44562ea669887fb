"""What is known where: the checker's own bookkeeping, of which the engine sees nothing.

A *floor* says for each cell which version a reader must see at least.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping

from ...protocol import Position

Floor = dict[str, int]

KEPT = 60.0
"""Seconds for which it is remembered when what was published."""


def raised(floor: Floor, *others: Mapping[str, int]) -> Floor:
    """The least floor that is above all of these."""
    result = dict(floor)
    for other in others:
        for cell, version in other.items():
            if result.get(cell, 0) < version:
                result[cell] = version
    return result


class Trail:
    """A floor that only rises, and what it was at any time."""

    def __init__(self) -> None:
        self.floor: Floor = {}
        self._steps: deque[tuple[float, Floor]] = deque([(float("-inf"), {})])

    def add(self, now: float, floor: Mapping[str, int]) -> None:
        self.floor = raised(self.floor, floor)
        if self._steps[-1][0] == now:
            self._steps[-1] = (now, self.floor)
        else:
            self._steps.append((now, self.floor))
        while len(self._steps) > 1 and self._steps[1][0] < now - KEPT:
            self._steps.popleft()

    def before(self, moment: float) -> Floor:
        """What it was just before `moment`."""
        for when, floor in reversed(self._steps):
            if when < moment:
                return floor
        return {}


class Knowledge:
    """What was published, where and when, and what each position of the log stands for.

    Whoever knows a position knows every purge up to it in that epoch's log, and everything that
    was published anywhere before the epoch began: its entries were loaded later.
    """

    def __init__(self, versions: Callable[[Iterable[str]], Floor]) -> None:
        self._versions = versions
        self.anywhere: Floor = {}
        self.primary = Trail()
        """What was published on the primary."""
        self.acknowledged = Trail()
        self._at: dict[Position, Floor] = {}
        self._base: dict[str, Floor] = {}
        self._last: dict[str, Floor] = {}

    def epoch_begun(self, head: Position) -> None:
        if head.epoch not in self._base:
            self._base[head.epoch] = self._last[head.epoch] = self.anywhere

    def published(
        self, tags: Iterable[str], position: Position, now: float, *, on_primary: bool
    ) -> None:
        """A purge stands for all that is committed: what is loaded after it sees that."""
        announced = self._versions(tags)
        self.anywhere = raised(self.anywhere, announced)
        if on_primary:
            self.primary.add(now, announced)
        known = raised(self._last.get(position.epoch, {}), announced)
        self._last[position.epoch] = self._at[position] = known

    def of(self, position: Position | None) -> Floor:
        """What is known at `position`."""
        if position is None:
            return {}
        known = self._at.get(position)
        return self._base.get(position.epoch, {}) if known is None else known
