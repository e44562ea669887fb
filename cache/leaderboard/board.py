"""What a leaderboard is: its operator, its order, its tie columns. A leaf: pure types."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MAX_TIE_COLUMNS: Final = 3
"""How many tie columns a board may have."""


class Operator(StrEnum):
    """What a submission does to the points that a player holds."""

    BEST = "BEST"
    """Replaces them if the whole tuple (score, then tie columns) is strictly better."""
    SET = "SET"
    """Replaces them."""
    INCREMENT = "INCREMENT"
    """Is added to the score and to every tie column; it may be negative."""


class Order(StrEnum):
    """Which values come first: the smallest (ASC) or the largest (DESC)."""

    ASC = "ASC"
    DESC = "DESC"


class Ranking(StrEnum):
    """How players with equal points are numbered. Points are the score and the tie columns."""

    ORDINAL = "ORDINAL"
    """1234: every player has a rank of their own; who got there first is first."""
    COMPETITION = "COMPETITION"
    """1224: equals share a rank, and as many ranks are left out after them."""
    DENSE = "DENSE"
    """1223: equals share a rank, and none is left out."""


class Freshness(StrEnum):
    """Where an answer came from. Both are exact."""

    LIVE = "LIVE"
    """The sorted set in Redis."""
    REBUILDING = "REBUILDING"
    """The scores' source (SQL): there is no usable copy in Redis right now."""


@dataclass(frozen=True, slots=True)
class Board:
    """A board's rules. `key` names it, for the source and in Redis; it has no `{` or `}`.

    `ties` holds the direction of each tie column, most significant first; at most three.
    """

    key: str
    operator: Operator
    order: Order
    ties: tuple[Order, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a board that could not be kept in Redis. Raises ValueError."""
        if not self.key or "{" in self.key or "}" in self.key:
            raise ValueError(f"a board's key must be text without braces, got {self.key!r}")
        if len(self.ties) > MAX_TIE_COLUMNS:
            raise ValueError(
                f"a board has at most {MAX_TIE_COLUMNS} tie columns, got {len(self.ties)}"
            )

    @property
    def orders(self) -> tuple[Order, ...]:
        """The direction of each column: the score's, then the tie columns'."""
        return (self.order, *self.ties)

    @property
    def layout(self) -> str:
        """How members are ordered, as text: a copy of another layout cannot be used."""
        return ",".join(self.orders)
