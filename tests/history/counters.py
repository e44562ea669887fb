"""Checks of one counter: what was added to it, and what readers were told.

A read must contain at least: everything that was acknowledged by the time that is due, the
client's own (with all that had been acknowledged before it began: it was committed by then), and
the writes that its token had reached. And at most everything that had begun and was not refused.

A live counter is read where it is written, so everybody sees everything acknowledged at once;
while something is broken only the upper bound is asked.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from tests.history.findings import Findings, Growing, Overlaps, largest
from tests.history.records import Counter, Outcome, Read, Write
from tests.history.windows import Windows


@dataclass
class Counted:
    """One key's increments and reads; `check` says what is wrong with them.

    `lost` is what a live counter may lack from a moment on, because Redis was emptied then.
    """

    key: str
    counter: Counter
    writes: Sequence[Write]
    reads: Sequence[Read]
    windows: Windows
    found: Findings
    lost: Sequence[tuple[float, int]] = ()
    outages: Windows | None = None

    def check(self) -> None:
        """Check every read of this key."""
        possible = [write for write in self.writes if write.outcome is not Outcome.FAILED]
        acknowledged = [write for write in possible if write.outcome is Outcome.OK]
        self._begun = _sums((write.start, write.amount) for write in possible)
        self._done = _sums((write.end, write.amount) for write in acknowledged)
        self._lost = _sums(self.lost)
        self._known = Growing.of([(*step, None) for step in zip(*self._done, strict=True)])
        self._overlaps = Overlaps.of([(write.start, write.end) for write in self.writes])
        own: dict[int, list[Any]] = defaultdict(list)
        told: dict[str, list[Any]] = defaultdict(list)
        for write in acknowledged:
            least = _by(self._done, write.start) + write.amount
            own[write.client].append((write.end, least, write))
            # A live counter is not purged: a position says nothing of what was added to it.
            if (position := write.position) is not None and not self.counter.live:
                told[position[0]].append((position[1], least, write))
        self._own = {client: Growing.of(steps) for client, steps in own.items()}
        self._told = {epoch: Growing.of(steps) for epoch, steps in told.items()}
        self._seen: dict[int, int] = {}
        for read in sorted(self.reads, key=lambda read: read.start):
            self._check_read(read)

    def bounds(self) -> tuple[int, int]:
        """The least and the most that the counter can hold in the end, in its own direction."""
        done, begun = _by(self._done, float("inf")), _by(self._begun, float("inf"))
        lost = _by(self._lost, float("inf"))
        ends = [self._value(done - lost), self._value(begun)]
        return min(ends), max(ends)

    def _value(self, added: int) -> int:
        return self.counter.initial + self.counter.direction * added

    def _check_read(self, read: Read) -> None:
        self.found.field_reads += read.fields
        self.found.overlapping += self._overlaps.during(read.start, read.end)
        added = (read.count - self.counter.initial) * self.counter.direction
        if added > (most := _by(self._begun, read.end)):
            what = f"{read.count} was shown, at most {self._value(most)} can be true"
            self.found.add("from the future", self.key, what, read)
            return
        if self.counter.live and self._is_excused(read):
            return
        lost = _by(self._lost, read.end)
        self._measure(read, added + lost)
        for kind, floor in self._floors(read):
            if floor is not None and added + lost < floor[0]:
                what = f"{read.count} was shown, {self._value(floor[0] - lost)} was due"
                self.found.add(kind, self.key, what, floor[1], read)
                return
        seen = self._seen.get(read.client, added)
        if read.echoes:
            self.found.went_back += added < seen
            self._seen[read.client] = max(seen, added)

    def _is_excused(self, read: Read) -> bool:
        """Whether this read of a live counter may have been answered from SQL."""
        around = (read.start - self.windows.delta, read.end)
        was_away = self.outages is not None and self.outages.touch(*around)
        return was_away or self.windows.touch(*around)

    def _floors(self, read: Read) -> list[tuple[str, tuple[int, Any] | None]]:
        floors: list[tuple[str, tuple[int, Any] | None]] = []
        if read.echoes:
            own = self._own.get(read.client)
            floors.append(("read your writes", largest(own, read.start)))
            for epoch, identifier in read.sent.positions.items():
                told = self._told.get(epoch)
                floors.append(("position", largest(told, identifier)))
        due = read.start if self.counter.live else self.windows.due(read.start)
        floors.append(("stale", (_by(self._done, due), None)))
        return floors

    def _measure(self, read: Read, added: int) -> None:
        newer = self._known.exceeds(added)
        age = 0.0 if newer is None else max(0.0, read.start - newer)
        well = self.windows.begin_of(read.start) is None
        (self.found.ages if well else self.found.ages_in_faults).append(age)


Sums = tuple[list[float], list[int]]


def _sums(steps: Iterable[tuple[float, int]]) -> Sums:
    """The moments, in order, and the sum up to each."""
    ordered = sorted(steps)
    return [moment for moment, _ in ordered], list(accumulate(amount for _, amount in ordered))


def _by(sums: Sums, moment: float) -> int:
    """What was added before `moment`."""
    index = bisect_left(sums[0], moment)
    return 0 if index == 0 else sums[1][index - 1]
