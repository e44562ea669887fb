"""What must happen when Redis, the source or a client fails. Each with a server of its own."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator

import pytest

from cache.leaderboard import (
    Board,
    Freshness,
    Leaderboards,
    Operator,
    Options,
    Slice,
    Submission,
    scripts,
)
from cache.stores.connection import open_redis
from cache.stores.script import Script
from tests.cache.leaderboard.conftest import QUICK, Process
from tests.support.boards import (
    ASC,
    BOARDS,
    DESC,
    MemoryScores,
    header,
    live,
    random_submissions,
    shown,
)
from tests.support.polling import eventually
from tests.support.servers import ValkeyServer, valkey

BOARD = BOARDS["league"]
SET = BOARDS["set"]


class World:
    """Two processes on a server that can be broken; each has connections of its own."""

    def __init__(self, server: ValkeyServer, scores: MemoryScores) -> None:
        self.server, self.scores = server, scores
        self._clients = [open_redis(server.url) for _ in range(2)]
        self.a, self.b = (
            Leaderboards(client, scores, "shop", Options(timing=QUICK, page=50, poll=0.05))
            for client in self._clients
        )
        self.redis = open_redis(server.url, budget=5.0)

    async def stop(self) -> None:
        await asyncio.to_thread(self.server.stop)

    async def start(self) -> None:
        await asyncio.to_thread(self.server.start)

    async def both_show_the_source(self, board: Board = BOARD) -> None:
        for boards in (self.a, self.b):
            assert await shown(boards, board) == self.scores.rows(board)

    async def both_live(self, board: Board = BOARD) -> None:
        """Both read the sorted set, and it is right."""
        for boards in (self.a, self.b):
            await live(boards, board)
        await self.both_show_the_source(board)

    async def fill(self, seed: int, count: int = 30, board: Board = BOARD) -> None:
        for submission in random_submissions(board, seed, count):
            await self.a.submit(board, submission)

    async def close(self) -> None:
        for boards in (self.a, self.b):
            await boards.aclose()
        for client in (*self._clients, self.redis):
            await client.aclose()


@pytest.fixture
async def world(scores: MemoryScores) -> AsyncIterator[World]:
    with valkey() as server:
        made = World(server, scores)
        yield made
        await made.close()


async def test_redis_stopped_and_started(world: World) -> None:
    await world.both_live()
    await world.fill(seed=1)
    await world.both_live()
    before = (await header(world.a, BOARD)).epoch

    await world.stop()
    await world.fill(seed=2)
    await world.both_show_the_source()
    assert (await header(world.b, BOARD)).freshness is Freshness.REBUILDING

    await world.start()
    await world.both_live()
    await world.fill(seed=3)
    await world.both_live()
    assert (await header(world.a, BOARD)).epoch != before


async def test_ranks_of_a_submission_without_redis(world: World) -> None:
    await world.fill(seed=1)
    await world.stop()
    for submission in random_submissions(BOARD, seed=4, count=20):
        places = {row.standing.player: row.place for row in world.scores.rows(BOARD)}
        done = await world.a.submit(BOARD, submission)
        held = places.get(submission.player)
        assert done.previous_rank == (None if held is None else held.competition)
        places = {row.standing.player: row.place for row in world.scores.rows(BOARD)}
        assert done.rank == places[submission.player].competition


async def test_redis_hangs(world: World) -> None:
    await world.fill(seed=1)
    await world.both_live()
    world.server.pause()
    try:
        began = time.monotonic()
        await world.fill(seed=2, count=3)
        await world.both_show_the_source()
        # Once 0.1 s for each of the first calls of two processes; then their breakers are open.
        assert time.monotonic() - began < 2.0
    finally:
        world.server.resume()
    await world.both_live()


async def test_redis_emptied(world: World) -> None:
    await world.fill(seed=1)
    await world.both_live()
    await world.redis.flushall()
    await world.both_show_the_source()
    await world.both_live()
    await world.fill(seed=2)
    await world.both_live()


async def older_log(world: World) -> None:
    """The server comes back with the log of before the last submissions; processes are new."""
    await world.fill(seed=1)
    await live(world.a, BOARD)
    await world.stop()
    log = next(world.server.directory.glob("appendonlydir"))
    saved = shutil.copytree(log, world.server.directory / "saved")
    await world.start()
    await live(world.a, BOARD)
    await world.fill(seed=2)
    await world.stop()
    shutil.rmtree(log)
    shutil.move(saved, log)
    await world.start()


async def test_redis_back_with_an_older_log(world: World) -> None:
    await older_log(world)
    await world.both_show_the_source()
    await world.both_live()


async def test_the_older_log_control(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    rule = "meta[1] ~= incarnation() or "
    source = scripts.READ.source
    assert rule in source
    monkeypatch.setattr(scripts, "READ", Script(source.replace(rule, "")))
    await older_log(world)
    await live(world.b, BOARD)
    assert await shown(world.b, BOARD) != world.scores.rows(BOARD)


async def test_redis_full(scores: MemoryScores) -> None:
    with valkey(maxmemory="6mb") as server:
        world = World(server, scores)
        await world.fill(seed=1)
        await world.both_live()
        await world.redis.set("ballast", b"x" * 1_000)
        await world.redis.config_set("maxmemory", "1mb")
        for submission in random_submissions(BOARD, seed=2, count=10):
            await world.a.submit(BOARD, submission)
            await world.both_show_the_source()  # B too: A took the copy away
        await world.redis.config_set("maxmemory", "100mb")
        await world.both_live()
        await world.close()


async def test_the_caller_leaves_between_commit_and_apply(world: World) -> None:
    await world.both_live()
    gate = world.scores.hold("submit")
    task = asyncio.create_task(world.a.submit(BOARD, Submission("ada", (3, 2, 1))))
    await gate.reached.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    gate.open()
    await world.a.aclose()  # waits for what was begun
    await world.both_live()
    assert len(await shown(world.b, BOARD)) == 1


async def test_the_cancelled_control(world: World) -> None:
    await world.both_live()
    gate = world.scores.hold("submit")
    task = asyncio.create_task(world.a._submit(BOARD, Submission("ada", (3, 2, 1))))
    await gate.reached.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await shown(world.b, BOARD) == []  # the known gap, as by a killed process


async def test_a_killed_process_s_changes_come_with_the_next_one(world: World) -> None:
    await world.both_live(SET)
    for submission in random_submissions(SET, seed=5, count=9):
        await world.scores.submit(SET, submission)  # committed, never applied
    await world.b.submit(SET, Submission("ada", (1, 2, 3, 4)))
    await world.both_live(SET)


async def test_a_copy_that_lacks_too_much_is_built_anew(
    process: Process, scores: MemoryScores
) -> None:
    boards, other = process(), process()  # pages of 4 rows
    await live(boards, SET)
    for at in range(12):
        await scores.submit(SET, Submission(f"p{at}", (at, 0, 0, 0)))
    gate = scores.hold("scan")
    done = await boards.submit(SET, Submission("ada", (5, 0, 0, 0)))
    assert done.rank == 7
    # The copy is gone, not half caught up: the other process reads the source.
    assert (await header(other, SET)).freshness is Freshness.REBUILDING
    assert await shown(other, SET) == scores.rows(SET)
    gate.open()
    await live(other, SET)
    assert await shown(other, SET) == scores.rows(SET)


async def test_a_source_restored_from_a_backup(world: World) -> None:
    await world.fill(seed=1, board=SET)
    await world.both_live(SET)
    table = world.scores.tables[SET.key]
    kept = dict(list(table.rows.items())[:3])
    table.rows, table.version = kept, max(row.version for row in kept.values())
    await world.a.submit(SET, Submission("ada", (9, 9, 9, 9)))
    await world.both_live(SET)


async def test_a_copy_of_another_layout_is_not_used(world: World) -> None:
    await world.fill(seed=1)
    await world.both_live()
    turned = Board(BOARD.key, Operator.INCREMENT, DESC, (DESC, ASC))
    await live(world.b, turned)
    assert await shown(world.b, turned) == world.scores.rows(turned)


async def test_the_source_fails_while_catching_up(world: World) -> None:
    await world.both_live(SET)
    await world.scores.submit(SET, Submission("eve", (1, 1, 1, 1)))
    gate = world.scores.hold("changed")
    task = asyncio.create_task(world.a.submit(SET, Submission("ada", (2, 2, 2, 2))))
    await gate.reached.wait()
    world.scores.failing_once.append(OSError("the database is away"))
    gate.open()
    done = await task
    assert done.rank == 1
    await world.both_live(SET)


async def test_no_copy_and_no_source(world: World) -> None:
    world.scores.failing = OSError("the database is away")
    with pytest.raises(OSError, match="is away"):
        await world.a.read(BOARD, Slice(3))
    world.scores.failing = None
    await world.both_live()
    world.scores.failing = OSError("the database is away")
    assert await shown(world.a, BOARD) == []  # the copy needs nobody
    world.scores.failing = None


async def test_every_key_has_a_time_to_live(world: World) -> None:
    await world.fill(seed=1)
    await world.both_live()
    keys = [key async for key in world.redis.scan_iter()]
    assert len(keys) == 4
    week = 7 * 24 * 3600
    for key in keys:
        assert week - 60 < await world.redis.ttl(key) <= week


async def test_a_read_renews_the_time_to_live_once_an_hour(world: World) -> None:
    await world.fill(seed=1)
    await world.both_live()
    keys = [key async for key in world.redis.scan_iter()]
    week = 7 * 24 * 3600
    for left, renewed in ((week - 3000, False), (week - 4000, True)):
        for key in keys:
            await world.redis.expire(key, left)
        await shown(world.a, BOARD)
        for key in keys:
            assert (await world.redis.ttl(key) > week - 60) == renewed


async def test_a_build_that_is_given_up_leaves_nothing(world: World) -> None:
    for at in range(60):
        await world.scores.submit(SET, Submission(f"p{at}", (at, 0, 0, 0)))
    world.scores.hold("scan").open()
    gate = world.scores.hold("scan")
    await header(world.a, SET)
    await gate.reached.wait()
    building = [key async for key in world.redis.scan_iter()]
    assert len(building) == 4
    for key in building:
        assert 0 < await world.redis.pttl(key) <= 10_000
    await world.a.aclose()
    assert [key async for key in world.redis.scan_iter()] == []


async def test_closing_ends_every_task(world: World) -> None:
    await world.fill(seed=1, count=3)
    await world.stop()
    await world.fill(seed=2, count=3)  # repairing, in vain
    async with world.a.watch(BOARD):
        before = asyncio.all_tasks()
        await world.a.aclose()
        await world.b.aclose()
    mine = {asyncio.current_task()}
    await eventually(lambda: _ended(before - mine))


async def _ended(tasks: set[asyncio.Task[object]]) -> bool:
    return not (tasks & asyncio.all_tasks())
