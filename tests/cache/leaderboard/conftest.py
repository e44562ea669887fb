"""Leaderboards of processes that share a real Valkey and a source in memory."""

import itertools
from collections.abc import AsyncIterator, Callable

import pytest
from redis.asyncio import Redis

from cache.leaderboard import Leaderboards, Options, Timing
from tests.support.boards import BOARDS, MemoryScores, Model

Process = Callable[[], Leaderboards]

QUICK = Timing(build_again=0.0, patience=20.0)


@pytest.fixture
def scores() -> MemoryScores:
    """What is flushed."""
    return MemoryScores(*BOARDS.values())


@pytest.fixture
def model() -> Model:
    """What is acknowledged."""
    return Model()


@pytest.fixture
async def process(redis: Redis, key_prefix: str, scores: MemoryScores) -> AsyncIterator[Process]:
    """Makes leaderboards, each as of a process of its own."""
    made: list[Leaderboards] = []
    names = itertools.count(1)

    def make() -> Leaderboards:
        options = Options(timing=QUICK, new_id=lambda: f"epoch{next(names)}", page=4, poll=0.05)
        made.append(Leaderboards(redis, scores, key_prefix, options))
        return made[-1]

    yield make
    for leaderboards in made:
        await leaderboards.aclose()


@pytest.fixture
def boards(process: Process) -> Leaderboards:
    """One process's leaderboards."""
    return process()
