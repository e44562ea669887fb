"""What can be asked of a board, and what is answered. Pure types; a question knows its answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from .board import Freshness, Ranking
from .points import Position, Standing

Answer_co = TypeVar("Answer_co", covariant=True)


@dataclass(frozen=True)
class Place:
    """A rank in each numbering, counted from 1."""

    ordinal: int
    competition: int
    dense: int

    def rank(self, ranking: Ranking) -> int:
        """The rank in one numbering."""
        match ranking:
            case Ranking.ORDINAL:
                return self.ordinal
            case Ranking.COMPETITION:
                return self.competition
            case Ranking.DENSE:
                return self.dense


@dataclass(frozen=True)
class Placed:
    """A player's standing and its place."""

    standing: Standing
    place: Place


@dataclass(frozen=True)
class Page:
    """Neighbours in the order of the board, best first."""

    rows: tuple[Placed, ...]
    has_next: bool


class Question(Generic[Answer_co]):
    """The base of the questions. They are values: equal questions of one tick are asked once."""


@dataclass(frozen=True)
class State(Question[None]):
    """Only the header of the reading: version and size."""


@dataclass(frozen=True)
class Slice(Question[Page]):
    """At most `limit` rows (1 or more) after the place `after`, of scores from `low` to `high`."""

    limit: int
    after: Position | None = None
    low: int | None = None
    high: int | None = None


@dataclass(frozen=True)
class Count(Question[int]):
    """How many players have a score from `low` to `high`."""

    low: int | None = None
    high: int | None = None


@dataclass(frozen=True)
class Entries(Question[tuple[Placed | None, ...]]):
    """The rows of these players, in this order; None for one that has none."""

    players: tuple[str, ...]


@dataclass(frozen=True)
class Around(Question[tuple[Placed, ...]]):
    """A player's row with `above` before and `below` after it; nothing for an unknown player.

    At an edge of the board the window slides: it keeps its `above + 1 + below` rows as long as
    the board has so many.
    """

    player: str
    above: int
    below: int


@dataclass(frozen=True)
class RankOfScore(Question[int]):
    """1 + the players with a strictly better score; tie columns are ignored."""

    score: int


@dataclass(frozen=True)
class Percentile(Question[float | None]):
    """100 × the players strictly worse ÷ (size − 1), 100 where there is one player.

    None for an unknown player.
    """

    player: str


@dataclass(frozen=True)
class Header:
    """The state that a question was answered in.

    `version` counts the board's changes; `epoch` names the copy in Redis, or is `sql`.
    """

    epoch: str
    version: int
    size: int
    freshness: Freshness

    @property
    def cursor(self) -> str:
        """`epoch:version`."""
        return f"{self.epoch}:{self.version}"


@dataclass(frozen=True)
class Reading(Generic[Answer_co]):
    """An answer, and the one state of the board that it was read in."""

    header: Header
    answer: Answer_co


def placed(standings: Sequence[Standing], first: Place) -> tuple[Placed, ...]:
    """Number neighbours in board order, of which the first one's place is known."""
    rows: list[Placed] = []
    place = first
    for standing in standings:
        if rows:
            place = _next_place(place, same=rows[-1].standing.points == standing.points)
        rows.append(Placed(standing, place))
    return tuple(rows)


def _next_place(place: Place, *, same: bool) -> Place:
    ordinal = place.ordinal + 1
    if same:
        return Place(ordinal, place.competition, place.dense)
    return Place(ordinal, ordinal, place.dense + 1)


def window(before: int, after: int, above: int, below: int) -> tuple[int, int]:
    """How many rows to show before and after one that has `before` and `after` of them.

    The window of `above + 1 + below` rows slides at the edges: what one side lacks, the other
    side adds.
    """
    shown_before = min(before, above + max(0, below - after))
    shown_after = min(after, below + max(0, above - before))
    return shown_before, shown_after


def percentile(worse: int, size: int) -> float:
    """100 × `worse` ÷ (`size` − 1), and 100 for the only player."""
    return 100.0 if size <= 1 else 100.0 * worse / (size - 1)
