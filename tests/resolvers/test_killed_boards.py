"""A worker of leaderboards is killed at each step: what was acknowledged is there, once.

The table of `docs/leaderboards.md`, "Killed at each step". The controls are broken variants which
the same checks find out.
"""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cache.leaderboard import Leaderboards, Options, Submission, Timing
from cache.stores.connection import open_redis
from models.tables import Leaderboard
from resolvers.score_source import SqlScores
from tests.support import killed_board_process
from tests.support.boards import BEGIN, Model, bare, drained, live, naive_rows, shown
from tests.support.killed_board_process import (
    BOARD,
    BROKEN_FLUSH,
    BROKEN_SUBMIT,
    BUILT,
    FLUSHES,
    OPERATIONS,
    PLAYER,
    QUICK,
    REMOVED,
    SUBMITTED,
    submission,
)

pytestmark = pytest.mark.parametrize(
    "database_url", ["sqlite", pytest.param("postgres", marks=pytest.mark.long)], indirect=True
)
"""PostgreSQL is a part of `make long-test`: each of these starts and kills processes."""

PROGRAM = Path(killed_board_process.__file__)


class World:
    """A worker that goes on beside the one that is killed, and what was acknowledged."""

    def __init__(self, boards: Leaderboards, *place: str) -> None:
        self.boards, self._place, self.model = boards, place, Model()

    async def submit(self, *players: str) -> None:
        """Acknowledged submissions, of 1 each."""
        for player in players:
            await self.boards.submit(BOARD, Submission(player, (1,)))
            self.model.submit(BOARD, Submission(player, (1,)))

    async def killed(self, step: str) -> int:
        """How many submissions a process acknowledged that ran into this step."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *(str(PROGRAM), *self._place, step),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        acknowledged = 0
        async with asyncio.timeout(90):
            async for line in process.stdout:
                assert line.startswith(b"acknowledged")
                acknowledged += 1
                process.stdin.write(b"go on\n")
            assert await process.wait() == -signal.SIGKILL, f"it was not killed at {step!r}"
        for _ in range(acknowledged):
            self.model.submit(BOARD, Submission(PLAYER, (1,)))
        return acknowledged

    async def is_right(self) -> bool:
        """Whether Redis and, once all is flushed, SQL have what was acknowledged."""
        await live(self.boards, BOARD)
        showing = bare(await shown(self.boards, BOARD))
        await drained(self.boards, BOARD)
        rows = naive_rows(BOARD, await SqlScores().scan(BOARD, None, 1000))
        return showing == bare(rows) == self.model.rows(BOARD)


@pytest.fixture
async def world(database: str, redis_url: str, key_prefix: str) -> AsyncIterator[World]:
    await Leaderboard.create(
        slug=BOARD.key,
        name=BOARD.key,
        operator=BOARD.operator.value,
        order=BOARD.order.value,
        tie_columns=[],
        created_at=BEGIN,
    )
    client = open_redis(redis_url, budget=5.0)
    options = Options(timing=Timing(patience=30.0, removal=30.0), writes=QUICK)
    boards = Leaderboards(client, SqlScores(), key_prefix, options)
    yield World(boards, database, redis_url, key_prefix)
    await boards.aclose()
    await client.aclose()


# ---- a flush ----


async def flushing_is_killed(world: World, step: str) -> None:
    """Eleven submissions · a flusher is killed in its second batch · three more."""
    await world.submit(*"abcabcaabbc")
    await world.killed(f"flush: {step}")
    await world.submit(*"cab")


@pytest.mark.parametrize("step", FLUSHES)
async def test_a_flusher(world: World, step: str) -> None:
    await flushing_is_killed(world, step)
    assert await world.is_right()


@pytest.mark.parametrize("step", BROKEN_FLUSH)
async def test_control_progress_that_is_committed_first_loses_rows(world: World, step: str) -> None:
    """Then what the batch was about is submitted no more: later standings would hide it."""
    await world.submit(*"abcdefgh")
    await world.killed(f"flush: {step}")
    assert not await world.is_right()


# ---- submitScore ----


@pytest.mark.parametrize("step", SUBMITTED)
async def test_a_submission(world: World, step: str) -> None:
    await world.submit("bob")
    assert await world.killed(f"submit: {step}") == 2
    if "after" in step:
        world.model.submit(BOARD, Submission(PLAYER, (1,)))
    assert await world.is_right()
    # The client does not know what became of the third: it sends all of them again.
    for number in range(OPERATIONS):
        await world.boards.submit(BOARD, submission(number))
    (entry,) = [row for row in await shown(world.boards, BOARD) if row.standing.player == PLAYER]
    assert entry.standing.points == (OPERATIONS,)


@pytest.mark.parametrize("step", BROKEN_SUBMIT)
async def test_control_what_is_acknowledged_before_the_script_is_lost(
    world: World, step: str
) -> None:
    await world.submit("bob")
    assert await world.killed(f"submit: {step}") == 3
    assert not await world.is_right()


# ---- removePlayer ----


@pytest.mark.parametrize("step", REMOVED)
@pytest.mark.parametrize("is_flushed", [True, False])
async def test_a_removal(world: World, step: str, is_flushed: bool) -> None:
    await world.submit(PLAYER, "bob", PLAYER)
    if is_flushed:
        await drained(world.boards, BOARD)
    await world.killed(f"remove: {step}")
    if step != "before the script":
        world.model.remove(BOARD, PLAYER)
    assert await world.is_right()
    assert await world.boards.remove(BOARD, PLAYER) == (step == "before the script")


# ---- a build ----


@pytest.mark.parametrize("step", BUILT)
async def test_a_build(world: World, step: str) -> None:
    await world.submit(*"abcabc")
    await drained(world.boards, BOARD)
    await world.submit(*"abd")
    await world.boards.live.discard(BOARD.key)
    await world.killed(f"build: {step}")
    await world.submit(*"ad")
    assert await world.is_right()
