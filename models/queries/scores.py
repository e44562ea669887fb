"""Scores of a leaderboard: what its live copy is made of, and what stands in for it.

A board is named by its slug; each read is one statement, so it sees one state of the board.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from tortoise.expressions import Q, Subquery
from tortoise.queryset import QuerySet

from models.queries.leaderboards import TIES, ScoreColumns
from models.queries.paging import Key, Ordering, Window, page, past
from models.tables import Leaderboard, Score

_COLUMNS = ScoreColumns._fields
_POINTS = ("score", *TIES)
_PLAYER = ("leaderboard_id", "player")
_WRITTEN = (*_POINTS, "sequence", "version", "achieved_at")

ScoreRange = tuple[int | None, int | None]
"""The lowest and the highest score, both included; None: any."""


class Place(NamedTuple):
    """A player's points, as they are written. ``version`` is the board's, and the sequence."""

    player: str
    points: tuple[int, ...]
    version: int
    achieved_at: datetime


class Ahead(NamedTuple):
    """Players strictly better, their distinct points, and equals who got there first."""

    better: int
    tuples: int
    earlier: int


async def write_places(
    slug: str, places: Sequence[Place], removed: Collection[str], version: int
) -> bool:
    """Write these players' rows, delete those of others, set the board's version.

    For an open transaction. A row that is there is replaced. False: there is no such board.
    """
    board = await Leaderboard.filter(slug=slug).only("id").get_or_none()
    if board is None:
        return False
    rows = [
        Score(
            leaderboard_id=board.id,
            player=place.player,
            **_by_column(place.points),
            sequence=place.version,
            version=place.version,
            achieved_at=place.achieved_at,
        )
        for place in places
    ]
    await Score.bulk_create(rows, on_conflict=_PLAYER, update_fields=_WRITTEN)
    if removed:
        await Score.filter(leaderboard_id=board.id, player__in=list(removed)).delete()
    await Leaderboard.filter(id=board.id).update(version=version)
    return True


async def slugs(after: str | None, limit: int) -> list[str]:
    """The slugs of boards in the database's order, from behind ``after``."""
    boards = Leaderboard.all() if after is None else Leaderboard.filter(slug__gt=after)
    return [slug for (slug,) in await boards.order_by("slug").limit(limit).values_list("slug")]


async def board_version(slug: str) -> int | None:
    """How often the board has changed; None for no such board."""
    found = await Leaderboard.filter(slug=slug).values_list("version")
    return int(found[0][0]) if found else None


async def size(slug: str, scores: ScoreRange = (None, None)) -> int:
    """How many players of the board have a score within (lowest, highest)."""
    return await _within(_scores(slug), scores).count()


async def held(slug: str, players: Collection[str]) -> list[ScoreColumns]:
    """The rows of these players, in no order."""
    return await _rows(_scores(slug).filter(player__in=list(players)))


async def scan(slug: str, after: str | None, limit: int) -> list[ScoreColumns]:
    """Rows in the database's order of players, from behind ``after``."""
    rows = _scores(slug) if after is None else _scores(slug).filter(player__gt=after)
    return await _rows(rows.order_by("player").limit(limit))


async def stretch(
    slug: str, ordering: Ordering, window: Window, scores: ScoreRange
) -> list[ScoreColumns]:
    """The rows of ``window`` in ``ordering`` whose score is within (lowest, highest)."""
    found = await page(_within(_scores(slug), scores), ordering, window, _COLUMNS)
    return [ScoreColumns(*row) for row in found.rows]


async def ahead(slug: str, ordering: Ordering, key: Key) -> Ahead:
    """Counts before ``key``: a value for each column of ``ordering``, the last is the sequence."""
    better = past(ordering[:-1], key[:-1], backward=True)
    same = Q(**{by.column: value for by, value in zip(ordering[:-1], key[:-1], strict=True)})
    return Ahead(
        better=await _scores(slug).filter(better).count(),
        tuples=await _count_points(slug, better),
        earlier=await _scores(slug).filter(same, sequence__lt=key[-1]).count(),
    )


async def beyond(slug: str, ordering: Ordering, key: Key, *, backward: bool = False) -> int:
    """How many rows come after ``key`` in ``ordering``; ``backward``: before it."""
    return await _scores(slug).filter(past(ordering, key, backward=backward)).count()


def _scores(slug: str) -> QuerySet[Score]:
    board = Subquery(Leaderboard.filter(slug=slug).values("id"))
    return Score.filter(leaderboard_id=board)


def _within(rows: QuerySet[Score], scores: ScoreRange) -> QuerySet[Score]:
    low, high = scores
    if low is not None:
        rows = rows.filter(score__gte=low)
    return rows if high is None else rows.filter(score__lte=high)


async def _rows(rows: QuerySet[Score]) -> list[ScoreColumns]:
    return [ScoreColumns(*row) for row in await rows.values_list(*_COLUMNS)]


async def _count_points(slug: str, which: Q) -> int:
    """How many distinct points the rows have. Tortoise counts rows only, so its SQL is wrapped."""
    board = await Leaderboard.filter(slug=slug).values_list("id")
    rows = Score.filter(leaderboard_id=board[0][0] if board else 0).filter(which)
    points = rows.distinct().values(*_POINTS).sql(params_inline=True)
    statement = f"SELECT COUNT(*) AS n FROM ({points}) AS points"  # noqa: S608 - only integers
    found: Sequence[dict[str, int]] = await Score._meta.db.execute_query_dict(statement)
    return found[0]["n"]


def _by_column(points: tuple[int, ...]) -> dict[str, int]:
    padded = (*points, *(0 for _ in range(len(_POINTS) - len(points))))
    return dict(zip(_POINTS, padded, strict=True))
