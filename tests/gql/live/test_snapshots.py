"""Snapshots: one at once, the newest state after each change, never one twice."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from redis.asyncio import Redis

from cache.errors import StoreUnavailable
from cache.leaderboard import Board, Freshness, Header, Leaderboards, Options, Submission, Timing
from cache.stores.connection import open_redis
from gql.live.snapshots import Snapshot, Subject, snapshots
from tests.support.boards import BOARDS, MemoryScores, Model, bare, drained, header, live
from tests.support.polling import eventually
from tests.support.servers import valkey

BOARD = BOARDS["best"]
OPTIONS = Options(timing=Timing(build_again=0.0, patience=20.0), poll=0.05)

Stream = AsyncGenerator[Snapshot, None]


@pytest.fixture
def scores() -> MemoryScores:
    return MemoryScores(*BOARDS.values())


@pytest.fixture
async def boards(
    redis: Redis, key_prefix: str, scores: MemoryScores
) -> AsyncIterator[Leaderboards]:
    made = Leaderboards(redis, scores, key_prefix, OPTIONS)
    yield made
    await made.aclose()


class Pace:
    """Instead of the clock: notes how long a subscriber should wait, and lets a test end it."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self._go = asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        self.asked.append(seconds)
        await self._go.wait()
        self._go.clear()

    def go(self) -> None:
        self._go.set()


async def no_wait(_seconds: float) -> None:
    await asyncio.sleep(0)


async def following(stream: Stream) -> Snapshot:
    async with asyncio.timeout(20):
        return await anext(stream)


async def quiet(stream: Stream) -> None:
    """Nothing more comes; ends the stream."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await anext(stream)


def score(player: str, value: int, board: Board = BOARD) -> Submission:
    return Submission(player, (value, *(0 for _ in board.ties)))


async def test_a_snapshot_at_once_and_one_for_each_change(boards: Leaderboards) -> None:
    model = Model()
    await boards.submit(BOARD, score("ada", 5))
    model.submit(BOARD, score("ada", 5))
    await live(boards, BOARD)
    stream = snapshots(boards, Subject(BOARD, 2, "eve"), 60, no_wait)
    first = await following(stream)
    assert first.is_first
    assert not first.is_new_epoch
    assert [row.standing.player for row in first.page.rows] == ["ada"]
    assert first.own is None
    for at, (player, value) in enumerate([("bob", 9), ("eve", 1), ("joe", 7)]):
        await boards.submit(BOARD, score(player, value))
        model.submit(BOARD, score(player, value))
        snapshot = await following(stream)
        assert not snapshot.is_first
        assert not snapshot.is_new_epoch
        assert snapshot.header.version == at + 2
        assert bare(snapshot.page.rows) == model.rows(BOARD)[:2]
        own = [row for row in model.rows(BOARD) if row.standing.player == "eve"]
        assert bare([] if snapshot.own is None else [snapshot.own]) == own
    await quiet(stream)


async def test_what_changes_nothing_sends_nothing(boards: Leaderboards) -> None:
    await boards.submit(BOARD, score("ada", 5))
    await live(boards, BOARD)
    stream = snapshots(boards, Subject(BOARD, 2), 60, no_wait)
    await following(stream)
    await boards.submit(BOARD, score("ada", 5))
    await quiet(stream)


async def test_between_two_sends_the_latest_wins(boards: Leaderboards) -> None:
    await live(boards, BOARD)
    pace = Pace()
    async with aclosing(snapshots(boards, Subject(BOARD, 9), 4, pace)) as stream:
        await following(stream)
        following_one = asyncio.ensure_future(following(stream))
        await eventually(lambda: _has(pace.asked, 1))
        for value in (1, 2, 3):
            await boards.submit(BOARD, score("ada", value))
        assert pace.asked == [0.25]  # at most 4 a second
        assert not following_one.done()
        pace.go()
        snapshot = await following_one
        assert snapshot.page.rows[0].standing.points == (3,)
        assert snapshot.header.version == 3
        pace.go()
        await quiet(stream)


async def test_never_an_older_state(
    boards: Leaderboards, scores: MemoryScores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1. version 1 is flushed, version 2 is not  2. Redis does not answer for a moment: the source
    is asked, which has version 1  3. the copy answers again."""
    await boards.submit(BOARD, score("ada", 5))
    await drained(boards, BOARD)
    await boards.submit(BOARD, score("bob", 9))
    seen: list[int] = []

    async def follow() -> None:
        async for snapshot in snapshots(boards, Subject(BOARD, 9), 60, no_wait):
            seen.append(snapshot.header.version)  # noqa: PERF401 - it is read while it grows

    async def has_seen(version: int) -> bool:
        return version in seen

    following_it = asyncio.create_task(follow())
    await eventually(lambda: has_seen(2))
    with monkeypatch.context() as patch:
        patch.setattr(boards.live, "read", _away)
        looked = scores.calls.count("version")

        async def has_looked() -> bool:
            return scores.calls.count("version") > looked + 4

        await eventually(has_looked)
        assert (await header(boards, BOARD)).version == 1
    await boards.submit(BOARD, score("eve", 1))
    await eventually(lambda: has_seen(3))
    following_it.cancel()
    await asyncio.gather(following_it, return_exceptions=True)

    assert seen == [2, 3]


async def _away(*_: object) -> None:
    raise StoreUnavailable("one time-out")


async def _has(found: list[float], count: int) -> bool:
    return len(found) >= count


async def test_many_subscribers_share_one_reading(
    boards: Leaderboards, monkeypatch: pytest.MonkeyPatch
) -> None:
    await live(boards, BOARD)
    streams = [snapshots(boards, Subject(BOARD, 5), 60, no_wait) for _ in range(200)]
    await asyncio.gather(*(following(stream) for stream in streams))
    asked: list[int] = []
    read = boards.live.read

    async def counting(requests: Any) -> Any:
        asked.append(sum(len(questions) for _, questions in requests))
        return await read(requests)

    monkeypatch.setattr(boards.live, "read", counting)
    heard = [asyncio.ensure_future(following(stream)) for stream in streams]
    await asyncio.sleep(0)
    await boards.submit(BOARD, score("ada", 5))
    found = await asyncio.gather(*heard)
    assert {snapshot.header.version for snapshot in found} == {1}
    assert len(asked) <= 6  # the watch's looks among them
    assert max(asked) <= 3
    await asyncio.gather(*(stream.aclose() for stream in streams))


async def test_nothing_is_left_when_subscribers_leave(boards: Leaderboards) -> None:
    before = asyncio.all_tasks()
    for _ in range(20):
        stream = snapshots(boards, Subject(BOARD, 5), 60, no_wait)
        await following(stream)
        waiting = asyncio.ensure_future(following(stream))
        await asyncio.sleep(0)
        waiting.cancel()  # as when the connection breaks
        await asyncio.gather(waiting, return_exceptions=True)
    await eventually(lambda: _at_most(before))
    assert not boards._watches._running


async def _at_most(tasks: set[asyncio.Task[object]]) -> bool:
    return asyncio.all_tasks() <= tasks


async def test_redis_goes_and_comes_back(scores: MemoryScores) -> None:
    """Its absence is not an event; the new copy is, and says why."""
    with valkey() as server:
        client = open_redis(server.url)
        boards = Leaderboards(client, scores, "shop", OPTIONS)
        await boards.submit(BOARD, score("ada", 1))
        await live(boards, BOARD)
        async with aclosing(snapshots(boards, Subject(BOARD, 9), 60, no_wait)) as stream:
            first = await following(stream)
            await asyncio.to_thread(server.stop)
            assert (await header(boards, BOARD)).freshness is Freshness.REBUILDING
            await asyncio.to_thread(server.start)
            second = await following(stream)
            assert second.is_new_epoch
            assert second.header.version == 1
            assert second.header.epoch not in ("sql", first.header.epoch)
            await boards.submit(BOARD, score("ada", 3))
            third = await following(stream)
            assert third.header.cursor == f"{second.header.epoch}:2"
            assert not third.is_new_epoch
        await boards.aclose()
        await client.aclose()


async def test_without_redis_and_database_it_waits(
    boards: Leaderboards, scores: MemoryScores, caplog: pytest.LogCaptureFixture
) -> None:
    await live(boards, BOARD)
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        await asyncio.sleep(0.01)

    async with aclosing(snapshots(boards, Subject(BOARD, 9), 60, sleep)) as stream:
        await following(stream)
        scores.failing = OSError("the database is away")
        await boards.live.discard(BOARD.key)
        boards._watches._running[BOARD].watch.note(Header("other", 0, 0, Freshness.LIVE))
        waiting = asyncio.ensure_future(following(stream))
        with caplog.at_level(logging.WARNING, "gql.live.snapshots"):
            await eventually(lambda: _has([it for it in pauses if it == 1.0], 2))
        assert "no snapshot: the database is away" in caplog.text
        scores.failing = None
        await boards.submit(BOARD, score("ada", 5))
        assert (await waiting).page.rows[0].standing.points == (5,)


async def test_the_first_reading_s_error_is_the_subscriber_s(
    boards: Leaderboards, scores: MemoryScores
) -> None:
    scores.failing = OSError("the database is away")
    with pytest.raises(OSError, match="is away"):
        await following(snapshots(boards, Subject(BOARD, 9), 60, no_wait))
