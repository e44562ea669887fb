"""Answers from the source itself, while there is no usable copy in Redis: the same results."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from .board import Board, Freshness
from .points import Position
from .questions import (
    Around,
    Count,
    Entries,
    Header,
    Page,
    Percentile,
    Place,
    Placed,
    Question,
    RankOfScore,
    Reading,
    Slice,
    State,
    percentile,
    placed,
    window,
)
from .source import Bounds, ScoreSource

SQL_EPOCH: Final = "sql"
"""The epoch of what was read from the source: it has one history, which its versions count."""

_ATTEMPTS: Final = 3


async def read_source(
    source: ScoreSource, board: Board, questions: Sequence[Question[Any]]
) -> list[Reading[Any]]:
    """Answer `questions` from the source, in one state of the board where possible.

    An answer takes several statements. If the board's version was the same before and after
    them, no change was committed in between and they all saw the same state: else they are
    asked again, a few times. On a board that changes faster than that, each part is right.
    """
    version = await source.version(board)
    for attempt in range(_ATTEMPTS):
        size = await source.size(board)
        answers = [
            await _ANSWERS[type(question)](source, board, question) for question in questions
        ]
        now = await source.version(board)
        if now == version or attempt == _ATTEMPTS - 1:
            break
        version = now
    header = Header(SQL_EPOCH, version, size, Freshness.REBUILDING)
    return [Reading(header, answer) for answer in answers]


async def _state(_source: ScoreSource, _board: Board, _question: State) -> None:
    return None


async def _count(source: ScoreSource, board: Board, question: Count) -> int:
    return await source.size(board, Bounds(low=question.low, high=question.high))


async def _rank_of_score(source: ScoreSource, board: Board, question: RankOfScore) -> int:
    return 1 + await source.better_scores(board, question.score)


async def _slice(source: ScoreSource, board: Board, question: Slice) -> Page:
    bounds = Bounds(after=question.after, low=question.low, high=question.high)
    rows = await source.stretch(board, bounds, question.limit + 1)
    if not rows:
        return Page((), has_next=False)
    first = await _place(source, board, rows[0].position)
    return Page(placed(rows[: question.limit], first), len(rows) > question.limit)


async def _entries(
    source: ScoreSource, board: Board, question: Entries
) -> tuple[Placed | None, ...]:
    held = await source.held(board, question.players)
    rows = {
        player: Placed(standing, await _place(source, board, standing.position))
        for player, standing in held.items()
    }
    return tuple(rows.get(player) for player in question.players)


async def _around(source: ScoreSource, board: Board, question: Around) -> tuple[Placed, ...]:
    held = (await source.held(board, [question.player])).get(question.player)
    if held is None:
        return ()
    others = question.above + question.below
    before = await source.stretch(board, Bounds(before=held.position), others) if others else []
    after = await source.stretch(board, Bounds(after=held.position), others) if others else []
    shown_before, shown_after = window(len(before), len(after), question.above, question.below)
    rows = [*before[len(before) - shown_before :], held, *after[:shown_after]]
    return placed(rows, await _place(source, board, rows[0].position))


async def _percentile(source: ScoreSource, board: Board, question: Percentile) -> float | None:
    held = (await source.held(board, [question.player])).get(question.player)
    if held is None:
        return None
    worse = await source.worse(board, held.points)
    return percentile(worse, await source.size(board))


async def _place(source: ScoreSource, board: Board, position: Position) -> Place:
    ahead = await source.ahead(board, position)
    return Place(
        ordinal=ahead.better + ahead.earlier + 1,
        competition=ahead.better + 1,
        dense=ahead.tuples + 1,
    )


_ANSWERS: Final[dict[type[Question[Any]], Callable[[ScoreSource, Board, Any], Awaitable[Any]]]] = {
    State: _state,
    Slice: _slice,
    Count: _count,
    Entries: _entries,
    Around: _around,
    RankOfScore: _rank_of_score,
    Percentile: _percentile,
}
