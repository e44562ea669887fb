"""Watching: woken by the doorbell, by the poll when it was not heard, and nothing left behind."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import pytest
from redis.asyncio import Redis

from cache.leaderboard import Freshness, Leaderboards, Mark, Options, Submission, Watch, scripts
from cache.leaderboard.doorbells import Doorbells
from cache.leaderboard.questions import Header
from cache.leaderboard.watch import Watches
from cache.stores.connection import open_redis
from cache.stores.script import Script
from cache.writes import NotAcknowledged
from tests.cache.leaderboard.conftest import QUICK, Process
from tests.support.boards import BOARDS, MemoryScores, header, live
from tests.support.polling import eventually
from tests.support.servers import valkey

BOARD = BOARDS["best"]
NEVER = 3600.0


@pytest.fixture
async def slow(
    redis: Redis, key_prefix: str, scores: MemoryScores
) -> AsyncIterator[Callable[..., Leaderboards]]:
    """Leaderboards that practically never poll."""
    made: list[Leaderboards] = []

    def make(poll: float = NEVER) -> Leaderboards:
        made.append(Leaderboards(redis, scores, key_prefix, Options(timing=QUICK, poll=poll)))
        return made[-1]

    yield make
    for boards in made:
        await boards.aclose()


async def heard(watch: Watch, seen: int) -> int:
    async with asyncio.timeout(20):
        return await watch.after(seen)


async def settled(boards: Leaderboards, watch: Watch) -> int:
    """Wait until the watch is connected and has noted the copy as it is."""
    await live(boards, BOARD)
    await eventually(lambda: _is(watch, boards._watches._doorbells))
    return watch.changes


async def _is(watch: Watch, doorbells: Doorbells) -> bool:
    return bool(watch._mark.epoch) and doorbells._pubsub is not None


async def test_a_change_by_another_process_rings(slow: Callable[..., Leaderboards]) -> None:
    boards, other = slow(), slow()
    await live(boards, BOARD)
    async with boards.watch(BOARD) as watch:
        seen = await settled(boards, watch)
        for score in (1, 2, 3):
            await other.submit(BOARD, Submission("ada", (score,)))
            seen = await heard(watch, seen)


async def test_what_changes_nothing_rings_nobody(slow: Callable[..., Leaderboards]) -> None:
    boards = slow()
    await live(boards, BOARD)
    await boards.submit(BOARD, Submission("ada", (5,)))
    async with boards.watch(BOARD) as watch:
        seen = await settled(boards, watch)
        await boards.submit(BOARD, Submission("ada", (4,)))
        await boards.submit(BOARD, Submission("bob", (1,)))
        await heard(watch, seen)
        assert watch.changes == seen + 1


async def test_a_lost_doorbell_costs_a_poll(
    slow: Callable[..., Leaderboards], monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = "redis.call('PUBLISH', ARGV[4], state.epoch .. ':' .. whole(version))"
    assert ring in scripts.SUBMIT.source
    monkeypatch.setattr(scripts, "SUBMIT", Script(scripts.SUBMIT.source.replace(ring, "")))
    boards = slow(poll=0.05)
    await live(boards, BOARD)
    async with boards.watch(BOARD) as watch:
        seen = await settled(boards, watch)
        await boards.submit(BOARD, Submission("ada", (5,)))
        await heard(watch, seen)

    silent = slow()
    async with silent.watch(BOARD) as watch:
        seen = await settled(silent, watch)
        # The control: nobody rings, nobody polls. Connecting itself looks once more, a bit later.
        assert await unheard(boards, watch, seen)


async def unheard(boards: Leaderboards, watch: Watch, seen: int) -> bool:
    """Whether one of a few submissions is not heard of."""
    for value in range(6, 10):
        await boards.submit(BOARD, Submission("ada", (value,)))
        try:
            async with asyncio.timeout(0.3):
                seen = await watch.after(seen)
        except TimeoutError:
            return True
    return False


async def test_boards_share_one_connection(slow: Callable[..., Leaderboards]) -> None:
    boards = slow()
    async with AsyncExitStack() as stack:
        watches = {}
        for board in BOARDS.values():
            await live(boards, board)
            watches[board] = await stack.enter_async_context(boards.watch(board))
        doorbells = boards._watches._doorbells
        await eventually(lambda: _subscribed(doorbells, len(BOARDS)))
        for watch in watches.values():
            await eventually(partial(_is, watch, doorbells))
        for board, watch in watches.items():
            others = {it: other.changes for it, other in watches.items() if it != board}
            seen = watch.changes
            await boards.submit(board, Submission("ada", (1, *(0 for _ in board.ties))))
            await heard(watch, seen)
            assert {it: watches[it].changes for it in others} == others


async def _subscribed(doorbells: Doorbells, count: int) -> bool:
    return doorbells._pubsub is not None and len(doorbells._pubsub.channels) == count


async def test_one_watch_for_many_and_none_for_nobody(process: Process) -> None:
    boards = process()
    before = asyncio.all_tasks()
    async with boards.watch(BOARD) as one:
        async with boards.watch(BOARD) as other:
            assert one is other
        assert boards._watches._running
    assert not boards._watches._running
    await eventually(lambda: _only(before))
    assert boards._watches._doorbells._pubsub is None
    async with boards.watch(BOARD) as again:
        assert again is not one
        await heard(again, 0)


async def _only(tasks: set[asyncio.Task[Any]]) -> bool:
    return asyncio.all_tasks() <= tasks


async def test_redis_stops_and_comes_back(scores: MemoryScores) -> None:
    with valkey() as server:
        client = open_redis(server.url)
        boards = Leaderboards(client, scores, "shop", Options(timing=QUICK, poll=0.05))
        async with boards.watch(BOARD) as watch:
            await boards.submit(BOARD, Submission("ada", (1,)))
            seen = await settled(boards, watch)
            epoch = watch._mark.epoch
            await asyncio.to_thread(server.stop)
            with pytest.raises(NotAcknowledged):
                await boards.submit(BOARD, Submission("ada", (2,)))
            assert (await header(boards, BOARD)).freshness is Freshness.REBUILDING
            assert watch._mark.epoch == epoch
            await asyncio.to_thread(server.start)
            await heard(watch, seen)  # the copy was built anew
            seen = await settled(boards, watch)
            assert watch._mark.epoch != epoch
            await boards.submit(BOARD, Submission("ada", (3,)))
            await heard(watch, seen)
        await boards.aclose()
        await client.aclose()


async def test_the_source_fails_for_a_while() -> None:
    """Looking at the board fails: the watch goes on, and notes the next look."""
    looks: Iterator[Header | Exception] = iter(
        [OSError("away"), Header("e", 1, 0, Freshness.LIVE), OSError("away")]
    )

    async def look(_board: object) -> Header:
        found: Header | Exception = next(looks, Header("e", 2, 0, Freshness.LIVE))
        if isinstance(found, Exception):
            raise found
        return found

    watches = Watches(_Silent(), lambda _board: "bell", look, poll=0.001)
    async with watches.watch(BOARD) as watch:
        seen = await heard(watch, 0)
        await heard(watch, seen)
        assert watch._mark == Mark("e", 2)
    await watches.aclose()


class _Silent(Doorbells):
    def __init__(self) -> None:
        """Needs no Redis."""

    @asynccontextmanager
    async def listening(self, channel: str, ring: Callable[[], None]) -> AsyncIterator[None]:
        yield


def test_marks() -> None:
    """An interruption of Redis alone is not another state."""
    first = Mark().then(Header("e1", 5, 1, Freshness.LIVE))
    assert first.then(Header("sql", 5, 1, Freshness.REBUILDING)) == first
    assert first.then(Header("sql", 6, 1, Freshness.REBUILDING)) == Mark("e1", 6)
    assert first.then(Header("e2", 5, 1, Freshness.LIVE)) == Mark("e2", 5)
