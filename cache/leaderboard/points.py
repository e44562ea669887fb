"""The rules of points: limits, operators, and the order of a board. Pure code.

The points of a player are a tuple: the score, then up to three tie columns. The order of a board
compares them column by column, each in its direction; among equals, who got there first is first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from .board import Board, Operator, Order

MAX_VALUE: Final = 2**53 - 1
"""The largest absolute value of a score or a tie column: what JSON clients hold exactly."""
MAX_PLAYER_BYTES: Final = 64
"""The longest name of a player, in bytes of UTF-8."""

Points = tuple[int, ...]
"""A score and its tie columns, as submitted or as held."""


class ScoreRefusedError(ValueError):
    """A submission that cannot be applied: out of range, or of another shape than the board's."""


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the order of a board: points, and their order of arrival. Unique on a board."""

    points: Points
    sequence: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What a player holds. `sequence` is the board's version at which these points were reached.

    `version` is the board's version at the row's last change of any kind.
    """

    player: str
    points: Points
    sequence: int
    achieved_at: datetime
    version: int

    @property
    def position(self) -> Position:
        """Where the player is in the board's order."""
        return Position(self.points, self.sequence)


def check_player(player: str) -> None:
    """Raise ScoreRefusedError unless `player` is a name that every store can hold."""
    try:
        length = len(player.encode())
    except UnicodeEncodeError as error:
        raise ScoreRefusedError("a player must be valid Unicode text") from error
    if not 1 <= length <= MAX_PLAYER_BYTES or "\0" in player:
        raise ScoreRefusedError(
            f"a player must be 1 to {MAX_PLAYER_BYTES} bytes of UTF-8 without NUL, "
            f"got {length} bytes: {player[:MAX_PLAYER_BYTES]!r}"
        )


def check_points(board: Board, points: Points) -> None:
    """Raise ScoreRefusedError unless `points` has the board's columns, each within ±(2^53 − 1)."""
    if len(points) != len(board.orders):
        raise ScoreRefusedError(
            f"this board has {len(board.ties)} tie columns, got {len(points) - 1}"
        )
    for value in points:
        if abs(value) > MAX_VALUE:
            raise ScoreRefusedError(
                f"a score and its tie columns must be from -{MAX_VALUE} to {MAX_VALUE}, got {value}"
            )


def combined(board: Board, held: Points | None, submitted: Points) -> Points:
    """The points of a player who held `held` (None: nothing) after submitting `submitted`.

    They may be those held: then nothing changed, and neither did the order of arrival.
    Raises ScoreRefusedError when the submission or the result is out of range.
    """
    check_points(board, submitted)
    if held is None:
        return submitted
    match board.operator:
        case Operator.SET:
            return submitted
        case Operator.BEST:
            return submitted if is_better(board, submitted, held) else held
        case Operator.INCREMENT:
            total = tuple(a + b for a, b in zip(held, submitted, strict=True))
            check_points(board, total)
            return total


def is_better(board: Board, one: Points, other: Points) -> bool:
    """Whether `one` comes strictly before `other`, whoever got there first."""
    return ordered(board.orders, one) < ordered(board.orders, other)


def ordered(orders: Sequence[Order], points: Points) -> Points:
    """`points` with columns that sort descending negated: ascending is the board's order."""
    return tuple(
        -value if order is Order.DESC else value
        for order, value in zip(orders, points, strict=True)
    )


def order_key(board: Board, position: Position) -> tuple[Points, int]:
    """The key by which a sort gives the board's order."""
    return ordered(board.orders, position.points), position.sequence
