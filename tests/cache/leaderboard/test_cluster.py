"""Boards on a cluster: each in a slot of its own, read together, flushed by another worker."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from cache.leaderboard import Leaderboards, Options, Slice
from cache.stores.connection import open_redis
from cache.writes import WriteBehindSettings
from tests.cache.leaderboard.conftest import QUICK
from tests.support.boards import BOARDS, MemoryScores, Model, bare, random_submissions
from tests.support.cluster import Cluster, cluster
from tests.support.polling import eventually

SOON = Options(QUICK, WriteBehindSettings(max_age=0.2))


@pytest.fixture
def nodes() -> Iterator[Cluster]:
    with cluster() as made:
        yield made
        assert sum(node.errors("CROSSSLOT") for node in made.nodes) == 0


@pytest.fixture
async def pair(
    nodes: Cluster, scores: MemoryScores
) -> AsyncIterator[tuple[Leaderboards, Leaderboards]]:
    """Two processes."""
    clients = [open_redis(nodes.url, budget=5.0) for _ in range(2)]
    made = [Leaderboards(client, scores, "shop", SOON) for client in clients]
    yield made[0], made[1]
    for boards in made:
        await boards.aclose()
    for client in clients:
        await client.aclose()


async def fill(boards: Leaderboards, model: Model, seed: int) -> None:
    for board in BOARDS.values():
        for submission in random_submissions(board, seed, count=20):
            await boards.submit(board, submission)
            model.submit(board, submission)


async def test_boards_of_many_slots(
    pair: tuple[Leaderboards, Leaderboards], scores: MemoryScores, model: Model
) -> None:
    one, other = pair

    async def are_right() -> bool:
        pages = await asyncio.gather(*(other.read(board, Slice(100)) for board in BOARDS.values()))
        shown = [bare(page.answer.rows) for page in pages]
        return shown == [model.rows(board) for board in BOARDS.values()]

    async def are_flushed() -> bool:
        rows = [bare(scores.rows(board)) for board in BOARDS.values()]
        return rows == [model.rows(board) for board in BOARDS.values()]

    await fill(one, model, seed=1)
    assert await are_right()
    other.start()  # finds their streams
    await eventually(are_flushed)
    await fill(one, model, seed=2)  # and then what is noted
    assert await are_right()
    await eventually(are_flushed)
    for board in BOARDS.values():
        gone = model.rows(board)[0].standing.player
        assert await one.remove(board, gone)
        model.remove(board, gone)
        await one.live.discard(board.key)
    await eventually(are_right)
    await eventually(are_flushed)
