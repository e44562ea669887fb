"""Leaderboards over the real SQL source, from several processes at once and on real data."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from cache.leaderboard import Board, Leaderboards, Submission
from cache.stores.connection import open_redis
from models.tables import Leaderboard
from resolvers.score_source import SqlScores
from tests.support.boards import (
    BEGIN,
    BOARDS,
    drained,
    live,
    naive_rows,
    random_submissions,
    shown,
)
from tests.support.football import final, league, leagues, play, table


async def created(board: Board) -> Board:
    ties = [{"name": f"tie {at}", "order": order.value} for at, order in enumerate(board.ties)]
    await Leaderboard.create(
        slug=board.key,
        name=board.key,
        operator=board.operator.value,
        order=board.order.value,
        tie_columns=ties,
        created_at=BEGIN,
    )
    return board


@pytest.fixture
async def processes(
    database: str, redis_url: str, key_prefix: str
) -> AsyncIterator[tuple[Leaderboards, Leaderboards]]:
    """The leaderboards of two processes."""
    clients = [open_redis(redis_url, budget=5.0) for _ in range(2)]
    made = tuple(Leaderboards(client, SqlScores(), key_prefix) for client in clients)
    yield made[0], made[1]
    for boards in made:
        await boards.aclose()
    for client in clients:
        await client.aclose()


@pytest.mark.parametrize("name", ["best", "set", "league"])
@pytest.mark.parametrize("warm", [True, False], ids=["warm", "cold"])
async def test_200_submissions_at_once_from_two_processes(
    processes: tuple[Leaderboards, Leaderboards], name: str, warm: bool
) -> None:
    board = await created(BOARDS[name])
    if warm:
        for boards in processes:
            await live(boards, board)
    submissions = random_submissions(board, seed=3, count=200, players=25)
    await asyncio.gather(
        *(processes[at % 2].submit(board, each) for at, each in enumerate(submissions))
    )
    shows = [await shown(boards, board) for boards in processes]
    assert shows[0] == shows[1]
    await drained(processes[0], board)
    source = SqlScores()
    truth = naive_rows(board, await source.scan(board, None, 1000))
    for boards in processes:
        assert (await live(boards, board)).version == await source.version(board)
        assert await shown(boards, board) == truth == shows[0]


async def test_each_process_sees_what_the_other_acknowledged(
    processes: tuple[Leaderboards, Leaderboards],
) -> None:
    board = await created(BOARDS["league"])
    for at in range(40):
        writer, reader = processes[at % 2], processes[1 - at % 2]
        await writer.submit(board, Submission("ada", (1, 0, 0)))
        (row,) = await shown(reader, board)
        assert row.standing.points == (at + 1, 0, 0)


async def test_the_final_tables_of_leagues(
    processes: tuple[Leaderboards, Leaderboards],
) -> None:
    played = dict(list(leagues().items())[::7])
    boards = [await created(league(slug)) for slug in played]
    await asyncio.gather(*(play(processes, board, played[board.key]) for board in boards))
    source = SqlScores()
    for board in boards:
        for process in processes:
            assert await final(process, board) == table(played[board.key])
        await drained(processes[1], board)
        rows = naive_rows(board, await source.scan(board, None, 1000))
        flushed = [(it.place.competition, it.standing.player, it.standing.points) for it in rows]
        assert flushed == table(played[board.key])
