"""The scores' source: what is flushed (SQL, for us), behind a protocol.

Everything here can be implemented over any database that has transactions and reads in an order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from ..once import Once
from ..writes import Progress
from .board import Board
from .points import Points, Position, Standing


@dataclass(frozen=True, slots=True)
class Submission:
    """Points for a player: the score, then each tie column of the board; `once`: only once."""

    player: str
    points: Points
    once: Once | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What a submission did. `version` is the board's after it.

    `before` is None for a player's first submission. When nothing changed, `before == after`.
    `is_repeated`: it was done earlier, and this is what it did then.
    """

    version: int
    before: Standing | None
    after: Standing
    is_repeated: bool = False

    @property
    def changed(self) -> bool:
        """Whether the player's points are others than before, by this call."""
        return self.before != self.after and not self.is_repeated


@dataclass(frozen=True, slots=True)
class Bounds:
    """A stretch of the board's order: strictly between two places, scores within [low, high]."""

    after: Position | None = None
    before: Position | None = None
    low: int | None = None
    high: int | None = None


EVERYWHERE: Final = Bounds()


@dataclass(frozen=True, slots=True)
class Ahead:
    """Counts before a place.

    `better` players and `tuples` distinct points are strictly better; `earlier` players hold the
    same points and got there first.
    """

    better: int
    tuples: int
    earlier: int


class ScoreSource(Protocol):
    """What is flushed. `version` raises LookupError for a board that does not exist.

    Every read sees one state of the board (one statement), and is an index scan.
    """

    def progress(self, key: str) -> Progress:
        """How far the stream of the board `key` is applied, and how it is.

        Its operation is `STANDING`, of the one field `FIELD`; its `apply` writes what `flushed`
        makes of the changes. A row that is there is replaced.
        """
        ...

    async def boards(self, after: str | None, limit: int) -> Sequence[str]:
        """The keys of boards, in any fixed order, from behind `after`, at most `limit`."""
        ...

    async def version(self, board: Board) -> int:
        """How often the board has changed."""
        ...

    async def size(self, board: Board, bounds: Bounds = EVERYWHERE) -> int:
        """How many players have a row within `bounds.low` and `bounds.high`."""
        ...

    async def scan(self, board: Board, after: str | None, limit: int) -> Sequence[Standing]:
        """Rows in any fixed order of players, from behind `after`, at most `limit`."""
        ...

    async def stretch(self, board: Board, bounds: Bounds, limit: int) -> Sequence[Standing]:
        """At most `limit` rows within `bounds`, best first.

        With `bounds.before` they are the last ones of the stretch, so the nearest to it.
        """
        ...

    async def held(self, board: Board, players: Sequence[str]) -> Mapping[str, Standing]:
        """The rows of those players who have one."""
        ...

    async def ahead(self, board: Board, position: Position) -> Ahead:
        """Counts before `position`."""
        ...

    async def worse(self, board: Board, points: Points) -> int:
        """How many players are strictly worse than `points`."""
        ...

    async def better_scores(self, board: Board, score: int) -> int:
        """How many players have a strictly better score, tie columns ignored."""
        ...
