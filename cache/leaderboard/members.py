"""How a place on a board is written in Redis: text whose byte order is the board's order.

A sorted set keeps members of equal score in byte order. All scores here are 0 and the member
says everything: `<score><tie columns><sequence>:<player>`. So nothing passes through the double
that a sorted set's score is (it silently loses 2^53 + 1, and 0.1 + 0.2 drifts), the order of
arrival decides among equals, and a rank of any kind is one count over a range of text, O(log n).

A number is 15 characters: `1` and 14 hexadecimal digits of n for n ≥ 0, `0` and those of
n + 2^53 for n < 0. Every part is exact in a double too, so that a Lua script can write it.
"""

from __future__ import annotations

from typing import Final

from .board import Board
from .points import Points, Position, ordered

WIDTH: Final = 15
"""Characters of one number."""

_SHIFT: Final = 2**53


def number(value: int) -> str:
    """`value`, of at most 2^53 − 1 either way, as 15 characters that sort like numbers."""
    return f"1{value:014x}" if value >= 0 else f"0{value + _SHIFT:014x}"


def number_from(text: str) -> int:
    """The inverse of `number`."""
    value = int(text[1:], 16)
    return value if text[0] == "1" else value - _SHIFT


def points_text(board: Board, points: Points) -> str:
    """The leading part of every member that holds `points`: the best text sorts first."""
    return "".join(number(value) for value in ordered(board.orders, points))


def position_text(board: Board, position: Position) -> str:
    """The part of a member before the colon."""
    return points_text(board, position.points) + number(position.sequence)


def position_from(board: Board, text: str) -> Position:
    """The inverse of `position_text`."""
    values = tuple(number_from(text[at : at + WIDTH]) for at in range(0, len(text), WIDTH))
    # Negating twice is the identity, so `ordered` is its own inverse.
    return Position(ordered(board.orders, values[:-1]), values[-1])


def points_width(board: Board) -> int:
    """Characters of `points_text`."""
    return WIDTH * len(board.orders)
