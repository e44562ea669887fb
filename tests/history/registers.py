"""Checks of one register: a row whose every edit has a version and a value.

Each read is brought down to a version. Then every promise is a *floor*, a version below which the
read must not be:

- `read your writes`: the client's own acknowledged writes, if it echoes tokens;
- `position`: a write whose token's position the client's token had reached: somebody who knew of
  that write told the client. With an own earlier read of it, this is `monotonic`;
- `stale`: what was acknowledged, or seen by anybody, Δ before; around faults, before they began.

A value can be that of several versions (a category that a product came back to): then the newest
of them that had begun is assumed.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.history.findings import Findings, Growing, Overlaps, largest
from tests.history.records import Outcome, Read, Write
from tests.history.windows import Windows

Floor = tuple[int, Any]


@dataclass
class Register:
    """One key's writes and reads; `check` says what is wrong with them."""

    key: str
    initial: tuple[str, int]
    writes: Sequence[Write]
    reads: Sequence[Read]
    windows: Windows
    found: Findings
    _versions: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    _values: dict[int, str] = field(default_factory=dict)
    _by_value: dict[str, list[Write]] = field(default_factory=lambda: defaultdict(list))
    _began: dict[int, float] = field(default_factory=dict)
    _pairs: list[tuple[Write, int]] = field(default_factory=list)
    _unresolved: dict[str, list[Write]] = field(default_factory=lambda: defaultdict(list))
    _seen: dict[int, int] = field(default_factory=dict)
    _shows: set[str] = field(default_factory=set)

    def check(self) -> None:
        """Check everything about this key."""
        value, version = self.initial
        self._is(value, version, None)
        self._began[version] = -math.inf
        for write in self.writes:
            self._by_value[write.value].append(write)
        self._shows = {read.value for read in self.reads}
        for write in self.writes:
            if (made := self._version_made_by(write)) is not None:
                self._is(write.value, made, write)
                self._began[made] = write.start
        for read in self.reads:
            if read.version is not None:
                self._is(read.value, read.version, read)
        self._resolve()
        self._check_order()
        self._check_reads()

    # ---- which version is which ----

    def _is(self, value: str, version: int, record: Write | Read | None) -> None:
        known = self._values.setdefault(version, value)
        if known != value:
            what = f"version {version} is both {known!r} and {value!r}"
            self.found.add("two values of one version", self.key, what, record)
        elif version not in self._versions[value]:
            self._versions[value].append(version)

    def _version_made_by(self, write: Write) -> int | None:
        """The version that a write has made for certain, as far as its client could know."""
        if write.outcome is Outcome.OK:
            return write.version
        was_shown = write.value in self._shows and self._is_of_one(write.value)
        return write.version if write.outcome is Outcome.UNKNOWN and was_shown else None

    def _is_of_one(self, value: str) -> bool:
        return len(self._by_value[value]) == 1 and value != self.initial[0]

    def version_of(self, read: Read) -> int | None:
        """The version that a read shows; None when nobody can tell."""
        if read.version is not None:
            return read.version
        if any(write.start < read.end for write in self._unresolved.get(read.value, ())):
            return None
        begun = [it for it in self._versions.get(read.value, ()) if self._start(it) < read.end]
        return max(begun, default=None)

    def _start(self, version: int) -> float:
        """When the write of a version began, as far as is known."""
        if version in self._began:
            return self._began[version]
        # A write of unknown outcome that had the version if it happened; else any of its value.
        begun = [it.start for it in self._by_value[self._values[version]] if it.version == version]
        if begun:
            return min(begun)
        writes = self._by_value.get(self._values[version], ())
        return min((write.start for write in writes), default=-math.inf)

    # ---- writes ----

    def _resolve(self) -> None:
        """Find the writes' versions, where exactly one write can have made one."""
        for write in self.writes:
            if write.outcome is Outcome.FAILED:
                continue
            version = self._version_made_by(write)
            if version is None and self._is_of_one(write.value):
                version = max(self._versions.get(write.value, ()), default=None)
            if version is not None:
                self._pairs.append((write, version))
            else:
                self._unresolved[write.value].append(write)

    def _check_order(self) -> None:
        """A write that began after another's acknowledgement comes after it."""
        pairs = self._pairs
        done = Growing.of([(write.acknowledged, version, write) for write, version in pairs])
        for write, version in pairs:
            before = done.by(write.start)
            if before is not None and before[0] >= version:
                what = f"version {version} was written after {before[0]} was acknowledged"
                self.found.add("lost update", self.key, what, before[1], write)

    # ---- reads ----

    def _check_reads(self) -> None:
        pairs = self._pairs
        self._overlaps = Overlaps.of([(write.start, write.end) for write in self.writes])
        self._known = Growing.of(
            [(write.acknowledged, version, write) for write, version in pairs] + self._shown()
        )
        own: dict[int, list[Any]] = defaultdict(list)
        told: dict[str, list[Any]] = defaultdict(list)
        for write, version in pairs:
            if write.outcome is Outcome.OK:
                own[write.client].append((write.end, version, write))
                if (position := write.position) is not None:
                    told[position[0]].append((position[1], version, write))
        self._own = {client: Growing.of(steps) for client, steps in own.items()}
        self._told = {epoch: Growing.of(steps) for epoch, steps in told.items()}
        for read in sorted(self.reads, key=lambda read: read.start):
            self._check_read(read)

    def _shown(self) -> list[tuple[float, int, Read]]:
        """A value that somebody was shown is committed by then. What is assumed is not known."""
        told = ((read, self._certain_version_of(read)) for read in self.reads)
        return [(read.end, version, read) for read, version in told if version is not None]

    def _certain_version_of(self, read: Read) -> int | None:
        is_one = len(self._versions.get(read.value, ())) == 1
        return self.version_of(read) if read.version is not None or is_one else None

    def _check_read(self, read: Read) -> None:
        self.found.field_reads += read.fields
        self.found.overlapping += self._overlaps.during(read.start, read.end)
        if not self._is_valid(read):
            return
        version = self.version_of(read)
        if version is None:
            return
        self._measure(read, version)
        for kind, floor in self._floors(read):
            if floor is not None and version < floor[0]:
                what = (
                    f"version {version} was shown, {floor[0]} was due ({self._age(read, version)})"
                )
                back = kind == "position" and self._seen.get(read.client, version) > version
                self.found.add("monotonic" if back else kind, self.key, what, floor[1], read)
                return
        seen = self._seen.get(read.client, version)
        if read.echoes:
            self.found.went_back += version < seen
            self._seen[read.client] = max(seen, version)

    def _is_valid(self, read: Read) -> bool:
        """Whether the value was written by somebody, and not later."""
        if read.value == self.initial[0]:
            return True
        asked = self._by_value.get(read.value, [])
        writes = [write for write in asked if write.outcome is not Outcome.FAILED]
        if not writes:
            what = f"{read.value!r} was " + ("refused" if asked else "never written")
            self.found.add("never committed", self.key, what, *asked, read)
            return False
        if min(write.start for write in writes) > read.end:
            self.found.add("from the future", self.key, read.value, read, *writes)
            return False
        return True

    def _floors(self, read: Read) -> list[tuple[str, Floor | None]]:
        floors: list[tuple[str, Floor | None]] = []
        if read.own is not None:
            mine = max(self._versions.get(read.own, ()), default=None)
            floors.append(("own payload", None if mine is None else (mine, None)))
        if read.echoes:
            own = self._own.get(read.client)
            floors.append(("read your writes", largest(own, read.start)))
            for epoch, identifier in read.sent.positions.items():
                told = self._told.get(epoch)
                floors.append(("position", largest(told, identifier)))
        floors.append(("stale", self._known.by(self.windows.due(read.start))))
        return floors

    def _age(self, read: Read, version: int) -> str:
        newer = self._known.exceeds(version)
        return "newer was not known" if newer is None else f"{read.start - newer:.3f} s old"

    def _measure(self, read: Read, version: int) -> None:
        newer = self._known.exceeds(version)
        age = 0.0 if newer is None else max(0.0, read.start - newer)
        well = self.windows.begin_of(read.start) is None
        (self.found.ages if well else self.found.ages_in_faults).append(age)
