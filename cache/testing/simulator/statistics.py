"""What was done, for the report of a run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Statistics:
    """Counts of one world, or of many together."""

    steps: int = 0
    reads: int = 0
    writes: int = 0
    overlaps: int = 0
    """Reads during which a write of what they read was committed."""
    bounded: int = 0
    """Reads to which the staleness bound was promised: their worker was well."""
    rests: int = 0
    """How often everything came to rest and was compared."""
    faults: Counter[str] = field(default_factory=Counter)
    facts: Counter[str] = field(default_factory=Counter)

    def add(self, other: Statistics) -> None:
        self.steps += other.steps
        self.reads += other.reads
        self.writes += other.writes
        self.overlaps += other.overlaps
        self.bounded += other.bounded
        self.rests += other.rests
        self.faults.update(other.faults)
        self.facts.update(other.facts)

    def report(self) -> str:
        """In words, one a line."""
        return (
            f"{self.reads:,} reads checked, of {self.bounded:,} requests while all was well; "
            f"{self.writes:,} writes; {self.overlaps:,} reads during a write of what they read; "
            f"{self.faults.total():,} faults; compared at rest "
            f"{self.rests:,} times\n"
            f"faults: {_listed(self.faults)}\nfacts: {_listed(self.facts)}"
        )


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.most_common())
