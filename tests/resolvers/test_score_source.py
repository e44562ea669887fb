"""The scores in SQL answer like the naive source in memory, on both databases."""

import asyncio
import itertools
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from cache.leaderboard import (
    MAX_VALUE,
    Board,
    Bounds,
    Operator,
    Order,
    Position,
    ScoreRefusedError,
    Standing,
    Submission,
)
from models.tables import Leaderboard, Score
from resolvers.score_source import SqlScores
from tests.support.boards import BEGIN, BOARDS, MemoryScores, random_submissions


async def created(board: Board) -> Board:
    """The board, with its row."""
    ties = [{"name": f"tie {at}", "order": order} for at, order in enumerate(board.ties)]
    await Leaderboard.create(
        slug=board.key,
        name=board.key,
        operator=board.operator.value,
        order=board.order.value,
        tie_columns=ties,
        created_at=BEGIN,
    )
    return board


class Clock:
    """The times that `MemoryScores` uses."""

    def __init__(self) -> None:
        self._ticks: Iterator[int] = itertools.count()

    def __call__(self) -> datetime:
        return BEGIN + timedelta(microseconds=next(self._ticks))


@pytest.fixture(params=BOARDS)
async def pair(request: Any, database: str) -> tuple[Board, SqlScores, MemoryScores]:
    """A board with the same 60 submissions in both sources, beside another one."""
    board = await created(BOARDS[request.param])
    sql, memory = SqlScores(Clock()), MemoryScores(board)
    for submission in random_submissions(board, seed=7, count=60):
        assert await sql.submit(board, submission) == await memory.submit(board, submission)
    other = await created(Board("other", board.operator, board.order, board.ties))
    await SqlScores().submit(other, Submission("player-1", (1,) * len(board.orders)))
    return board, sql, memory


Pair = tuple[Board, SqlScores, MemoryScores]


async def test_it_counts_like_the_oracle(pair: Pair) -> None:
    board, sql, memory = pair
    assert await sql.version(board) == await memory.version(board)
    assert await sql.size(board) == await memory.size(board)
    for row in memory.rows(board):
        position = row.standing.position
        assert await sql.ahead(board, position) == await memory.ahead(board, position)
        assert await sql.worse(board, position.points) == await memory.worse(board, position.points)
    for score in range(-40, 41, 5):
        assert await sql.better_scores(board, score) == await memory.better_scores(board, score)
        for bounds in (Bounds(low=score), Bounds(high=score), Bounds(low=score, high=score + 7)):
            assert await sql.size(board, bounds) == await memory.size(board, bounds)


async def test_it_lists_like_the_oracle(pair: Pair) -> None:
    board, sql, memory = pair
    rows = [row.standing for row in memory.rows(board)]
    assert await sql.stretch(board, Bounds(), 100) == rows
    for at, row in enumerate(rows):
        assert await sql.stretch(board, Bounds(after=row.position), 3) == rows[at + 1 : at + 4]
        before = await sql.stretch(board, Bounds(before=row.position), 3)
        assert before == rows[max(0, at - 3) : at]
        bounds = Bounds(after=row.position, low=-2, high=4)
        assert await sql.stretch(board, bounds, 5) == await memory.stretch(board, bounds, 5)


async def test_every_row_is_scanned_once(pair: Pair) -> None:
    board, sql, memory = pair
    found: list[Standing] = []
    while page := await sql.scan(board, found[-1].player if found else None, 5):
        found += page
    assert sorted(found, key=lambda row: row.player) == sorted(
        (row.standing for row in memory.rows(board)), key=lambda row: row.player
    )


async def test_changes_come_in_their_order(pair: Pair) -> None:
    board, sql, memory = pair
    for after in range(0, await memory.version(board) + 1, 4):
        for limit in (2, 100):
            expected = await memory.changed(board, after, limit)
            assert await sql.changed(board, after, limit) == expected


async def test_rows_by_player(pair: Pair) -> None:
    board, sql, memory = pair
    players = ["player-3", "nobody", "player-1"]
    assert await sql.held(board, players) == await memory.held(board, players)
    assert await sql.held(board, []) == {}


async def test_what_changes_nothing_writes_nothing(database: str) -> None:
    board, source = await created(BOARDS["best"]), SqlScores()
    first = await source.submit(board, Submission("ada", (5,)))
    for score in (5, 4):
        again = await source.submit(board, Submission("ada", (score,)))
        assert not again.changed
        assert again.after == first.after
    assert await source.version(board) == 1


async def test_a_sum_out_of_range_is_refused_and_nothing_is_written(database: str) -> None:
    board, source = await created(BOARDS["golf"]), SqlScores()
    await source.submit(board, Submission("ada", (MAX_VALUE,)))
    with pytest.raises(ScoreRefusedError):
        await source.submit(board, Submission("ada", (1,)))
    assert await source.version(board) == 1
    assert (await Score.get(player="ada")).score == MAX_VALUE
    edge = await source.submit(board, Submission("ada", (-MAX_VALUE,)))
    assert edge.after.points == (0,)


async def test_names_are_told_apart_byte_by_byte(database: str) -> None:
    board, source = await created(BOARDS["set"]), SqlScores()
    names = ["a", "A", "ä", "a\u0308", " a", "a ", "%", "_", "'", '"', "\\", "日本", "\n", "x" * 64]
    for at, name in enumerate(names):
        await source.submit(board, Submission(name, (at, 0, 0, 0)))
    held = await source.held(board, names)
    assert {name: row.points[0] for name, row in held.items()} == {
        name: at for at, name in enumerate(names)
    }


async def test_submissions_at_once_take_turns(database: str) -> None:
    board, source = await created(BOARDS["league"]), SqlScores()
    changes = await asyncio.gather(
        *(source.submit(board, Submission(f"p{at % 5}", (1, 2, 3))) for at in range(40))
    )
    assert sorted(change.version for change in changes) == list(range(1, 41))
    held = await source.held(board, [f"p{at}" for at in range(5)])
    assert {row.points for row in held.values()} == {(8, 16, 24)}


async def test_an_unknown_board_is_an_error(database: str) -> None:
    board = Board("nowhere", Operator.SET, Order.ASC)
    source = SqlScores()
    with pytest.raises(LookupError, match="no leaderboard 'nowhere'"):
        await source.version(board)
    with pytest.raises(LookupError, match="no leaderboard 'nowhere'"):
        await source.submit(board, Submission("ada", (1,)))
    assert await source.ahead(board, Position((1,), 1)) == await MemoryScores(board).ahead(
        board, Position((1,), 1)
    )


async def test_a_removal_is_told_to_whoever_catches_up(pair: Pair) -> None:
    board, sql, memory = pair
    [row, *_] = memory.rows(board)
    player, before = row.standing.player, await sql.version(board)
    assert await sql.remove(board, player) == await memory.remove(board, player) == before + 1
    assert await sql.remove(board, player) is None
    assert await sql.changed(board, before, 10) is None
    assert await sql.changed(board, before + 1, 10) == []
    assert await sql.size(board) == await memory.size(board)
    with pytest.raises(LookupError):
        await sql.remove(Board("none", board.operator, board.order), player)
