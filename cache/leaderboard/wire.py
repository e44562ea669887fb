"""Questions as the read script takes them, and its replies as answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .board import Board, Order
from .entries import microseconds, moment
from .members import WIDTH, number, points_width, position_from, position_text
from .points import Standing
from .questions import (
    Around,
    Count,
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

# ':' follows a position in a member, and ';' follows ':'.
_BEHIND: Final = ";"
# Sorts after every hexadecimal digit.
_LAST: Final = "g"

Asked = list[Any]
"""A question as the read script takes it: its kind, then its arguments."""


def asked(board: Board, question: Question[Any]) -> Asked:
    """`question` as JSON that the read script understands."""
    return _WIRES[type(question)].ask(board, question)


def answer(board: Board, question: Question[Any], reply: Any, size: int) -> Any:
    """The answer in the script's `reply` to `question`."""
    return _WIRES[type(question)].read(board, question, reply, size)


def row(board: Board, standing: Standing) -> tuple[str, str, str]:
    """A standing as the writing scripts take it: player, position, time in microseconds."""
    time = str(microseconds(standing.achieved_at))
    return standing.player, position_text(board, standing.position), time


def _ask_slice(board: Board, question: Slice) -> Asked:
    after = None
    if question.after is not None:
        after = position_text(board, question.after) + _BEHIND
    return ["slice", *_range(board, question, after), question.limit + 1]


def _read_slice(board: Board, question: Slice, reply: Any, _size: int) -> Page:
    rows = _rows(board, reply)
    return Page(rows[: question.limit], len(rows) > question.limit)


def _read_entries(
    board: Board, question: Entries, reply: Any, _size: int
) -> tuple[Placed | None, ...]:
    entries = zip(question.players, reply, strict=True)
    return tuple(_entry(board, player, found) for player, found in entries)


@dataclass(frozen=True)
class _Wire:
    """How one kind of question is asked, and how its reply is read."""

    ask: Callable[[Board, Any], Asked]
    read: Callable[[Board, Any, Any, int], Any]


_WIRES: Final[dict[type[Question[Any]], _Wire]] = {
    State: _Wire(
        lambda _board, _question: ["state"],
        lambda _board, _question, _reply, _size: None,
    ),
    Slice: _Wire(_ask_slice, _read_slice),
    Count: _Wire(
        lambda board, question: ["count", *_range(board, question)],
        lambda _board, _question, reply, _size: int(reply),
    ),
    Entries: _Wire(
        lambda _board, question: ["entries", list(question.players)],
        _read_entries,
    ),
    Around: _Wire(
        lambda _board, question: ["around", question.player, question.above, question.below],
        lambda board, _question, reply, _size: _rows(board, reply),
    ),
    RankOfScore: _Wire(
        lambda board, question: ["count", "-", f"({_leading(board, question.score)}"],
        lambda _board, _question, reply, _size: 1 + int(reply),
    ),
    Percentile: _Wire(
        lambda _board, question: ["worse", question.player],
        lambda _board, _question, reply, size: None if reply < 0 else percentile(reply, size),
    ),
}


def _leading(board: Board, score: int) -> str:
    return number(-score if board.order is Order.DESC else score)


def _range(board: Board, scores: Slice | Count, after: str | None = None) -> tuple[str, str]:
    """The range of members, as ZRANGE BYLEX takes its ends."""
    best, worst = scores.low, scores.high
    if board.order is Order.DESC:
        best, worst = worst, best
    starts = [] if best is None else [_leading(board, best)]
    if after is not None:
        starts.append(after)
    end = "+" if worst is None else f"({_leading(board, worst)}{_LAST}"
    return (f"[{max(starts)}" if starts else "-"), end


def _rows(board: Board, reply: Sequence[Any]) -> tuple[Placed, ...]:
    if not reply:
        return ()
    index, better, tuples, *rest = reply
    standings = [
        standing_from(board, player.decode(), held)
        for player, held in zip(rest[::2], rest[1::2], strict=True)
    ]
    return placed(standings, Place(index + 1, better + 1, tuples + 1))


def _entry(board: Board, player: str, reply: Sequence[Any]) -> Placed | None:
    if not reply:
        return None
    held, index, better, tuples = reply
    return Placed(standing_from(board, player, held), Place(index + 1, better + 1, tuples + 1))


def standing_from(board: Board, player: str, held: bytes) -> Standing:
    """What a player holds, as copies have it: position, then time."""
    text = held.decode()
    split = points_width(board) + WIDTH
    position = position_from(board, text[:split])
    return Standing(
        player=player,
        points=position.points,
        sequence=position.sequence,
        achieved_at=moment(int(text[split:])),
        version=position.sequence,
    )
