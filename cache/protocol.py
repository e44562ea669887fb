"""The rules of invalidation, as pure decisions: no I/O, no clock, no event loop.

The names W2 to W4, F3, L0 to L3, J3, J4 and J7 are those of `docs/protocol.md`, where each rule
stands with the race that forced it. This is the protocol's first form: one store, and every read
is judged there, so a verdict is never older than the reader's arrival.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Position(NamedTuple):
    """A place in the invalidation log: the engine's only clock.

    Positions of two epochs cannot be compared: whatever lost a part of the log began a new epoch.
    """

    epoch: str
    id: int


@dataclass(frozen=True, slots=True)
class Look:
    """What one script of the state server told, all in one step.

    `head` is the position of the newest purge, `now` the server's time in seconds (Unix), and
    `watermarks` the newest purge of each tag that was asked for, None where the server has none.
    """

    head: Position
    now: float
    watermarks: Mapping[str, Position | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What is known of an entry: since when its data is known good, and how old it is.

    `dependencies` has, for each tag, the id (in `epoch`) up to which every purge had been
    published when the data behind it was read. `soft` and `hard` are times of the server's clock,
    in seconds: past `soft` an entry is stale, past `hard` it is gone.
    """

    epoch: str
    dependencies: Mapping[str, int]
    stored: float
    soft: float
    hard: float


class Verdict(enum.Enum):
    """Whether an entry may be served, and if not, why."""

    FRESH = "fresh"
    STALE = "stale"
    ABSENT = "absent"
    EXPIRED = "expired"
    OTHER_EPOCH = "other epoch"
    NO_WATERMARK = "no watermark"
    PURGED = "purged"

    @property
    def is_hit(self) -> bool:
        return self in (Verdict.FRESH, Verdict.STALE)


class Dependencies:
    """What a load was made of: for each tag the position at which the data behind it was read.

    A dependency that is met twice keeps the *lower* position, and data of two epochs, or of an
    unknown position, makes the whole neither storable nor sharable (L2).
    """

    def __init__(self) -> None:
        self.epoch: str | None = None
        self.ids: dict[str, int] = {}
        self.known = True

    def add(self, tag: str, position: Position | None) -> None:
        if position is None or (self.epoch is not None and self.epoch != position.epoch):
            self.known = False
            return
        self.epoch = position.epoch
        self.ids[tag] = min(self.ids.get(tag, position.id), position.id)

    def add_all(self, tags: Iterable[str], position: Position | None) -> None:
        for tag in tags:
            self.add(tag, position)

    def merge(self, other: Dependencies) -> None:
        self.known = self.known and other.known
        for tag, identifier in other.ids.items():
            self.add(tag, Position(other.epoch or "", identifier))


class Protocol:
    """The decisions. An instance, so that a test can switch one off and see its race lost."""

    def stamp(self, look: Look) -> Position:
        """L1: a load's position is the head that came back with its missed look-up.

        That is before its first read. The head at the load's *end* may name a purge whose write
        the load did not see, and would make an old value look newer than the purge.
        """
        return look.head

    def judge(self, stamp: Stamp, look: Look) -> Verdict:
        """J3, J4 and J7: whether an entry is valid as of `look.head`."""
        if stamp.epoch != look.head.epoch:
            return Verdict.OTHER_EPOCH
        for tag, read_at in stamp.dependencies.items():
            verdict = self._judge_tag(read_at, look.watermarks.get(tag), look.head.epoch)
            if verdict is not None:
                return verdict
        if look.now >= stamp.hard:
            return Verdict.EXPIRED
        return Verdict.STALE if look.now >= stamp.soft else Verdict.FRESH

    def _judge_tag(self, read_at: int, mark: Position | None, epoch: str) -> Verdict | None:
        # J4: a watermark that is missing may have been evicted, and with it a purge. One of
        # another epoch says nothing about this one.
        if mark is None or mark.epoch != epoch:
            return Verdict.NO_WATERMARK
        return Verdict.PURGED if mark.id > read_at else None

    def raised(self, stamp: Stamp, look: Look) -> Dependencies:
        """J3: what a reader of a valid entry depends on, as of the head that judged it."""
        result = Dependencies()
        result.add_all(stamp.dependencies, look.head)
        return result

    def joinable(self, dependencies: Dependencies, look: Look) -> bool:
        """L4: whether a reader with this look-up may use what somebody else's load read.

        Every purge up to the reader's `head` was published when each part of it was read, so no
        write that was acknowledged before the reader came is missing from it. This is stricter
        than to judge it by its watermarks, and needs no second question.
        """
        if not dependencies.ids:
            return dependencies.known  # only time ends it
        return (
            dependencies.known
            and dependencies.epoch == look.head.epoch
            and min(dependencies.ids.values()) >= look.head.id
        )
