"""The scores in SQL answer like the naive source in memory, on both databases."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from cache.leaderboard import (
    MAX_VALUE,
    Board,
    Bounds,
    Operator,
    Order,
    Points,
    Position,
    Standing,
)
from cache.writes import Applied, Batch, Entry
from models.database import transaction
from models.queries.scores import Place, write_places
from models.tables import Leaderboard, Score
from resolvers.score_source import SqlScores
from tests.support.boards import BEGIN, BOARDS, MemoryScores, Model, random_submissions


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


def place(row: Standing) -> Place:
    return Place(row.player, row.points, row.version, row.achieved_at)


async def written(board: Board, *rows: Standing, removed: Sequence[str] = ()) -> None:
    """What a flush of these standings writes."""
    version = max((row.version for row in rows), default=0)
    async with transaction():
        assert await write_places(board.key, [place(row) for row in rows], removed, version)


def standing(player: str, points: Points, version: int) -> Standing:
    return Standing(player, points, version, BEGIN + timedelta(microseconds=version), version)


@pytest.fixture(params=BOARDS)
async def pair(request: Any, database: str) -> tuple[Board, SqlScores, MemoryScores]:
    """A board with the same 60 submissions in both sources, beside another one."""
    board, model = await created(BOARDS[request.param]), Model()
    sql, memory = SqlScores(), MemoryScores(board)
    table = memory.table(board.key)
    for submission in random_submissions(board, seed=7, count=60):
        held = model.submit(board, submission)
        table.rows[held.player] = standing(held.player, held.points, held.version)
        table.version = model.versions[board.key]
        await written(board, table.rows[held.player])
    async with transaction():
        await write_places(board.key, (), (), table.version)
    other = await created(Board("other", board.operator, board.order, board.ties))
    await written(other, standing("player-1", (1,) * len(board.orders), 1))
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


async def test_rows_by_player(pair: Pair) -> None:
    board, sql, memory = pair
    players = ["player-3", "nobody", "player-1"]
    assert await sql.held(board, players) == await memory.held(board, players)
    assert await sql.held(board, []) == {}


async def test_names_are_told_apart_byte_by_byte(database: str) -> None:
    board, source = await created(BOARDS["set"]), SqlScores()
    names = ["a", "A", "ä", "a\u0308", " a", "a ", "%", "_", "'", '"', "\\", "日本", "\n", "x" * 64]
    await written(board, *(standing(name, (at, 0, 0, 0), at + 1) for at, name in enumerate(names)))
    held = await source.held(board, names)
    assert {name: row.points[0] for name, row in held.items()} == {
        name: at for at, name in enumerate(names)
    }


async def test_the_largest_numbers(database: str) -> None:
    board, source = await created(BOARDS["set"]), SqlScores()
    edges = (MAX_VALUE, -MAX_VALUE, 0, -1)
    await written(board, standing("ada", edges, MAX_VALUE))
    assert (await source.held(board, ["ada"]))["ada"] == standing("ada", edges, MAX_VALUE)
    assert await source.version(board) == MAX_VALUE


async def test_a_row_is_replaced_and_a_player_removed(database: str) -> None:
    board, source = await created(BOARDS["best"]), SqlScores()
    other = await created(Board("other", board.operator, board.order, board.ties))
    for one in (board, other):
        await written(one, standing("ada", (1,), 1), standing("bob", (2,), 2))
    await written(board, standing("ada", (5,), 4), removed=["bob", "nobody"])
    assert await source.scan(board, None, 10) == [standing("ada", (5,), 4)]
    assert await source.version(board) == 4
    assert await source.size(other) == 2


async def test_a_batch_of_a_thousand(database: str) -> None:
    board, source = await created(BOARDS["set"]), SqlScores()
    rows = [standing(f"p{at:04}", (at, 1, 2, 3), at + 1) for at in range(1000)]
    await written(board, *rows)
    await written(board, *(standing(row.player, (0, 0, 0, 0), 2000) for row in rows[:10]))
    assert await source.size(board) == 1000
    found = await source.scan(board, None, 1000)
    assert [row.points for row in found[:11]] == [(0, 0, 0, 0)] * 10 + [(10, 1, 2, 3)]


async def test_boards_are_listed_by_page(database: str) -> None:
    source = SqlScores()
    for board in BOARDS.values():
        await created(board)
    found: list[str] = []
    while page := await source.boards(found[-1] if found else None, 2):
        found += page
    assert sorted(found) == sorted(BOARDS)


async def test_what_is_flushed_for_a_board_that_is_gone_is_dropped(database: str) -> None:
    progress = SqlScores().progress("gone")
    lease = await progress.take_lease("me", 10.0)
    assert lease is not None
    entry = Entry("5-1", "ada", "standing", "7:1:1000000")
    committed = await progress.commit(lease, Batch(Applied("epoch", "5-1"), [entry]))
    assert committed.dropped == {"ada"}
    assert await Score.all().count() == 0


async def test_an_unknown_board_is_an_error(database: str) -> None:
    board = Board("nowhere", Operator.SET, Order.ASC)
    source = SqlScores()
    with pytest.raises(LookupError, match="no leaderboard 'nowhere'"):
        await source.version(board)
    assert await source.ahead(board, Position((1,), 1)) == await MemoryScores(board).ahead(
        board, Position((1,), 1)
    )
