"""Reads of leaderboards and scores."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from models.queries.paging import By, Ordering, Page, Window, page
from models.tables import Direction, Leaderboard, Operator, Score, TieColumn

TIES = ("tie1", "tie2", "tie3")
_SCORE = ("player", "score", *TIES, "sequence", "achieved_at", "version")


class BoardColumns(NamedTuple):
    """A board's definition, and its version."""

    id: int
    slug: str
    name: str
    operator: Operator
    order: Direction
    tie_columns: list[TieColumn]
    self_reported: bool
    version: int
    created_at: datetime


class ScoreColumns(NamedTuple):
    """A player's place on a board. Unused tie columns are 0."""

    player: str
    score: int
    tie1: int
    tie2: int
    tie3: int
    sequence: int
    achieved_at: datetime
    version: int


async def boards_by_slug(slugs: Collection[str]) -> dict[str, BoardColumns]:
    """The boards with these slugs."""
    rows = await Leaderboard.filter(slug__in=list(slugs)).values_list(*BoardColumns._fields)
    return {row[1]: BoardColumns(*row) for row in rows}


async def board_page(window: Window) -> Page:
    """A page of boards as ``(slug, id)`` in the order of their ids; a key is ``(id,)``."""
    return await page(Leaderboard.all(), (By("id"),), window, ("slug", "id"))


async def board_count() -> int:
    """How many boards there are."""
    return await Leaderboard.all().count()


def ranking(order: Direction, tie_columns: list[TieColumn]) -> Ordering:
    """The best first: score, the board's tie columns, then who got there first."""
    ties = (
        By(column, descending=tie["order"] == Direction.DESC)
        for column, tie in zip(TIES, tie_columns, strict=False)
    )
    return (By("score", descending=order is Direction.DESC), *ties, By("sequence"))


async def score_page(board_id: int, ordering: Ordering, window: Window) -> Page:
    """A page of rows shaped as ``ScoreColumns``; keys are by ``ordering``, from ``ranking``."""
    return await page(Score.filter(leaderboard_id=board_id), ordering, window, _SCORE)


async def scores_by_player(board_id: int, players: Collection[str]) -> dict[str, ScoreColumns]:
    """The places of these players on a board."""
    rows = await Score.filter(leaderboard_id=board_id, player__in=list(players)).values_list(
        *_SCORE
    )
    return {row[0]: ScoreColumns(*row) for row in rows}


async def score_count(board_id: int) -> int:
    """How many players a board has."""
    return await Score.filter(leaderboard_id=board_id).count()
