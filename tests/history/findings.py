"""What a check finds: violations with what shows them, and distributions."""

from bisect import bisect_left, bisect_right
from collections import Counter as Tally
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

KEPT = 20
"""Violations of one kind that are kept whole; the others are only counted."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken promise: which, of what, and the records that show it, oldest first."""

    kind: str
    key: str
    what: str
    trace: tuple[Any, ...] = ()

    def __str__(self) -> str:
        shown = "".join(f"\n    {record}" for record in self.trace if record is not None)
        return f"{self.kind}: {self.key}: {self.what}{shown}"


@dataclass
class Findings:
    """What was found, and how much was looked at."""

    violations: list[Violation] = field(default_factory=list)
    tally: Tally[str] = field(default_factory=Tally)
    """How many violations of each kind."""
    ages: list[float] = field(default_factory=list)
    """How old what a read was told was, in seconds, while all was well; 0: the newest."""
    ages_in_faults: list[float] = field(default_factory=list)
    went_back: int = 0
    """Reads that showed less than the same client had seen, within what promise 3 leaves open."""
    overlapping: int = 0
    """Pairs of a read and a write of one key that were under way at the same time."""
    field_reads: int = 0
    field_writes: int = 0

    def add(self, kind: str, key: str, what: str, *trace: Any) -> None:
        """Note a violation."""
        self.tally[kind] += 1
        if self.tally[kind] <= KEPT:
            self.violations.append(Violation(kind, key, what, trace))

    @property
    def count(self) -> int:
        """How many violations."""
        return sum(self.tally.values())


@dataclass
class Growing:
    """The largest of what was known by each moment: a step function, asked by bisection."""

    _moments: list[float] = field(default_factory=list)
    _largest: list[int] = field(default_factory=list)
    _what: list[Any] = field(default_factory=list)

    @classmethod
    def of(cls, steps: Sequence[tuple[float, int, Any]]) -> "Growing":
        """Made of (moment, value, what shows it), in any order."""
        made = cls()
        for moment, value, what in sorted(steps, key=lambda step: step[0]):
            if made._largest and made._largest[-1] >= value:
                continue
            made._moments.append(moment)
            made._largest.append(value)
            made._what.append(what)
        return made

    def by(self, moment: float) -> tuple[int, Any] | None:
        """The largest value up to and including `moment`, and what shows it."""
        index = bisect_right(self._moments, moment) - 1
        return None if index < 0 else (self._largest[index], self._what[index])

    def exceeds(self, value: int) -> float | None:
        """The first moment at which it was more than `value`; None if it never was."""
        index = bisect_right(self._largest, value)
        return None if index == len(self._moments) else self._moments[index]


def largest(growing: Growing | None, moment: float) -> tuple[int, Any] | None:
    """What it was by then; None where nothing grew."""
    return None if growing is None else growing.by(moment)


@dataclass
class Overlaps:
    """How many intervals are under way during another."""

    _starts: list[float]
    _ends: list[float]

    @classmethod
    def of(cls, intervals: Sequence[tuple[float, float]]) -> "Overlaps":
        return cls(sorted(start for start, _ in intervals), sorted(end for _, end in intervals))

    def during(self, start: float, end: float) -> int:
        """Those that began before `end`, without those that had ended by `start`."""
        return bisect_left(self._starts, end) - bisect_right(self._ends, start)
