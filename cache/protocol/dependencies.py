"""What a load was made of, positions kept (L2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .rules import ALL, Rules
from .types import Position


class Dependencies:
    """For each tag the position at which the data behind it was read.

    A dependency that is met twice keeps the *lower* position, and data of two epochs, or of an
    unknown position, makes the whole neither storable nor sharable. `strict` says that some part
    asked for strict reads.
    """

    __slots__ = ("_rules", "epoch", "ids", "known", "strict")

    def __init__(self, rules: Rules = ALL) -> None:
        self._rules = rules
        self.epoch: str | None = None
        self.ids: dict[str, int] = {}
        self.known = True
        self.strict = False

    def add(self, tag: str, position: Position | None) -> None:
        if position is None:
            self.known = False
            return
        if self.epoch is not None and self.epoch != position.epoch:
            self.known = self.known and not self._rules.l2_epochs
            return
        self.epoch = position.epoch
        self.ids[tag] = min(self.ids.get(tag, position.id), position.id)

    def add_all(self, tags: Iterable[str], position: Position | None) -> None:
        for tag in tags:
            self.add(tag, position)

    def add_ids(self, epoch: str, ids: Mapping[str, int]) -> None:
        """Add the dependencies of an entry of `epoch`."""
        for tag, identifier in ids.items():
            self.add(tag, Position(epoch, identifier))

    def merge(self, other: Dependencies) -> None:
        self.known = self.known and other.known
        self.strict = self.strict or other.strict
        self.add_ids(other.epoch or "", other.ids)

    @property
    def newest(self) -> Position | None:
        """The newest position of what this was made of; None for nothing."""
        return Position(self.epoch or "", max(self.ids.values())) if self.ids else None

    def reach(self, position: Position) -> bool:
        """Whether every part was read at `position` or after it."""
        if not self.ids:
            return self.known  # only time ends it
        return self.known and self.epoch == position.epoch and min(self.ids.values()) >= position.id
