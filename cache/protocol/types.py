"""The words of the protocol, as frozen types."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple


class Position(NamedTuple):
    """A place in the invalidation log: the engine's only clock.

    Positions of two epochs cannot be compared: whatever lost a part of the log began a new epoch.
    """

    epoch: str
    id: int

    def reaches(self, other: Position) -> bool:
        """Whether `other` is not ahead of this one; False where they cannot be compared."""
        return self.epoch == other.epoch and other.id <= self.id

    def is_before(self, other: Position) -> bool:
        """Whether `other` is ahead of this one; False where they cannot be compared."""
        return self.epoch == other.epoch and self.id < other.id


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
class Purge:
    """An entry of the log: its id, the id of the one before it, and the tags that were purged."""

    id: int
    predecessor: int
    tags: Sequence[str]


@dataclass(frozen=True, slots=True)
class Followed:
    """What a follower of the log is told, all in one step.

    `purges` are those after the position that it asked from, oldest first, as far as they fit in
    one answer: the last may be before `head`. Empty where the epoch is another than it asked for.
    """

    head: Position
    now: float
    purges: Sequence[Purge] = ()


@dataclass(frozen=True, slots=True)
class Stamp:
    """What is known of an entry: since when its data is known good, and how old it is.

    - `dependencies` has, for each tag, the id (in `epoch`) up to which every purge had been
      published when the data behind it was read.
    - `soft` and `hard` are times of the server's clock, in seconds: past `soft` an entry is stale,
      past `hard` it is gone. `stored` is when its load began, and `cost` how long that took.
    - `strict`: some value in it asked for strict reads, so it is judged strictly as a whole (J6).
    """

    epoch: str
    dependencies: Mapping[str, int]
    stored: float
    soft: float
    hard: float
    cost: float = 0.0
    strict: bool = False

    def raised_to(self, head: Position) -> Stamp:
        """This stamp of an entry that was valid as of `head` (J3): no older than it, then."""
        ids = dict.fromkeys(self.dependencies, head.id)
        return replace(self, epoch=head.epoch, dependencies=ids)


class Verdict(enum.Enum):
    """Why an entry may not be served."""

    ABSENT = "absent"
    UNREADABLE = "unreadable"
    EXPIRED = "expired"
    OTHER_EPOCH = "other epoch"
    UNKNOWN = "older than the horizon"
    NO_WATERMARK = "no watermark"
    PURGED = "purged"
    OTHER_TAGS = "without a tag that its function names"
    BARRIER = "behind the reader's own writes"
