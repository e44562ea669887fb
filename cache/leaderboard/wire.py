"""Questions as the read script takes them, and its replies as answers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from .board import Board, Order
from .members import WIDTH, number, points_text, points_width, position_from, position_text
from .points import Points, Standing
from .questions import (
    Around,
    Entries,
    Page,
    Percentile,
    Place,
    Placed,
    Question,
    RankOfScore,
    Slice,
    State,
    percentile,
    placed,
)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
# ':' follows a position in a member, and ';' follows ':'.
_BEHIND: Final = ";"
# Sorts after every hexadecimal digit.
_LAST: Final = "g"

Asked = list[Any]
"""A question as the read script takes it: its kind, then its arguments."""


def asked(board: Board, question: Question[Any]) -> Asked:
    """`question` as JSON that the read script understands."""
    match question:
        case State():
            return ["state"]
        case Slice():
            return ["slice", *_range(board, question), question.limit + 1]
        case Around():
            return ["around", question.player, question.above, question.below]
        case Entries():
            return ["entries", list(question.players)]
        case RankOfScore():
            return ["count", "-", f"({_leading(board, question.score)}"]
        case Percentile():
            return ["worse", question.player]
    raise TypeError(f"not a question about a leaderboard: {question!r}")


def answer(board: Board, question: Question[Any], reply: Any, size: int) -> Any:
    """The answer in the script's `reply` to `question`."""
    match question:
        case State():
            return None
        case Slice():
            rows = _rows(board, reply)
            return Page(rows[: question.limit], len(rows) > question.limit)
        case Around():
            return _rows(board, reply)
        case Entries():
            return tuple(
                _entry(board, player, row)
                for player, row in zip(question.players, reply, strict=True)
            )
        case RankOfScore():
            return 1 + int(reply)
        case Percentile():
            return None if reply < 0 else percentile(reply, size)
    raise TypeError(f"not a question about a leaderboard: {question!r}")


def row(board: Board, standing: Standing) -> tuple[str, str, str]:
    """A standing as the writing scripts take it: player, position, time in microseconds."""
    time = (standing.achieved_at - _EPOCH) // _MICROSECOND
    return standing.player, position_text(board, standing.position), str(time)


def points_or_nothing(board: Board, points: Points | None) -> str:
    """Points as a script takes them; empty for none."""
    return "" if points is None else points_text(board, points)


def _leading(board: Board, score: int) -> str:
    return number(-score if board.order is Order.DESC else score)


def _range(board: Board, asked_for: Slice) -> tuple[str, str]:
    """The range of members, as ZRANGE BYLEX takes its ends."""
    best, worst = asked_for.low, asked_for.high
    if board.order is Order.DESC:
        best, worst = worst, best
    starts = [] if best is None else [_leading(board, best)]
    if asked_for.after is not None:
        starts.append(position_text(board, asked_for.after) + _BEHIND)
    end = "+" if worst is None else f"({_leading(board, worst)}{_LAST}"
    return (f"[{max(starts)}" if starts else "-"), end


def _rows(board: Board, reply: Sequence[Any]) -> tuple[Placed, ...]:
    if not reply:
        return ()
    index, better, tuples, *rest = reply
    standings = [
        _standing(board, player.decode(), held)
        for player, held in zip(rest[::2], rest[1::2], strict=True)
    ]
    return placed(standings, Place(index + 1, better + 1, tuples + 1))


def _entry(board: Board, player: str, reply: Sequence[Any]) -> Placed | None:
    if not reply:
        return None
    held, index, better, tuples = reply
    return Placed(_standing(board, player, held), Place(index + 1, better + 1, tuples + 1))


def _standing(board: Board, player: str, held: bytes) -> Standing:
    text = held.decode()
    split = points_width(board) + WIDTH
    position = position_from(board, text[:split])
    return Standing(
        player=player,
        points=position.points,
        sequence=position.sequence,
        achieved_at=_EPOCH + int(text[split:]) * _MICROSECOND,
        version=position.sequence,
    )
