"""Reads of leaderboards, and what a score's row holds (``models.queries.scores`` reads those)."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from models.queries.keys import storable
from models.queries.paging import By, Page, Window, page
from models.tables import Direction, Leaderboard, Operator, TieColumn

TIES = ("tie1", "tie2", "tie3")


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
    wanted = storable(Leaderboard, "slug", slugs)
    rows = await Leaderboard.filter(slug__in=wanted).values_list(*BoardColumns._fields)
    return {row[1]: BoardColumns(*row) for row in rows}


async def board_page(window: Window) -> Page:
    """A page of boards as ``(slug, id)`` in the order of their ids; a key is ``(id,)``."""
    return await page(Leaderboard.all(), (By("id"),), window, ("slug", "id"))


async def board_count() -> int:
    """How many boards there are."""
    return await Leaderboard.all().count()
