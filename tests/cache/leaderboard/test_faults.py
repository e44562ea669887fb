"""What must happen when Redis, the source or a client fails. Each with a server of its own."""

import asyncio
import logging
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial

import pytest
from redis.exceptions import RedisError

from cache.leaderboard import (
    Board,
    Freshness,
    Leaderboards,
    Operator,
    Options,
    Slice,
    Submission,
    Timing,
    scripts,
)
from cache.once import KeyReusedError, Once
from cache.stores.connection import GuardedRedis, open_redis
from cache.stores.script import Script
from cache.writes import NotAcknowledged, WriteBehindSettings
from tests.cache.leaderboard.conftest import QUICK
from tests.support.boards import (
    ASC,
    BOARDS,
    DESC,
    MemoryScores,
    Model,
    bare,
    drained,
    header,
    live,
    random_submissions,
    shown,
)
from tests.support.polling import eventually
from tests.support.servers import ValkeyServer, valkey

BOARD = BOARDS["league"]
SET = BOARDS["set"]
HASTY = Timing(build_again=0.0, patience=0.3)


async def _answers(client: GuardedRedis) -> bool:
    with suppress(RedisError):
        return bool(await client.ping())
    return False


class World:
    """Two processes on a server that can be broken; each has connections of its own."""

    def __init__(self, server: ValkeyServer, scores: MemoryScores, budget: float = 5.0) -> None:
        """`budget`: seconds that a server may take to answer."""
        self.server, self.scores, self.model, self._budget = server, scores, Model(), budget
        self._clients: list[GuardedRedis] = []
        self._made: list[Leaderboards] = []
        self.a, self.b = self.process(), self.process()
        self.redis = open_redis(server.url, budget=5.0)

    def process(self, timing: Timing = QUICK, **writes: float) -> Leaderboards:
        """A process that starts now; nothing in it flushes by itself."""
        client = open_redis(self.server.url, budget=self._budget)
        assert isinstance(client, GuardedRedis)
        self._clients.append(client)
        settings = WriteBehindSettings(**writes)  # type: ignore[arg-type] # whole numbers, too
        options = Options(timing=timing, writes=settings, page=50, poll=0.05)
        self._made.append(Leaderboards(client, self.scores, "shop", options))
        return self._made[-1]

    async def stop(self, *, kill: bool = False) -> None:
        await asyncio.to_thread(self.server.stop, kill=kill)

    async def start(self) -> None:
        await asyncio.to_thread(self.server.start)
        await self.closed_breakers()

    async def closed_breakers(self) -> None:
        """Until every process may ask the server again: a breaker opens when it does not answer."""

        for client in self._clients:
            await eventually(partial(_answers, client))

    async def fill(self, seed: int, count: int = 30, board: Board = BOARD) -> None:
        """Acknowledged submissions."""
        for submission in random_submissions(board, seed, count):
            await self.a.submit(board, submission)
            self.model.submit(board, submission)

    async def both_live(self, board: Board = BOARD) -> None:
        """Both read the sorted set, and it is what was acknowledged."""
        for boards in (self.a, self.b):
            await live(boards, board)
            assert bare(await shown(boards, board)) == self.model.rows(board)

    async def both_show_the_source(self, board: Board = BOARD) -> None:
        for boards in (self.a, self.b):
            assert (await header(boards, board)).freshness is Freshness.REBUILDING
            assert await shown(boards, board) == self.scores.rows(board)

    async def flushed(self, board: Board = BOARD) -> None:
        """All is flushed, and it is what was acknowledged."""
        await drained(self.b, board)
        assert bare(self.scores.rows(board)) == self.model.rows(board)

    async def waiting(self, board: Board = BOARD) -> int:
        return int(await self.redis.xlen(self.a.journal(board.key).stream))

    async def refused(self, boards: Leaderboards, submission: Submission) -> NotAcknowledged:
        with pytest.raises(NotAcknowledged) as caught:
            await boards.submit(BOARD, submission)
        return caught.value

    async def close(self) -> None:
        for boards in self._made:
            await boards.aclose()
        for client in (*self._clients, self.redis):
            await client.aclose()


@pytest.fixture
async def world(scores: MemoryScores) -> AsyncIterator[World]:
    with valkey() as server:
        made = World(server, scores)
        yield made
        await made.close()


ADA = Submission("ada", (3, 2, 1))


# ---- Redis ----


@pytest.mark.parametrize("kill", [False, True], ids=["stopped", "killed"])
async def test_redis_comes_back_with_a_backlog(
    world: World, kill: bool, caplog: pytest.LogCaptureFixture
) -> None:
    await world.fill(seed=1)
    await world.flushed()
    await world.fill(seed=2)
    await world.both_live()
    before = (await header(world.a, BOARD)).epoch
    backlog = await world.waiting()
    assert backlog > 10

    await world.stop(kill=kill)
    await world.both_show_the_source()
    error = await world.refused(world.a, ADA)
    assert not error.sent, "nothing was written"

    await world.start()
    assert await world.waiting() == backlog
    await world.both_live()
    assert (await header(world.a, BOARD)).epoch != before
    await world.fill(seed=3)
    await world.both_live()
    await world.flushed()
    assert "lost" not in caplog.text


@pytest.mark.parametrize("fsync", ["everysec", "always"])
async def test_what_was_acknowledged_survives_the_kill_of_redis(
    scores: MemoryScores, fsync: str
) -> None:
    """Submissions of two processes at once, on a server that is killed in the middle of them."""
    with valkey(appendfsync=fsync) as server:
        world = World(server, scores)
        await world.fill(seed=1, count=3)
        known = {row.standing.player for row in world.model.rows(BOARD)}
        acknowledged: list[str] = []

        async def one(at: int) -> None:
            boards = (world.a, world.b)[at % 2]
            await boards.submit(BOARD, Submission(f"new-{at}", (at, 0, 0)))
            acknowledged.append(f"new-{at}")

        tasks = [asyncio.create_task(one(at)) for at in range(400)]

        async def some() -> bool:
            return len(acknowledged) > 50

        await eventually(some)
        await world.stop(kill=True)
        await asyncio.gather(*tasks, return_exceptions=True)
        assert len(acknowledged) <= 400
        await world.start()
        fresh = world.process()
        await live(fresh, BOARD)
        found = {row.standing.player for row in await shown(fresh, BOARD)}
        assert known | set(acknowledged) <= found
        await drained(fresh, BOARD)
        assert await shown(fresh, BOARD) == scores.rows(BOARD)
        await world.close()


async def test_redis_hangs(scores: MemoryScores) -> None:
    with valkey() as server:
        world = World(server, scores, budget=0.3)
        await world.fill(seed=1)
        await world.flushed()
        await world.both_live()
        world.server.pause()
        try:
            began = time.monotonic()
            assert (await world.refused(world.a, ADA)).sent, "it may have been applied"
            assert not (await world.refused(world.a, ADA)).sent, "now the breaker is open"
            await world.both_show_the_source()
            # Once 0.3 s for each of the first calls of two processes; then their breakers are open.
            assert time.monotonic() - began < 5.0
        finally:
            world.server.resume()
        await world.closed_breakers()
        world.model.submit(BOARD, ADA)  # it was: the server had it in its socket
        await world.both_live()
        await world.flushed()
        await world.close()


async def test_redis_emptied(world: World, caplog: pytest.LogCaptureFixture) -> None:
    await world.fill(seed=1)
    await world.flushed()
    kept = world.scores.rows(BOARD)
    await world.fill(seed=2)
    backlog = await world.waiting()
    await world.redis.flushall()
    with caplog.at_level(logging.WARNING):
        for boards in (world.a, world.b):
            await live(boards, BOARD)
            assert await shown(boards, BOARD) == kept, "the loss is the backlog"
    assert "no longer has the stream" in caplog.text
    assert f"last saw {backlog} operations waiting" in caplog.text
    await world.a.submit(BOARD, ADA)
    await drained(world.b, BOARD)
    assert await shown(world.b, BOARD) == world.scores.rows(BOARD)
    assert len(world.scores.rows(BOARD)) == len(kept) + 1


async def older_log(world: World) -> None:
    """The server comes back with the log of before the last submissions, which were flushed."""
    await world.fill(seed=1)
    await world.both_live()
    await world.stop()
    log = next(world.server.directory.glob("appendonlydir"))
    saved = shutil.copytree(log, world.server.directory / "saved")
    await world.start()
    await world.fill(seed=2)
    await world.flushed()
    await world.stop()
    shutil.rmtree(log)
    shutil.move(saved, log)
    await world.start()


async def test_redis_back_with_an_older_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        await older_log(world)
        await world.both_live()
    assert "Redis came back with an older state" in caplog.text
    await world.fill(seed=3)
    await world.both_live()
    await world.flushed()


async def test_the_older_log_control(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    rule = "meta[1] ~= world() or "
    source = scripts.READ.source
    assert f"if not world() or {rule}" in source
    source = source.replace(f"if not world() or {rule}", "if ")
    monkeypatch.setattr(scripts, "READ", Script(source))
    await older_log(world)
    await live(world.b, BOARD)
    assert bare(await shown(world.b, BOARD)) != world.model.rows(BOARD)


async def test_redis_full(scores: MemoryScores) -> None:
    with valkey(maxmemory="6mb") as server:
        world = World(server, scores)
        await world.fill(seed=1)
        await world.both_live()
        await world.redis.set("ballast", b"x" * 1_000)
        await world.redis.config_set("maxmemory", "1mb")
        assert not (await world.refused(world.a, ADA)).sent
        await world.both_live()
        await world.flushed()  # the trim makes room
        [first, *_] = world.model.rows(BOARD)
        assert await world.b.remove(BOARD, first.standing.player)
        world.model.remove(BOARD, first.standing.player)
        await world.both_live()
        await world.redis.config_set("maxmemory", "100mb")
        await world.fill(seed=2)
        await world.both_live()
        await world.flushed()
        await world.close()


async def test_too_much_waits(world: World) -> None:
    boards = world.process(limit=3)
    for at in range(3):
        await boards.submit(BOARD, Submission(f"p{at}", (at, 0, 0)))
    error = await world.refused(boards, ADA)
    assert not error.sent
    assert "3 submissions" in str(error)
    await drained(boards, BOARD)
    await boards.submit(BOARD, ADA)


# ---- the source ----


async def test_the_source_is_away(world: World) -> None:
    """There is a copy: submissions go on. There is none: nothing is written, and it says so."""
    await world.fill(seed=1)
    world.scores.failing = OSError("the database is away")
    await world.fill(seed=2)
    await world.both_live()
    with pytest.raises(OSError, match="is away"):
        await world.a.flushing.flush(BOARD.key)
    await world.a.live.discard(BOARD.key)
    with pytest.raises(OSError, match="is away"):
        await world.a.read(BOARD, Slice(3))
    waiting = await world.waiting()
    hasty = world.process(HASTY)
    assert not (await world.refused(hasty, ADA)).sent
    assert await world.waiting() == waiting
    world.scores.failing = None
    await world.both_live()
    await world.flushed()


async def went_back(world: World) -> set[str]:
    """SQL goes back past what was trimmed, and a submission comes; the players that are left."""
    await world.fill(seed=1, count=9, board=SET)
    await drained(world.a, SET)
    table, progress = world.scores.tables[SET.key], world.scores.progress(SET.key)
    kept, version, applied = dict(table.rows), table.version, progress.applied
    await world.fill(seed=2, board=SET)
    await drained(world.a, SET)
    assert table.rows.keys() > kept.keys()
    table.rows, table.version, progress.applied = kept, version, applied
    await world.a.submit(SET, Submission("eve", (9, 9, 9, 9)))
    return {*kept, "eve"}


async def ends_like_the_source(world: World, left: set[str]) -> None:
    """What was flushed and trimmed is lost; the board goes on as SQL and what the stream has."""
    await live(world.b, SET)
    assert {row.standing.player for row in await shown(world.b, SET)} == left
    await drained(world.b, SET)
    assert await shown(world.a, SET) == world.scores.rows(SET)


async def test_a_source_restored_from_a_backup_and_a_build(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    left = await went_back(world)
    await world.a.live.discard(SET.key)
    with caplog.at_level(logging.WARNING):
        await live(world.b, SET)
    assert "what is between is lost" in caplog.text
    await ends_like_the_source(world, left)


async def test_a_source_restored_from_a_backup_and_a_flush(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """The flusher gives the copy up: it has what SQL has lost."""
    left = await went_back(world)
    assert {row.standing.player for row in await shown(world.b, SET)} > left
    with caplog.at_level(logging.WARNING):
        await drained(world.a, SET)
    assert "were trimmed after their commit" in caplog.text
    await ends_like_the_source(world, left)


async def test_a_board_that_the_source_does_not_have(world: World) -> None:
    nowhere = Board("nowhere", Operator.SET, ASC)
    with pytest.raises(LookupError, match="no leaderboard 'nowhere'"):
        await world.a.submit(nowhere, Submission("ada", (1,)))
    with pytest.raises(LookupError, match="no leaderboard 'nowhere'"):
        await world.a.remove(nowhere, "ada")


# ---- the rest ----


async def test_a_copy_of_another_layout_is_not_used(world: World) -> None:
    await world.fill(seed=1)
    await world.flushed()
    await world.fill(seed=2)
    turned = Board(BOARD.key, Operator.INCREMENT, DESC, (DESC, ASC))
    await live(world.b, turned)
    standings = {row.standing for row in bare(await shown(world.b, turned))}
    assert standings == {row.standing for row in world.model.rows(BOARD)}
    await drained(world.b, turned)
    assert await shown(world.b, turned) == world.scores.rows(turned)


async def test_a_submission_waits_for_another_process_s_build(world: World) -> None:
    await world.fill(seed=1)
    await world.flushed()
    await world.a.live.discard(BOARD.key)
    gate = world.scores.hold("scan")
    await header(world.a, BOARD)
    await gate.reached.wait()
    assert not (await world.refused(world.process(HASTY), ADA)).sent
    asked = asyncio.create_task(world.b.submit(BOARD, ADA))
    gate.open()
    await asked
    world.model.submit(BOARD, ADA)
    await world.both_live()


async def test_a_submission_goes_on_when_its_client_goes_away(world: World) -> None:
    await world.fill(seed=1)
    asked = asyncio.create_task(world.a.submit(BOARD, ADA))
    await asyncio.sleep(0)  # it is sent in the next tick, or not at all: both are right
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    await live(world.b, BOARD)
    await drained(world.b, BOARD)
    assert await shown(world.b, BOARD) == world.scores.rows(BOARD)


async def test_every_key_ends_or_has_an_owner(world: World) -> None:
    await world.fill(seed=1)
    await world.a.submit(BOARD, Submission("ada", (1, 1, 1), Once("key", "arguments")))
    journal = world.a.journal(BOARD.key)
    keys = {key.decode() async for key in world.redis.scan_iter()}
    week, day = 7 * 24 * 3600, 24 * 3600
    expected = {journal.key(part): week for part in ("copy", "members", "players", "tuples")}
    expected |= {journal.key("once:key"): day}
    assert keys == {*expected, journal.stream, journal.meta, "shop:lb2-waiting"}
    for key, life in expected.items():
        assert life - 60 < await world.redis.ttl(key) <= life


async def test_a_read_renews_the_time_to_live_once_an_hour(world: World) -> None:
    await world.fill(seed=1)
    await world.both_live()
    keys = world.a.live.keys(BOARD.key)
    week = 7 * 24 * 3600
    for left, renewed in ((week - 3000, False), (week - 4000, True)):
        for key in keys:
            await world.redis.expire(key, left)
        await shown(world.a, BOARD)
        for key in keys:
            assert (await world.redis.ttl(key) > week - 60) == renewed


async def test_a_copy_that_ended_is_built_of_the_source_and_the_stream(world: World) -> None:
    await world.fill(seed=1)
    await world.flushed()
    await world.fill(seed=2)
    for part in ("members", "players", "tuples", "copy"):
        await world.redis.delete(world.a.journal(BOARD.key).key(part))
        await world.both_live()


async def test_a_long_backlog_is_flushed_before_a_build(world: World) -> None:
    """More than a page of it would hold the server up while it is put on top."""
    await world.fill(seed=1, count=200)
    assert await world.waiting() > 50
    await world.a.live.discard(BOARD.key)
    await live(world.b, BOARD)
    assert await world.waiting() == 0
    await world.both_live()
    assert bare(world.scores.rows(BOARD)) == world.model.rows(BOARD)


async def test_a_build_that_is_given_up_leaves_nothing(world: World) -> None:
    for at in range(60):
        await world.a.submit(SET, Submission(f"p{at}", (at, 0, 0, 0)))
    await drained(world.a, SET)
    await world.a.live.discard(SET.key)
    before = {key async for key in world.redis.scan_iter()}
    world.scores.hold("scan").open()
    gate = world.scores.hold("scan")
    await header(world.a, SET)
    await gate.reached.wait()
    building = {key async for key in world.redis.scan_iter()} - before
    assert len(building) == 4
    for key in building:
        assert 0 < await world.redis.pttl(key) <= 10_000
    await world.a.aclose()
    assert {key async for key in world.redis.scan_iter()} == before
    lease = await world.scores.progress(SET.key).take_lease("another", 1.0)
    assert lease is not None, "the lease is given back"


async def test_closing_ends_every_task(world: World) -> None:
    await world.fill(seed=1, count=3)
    world.a.start()
    await world.stop()
    before = asyncio.all_tasks()
    async with world.a.watch(BOARD):
        await header(world.a, BOARD)
        await world.a.aclose()
        await world.b.aclose()

    async def ended() -> bool:
        return asyncio.all_tasks() <= before | {asyncio.current_task()}  # type: ignore[operator]

    await eventually(ended)


# ---- idempotency keys ----


@pytest.mark.parametrize("name", ["best", "set", "golf"])
async def test_a_key_counts_once_and_answers_the_same(world: World, name: str) -> None:
    board = BOARDS[name]
    rest = (0,) * len(board.ties)
    once = Once("key", "ada 5")
    await world.a.submit(board, Submission("bob", (4, *rest)))
    first = await world.a.submit(board, Submission("ada", (5, *rest), once))
    again = await world.b.submit(board, Submission("ada", (5, *rest), once))
    assert (again.change.before, again.change.after) == (first.change.before, first.change.after)
    assert (again.previous_rank, again.rank) == (first.previous_rank, first.rank)
    assert (again.change.is_repeated, again.change.changed) == (True, False)
    with pytest.raises(KeyReusedError):
        await world.b.submit(board, Submission("ada", (6, *rest), Once("key", "ada 6")))
    await world.a.submit(board, Submission("eve", (9, *rest)))
    later = await world.b.submit(board, Submission("ada", (5, *rest), once))
    assert later.rank == first.rank + (0 if board.order is ASC else 1), "the rank of now"
    assert (await header(world.b, board)).version == 3
    assert await world.waiting(board) == 3


async def test_a_key_outlives_the_kill_of_redis(world: World) -> None:
    board, once = BOARDS["golf"], Once("key", "ada 5")
    first = await world.a.submit(board, Submission("ada", (5,), once))
    await world.stop(kill=True)
    await world.start()
    again = await world.b.submit(board, Submission("ada", (5,), once))
    assert again.change.after == first.change.after
    assert await world.waiting(board) == 1
