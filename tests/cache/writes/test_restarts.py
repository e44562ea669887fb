"""Redis killed, or back with an older state."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, suppress

import pytest

from cache.errors import StoreUnavailable
from cache.writes import Applied
from tests.support.servers import valkey
from tests.support.write_behind import (
    Pause,
    Rewinder,
    SteppedProgress,
    Worker,
    a_worker,
    interrupted,
    sql_views,
    switch_off,
)

Workers = Callable[..., Awaitable[Worker]]
Connect = Callable[..., AbstractAsyncContextManager[Worker]]


@pytest.fixture
def rewinder() -> Iterator[Rewinder]:
    """A Valkey of the test's own."""
    with valkey() as server:
        yield Rewinder(server)


@pytest.fixture
def connect(rewinder: Rewinder, key_prefix: str, products: int) -> Connect:
    """`async with connect(progress) as worker`: a worker that starts now."""

    def make(progress: SteppedProgress | None = None) -> AbstractAsyncContextManager[Worker]:
        return a_worker(rewinder.server.url, key_prefix, progress)

    return make


@pytest.mark.parametrize("fsync", ["everysec", "always"])
async def test_views_that_were_acknowledged_survive_the_kill_of_redis(
    products: int, key_prefix: str, fsync: str
) -> None:
    with valkey(appendfsync=fsync) as server:
        async with a_worker(server.url, key_prefix) as one:
            await asyncio.gather(*(one.add(number % products + 1) for number in range(300)))
            await one.flush()
            await asyncio.gather(*(one.add(number % products + 1) for number in range(500)))
            server.stop(kill=True)
        server.start()
        async with a_worker(server.url, key_prefix) as two:
            assert await two.waiting() == 500
            keys = [str(number) for number in range(1, products + 1)]
            assert await two.views.read(keys) == [40] * products
            await two.add(1)
            assert await two.flush() == 501
            assert await two.views.read(keys) == [41] + [40] * (products - 1)
    assert await sql_views() == {1: 41} | dict.fromkeys(range(2, products + 1), 40)


# ---- 6: live values of an older state ----


async def came_back_older(rewinder: Rewinder, connect: Connect) -> None:
    """Live is 5, of which Redis keeps a copy · 3 more, all committed · the copy comes back."""
    async with connect() as one:
        await one.add(1, 5)
        assert await one.read(1) == 5
    rewinder.remember()
    async with connect() as one:
        await one.add(1, 3)
        assert await one.read(1) == 8
        assert await one.flush() == 8
    rewinder.rewind()


async def test_6_live_values_of_an_older_state_are_not_believed(
    rewinder: Rewinder, connect: Connect
) -> None:
    await came_back_older(rewinder, connect)
    async with connect() as one:
        assert await one.read(1) == 8
        assert await one.waiting() == 5  # committed long ago
        assert await one.flush() == 0
        assert await one.waiting() == 0
        await one.add(1)
        assert await one.read(1) == 9
        await one.flush()
    assert await sql_views() == {1: 9}


async def test_6_control_without_the_incarnation_an_older_live_value_is_served(
    rewinder: Rewinder, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    same = "string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')"
    switch_off(monkeypatch, same, "'always the same'")
    await came_back_older(rewinder, connect)
    async with connect() as one:
        assert await one.read(1) == 5


# ---- 7: ids that SQL has passed already ----


async def goes_on_with_lower_ids(rewinder: Rewinder, connect: Connect) -> None:
    """A copy · 2 views with ids an hour ahead are committed · the copy comes back · 3 views."""
    async with connect() as one:
        await one.add(1)
    rewinder.remember()
    async with connect() as one:
        await one.read(1)
        await rewinder.leap(one, hours=1)
        await one.add(1, 2)
        assert await one.flush() == 3
    rewinder.rewind()
    async with connect() as one:
        await one.add(1, 3)
        await one.drain()


async def test_7_ids_are_raised_before_anyone_appends(
    rewinder: Rewinder, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        await goes_on_with_lower_ids(rewinder, connect)
    assert await sql_views() == {1: 6}
    assert "Redis came back with an older state" in caplog.text


async def test_7_control_without_raised_ids_acknowledged_views_are_lost(
    rewinder: Rewinder, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch_off(monkeypatch, "redis.call('XSETID', KEYS[1], ARGV[3])", "", "RECONCILE")
    await goes_on_with_lower_ids(rewinder, connect)
    assert await sql_views() == {1: 3}


# ---- 8: a batch of the former incarnation ----


class NoFence(SteppedProgress):
    """Looks at the progress, and lets everyone go on with their tokens."""

    async def fence(self) -> Applied:
        return (await self.read([])).applied


async def commits_a_batch_of_before(
    rewinder: Rewinder, connect: Connect, opener: SteppedProgress
) -> None:
    """F reads a batch with ids an hour ahead · Redis comes back without it · W opens the stream
    and appends · F commits · W's view is flushed."""
    async with connect() as one:
        await one.add(1)
    rewinder.remember()
    progress = SteppedProgress()
    pause = progress.before_commit = Pause()
    async with connect(progress) as flusher:
        await flusher.read(1)
        await rewinder.leap(flusher, hours=1)
        await flusher.add(1, 2)
        async with interrupted(_ignoring_redis(flusher), pause):
            rewinder.rewind()
            async with connect(opener) as writer:
                await writer.add(2)
        progress.before_commit = pause.ended
    async with connect() as heir:
        await heir.drain()


async def _ignoring_redis(flusher: Worker) -> None:
    with suppress(StoreUnavailable):  # its connection was cut by the restart
        await flusher.flush()


async def test_8_opening_the_stream_voids_what_was_read_before(
    rewinder: Rewinder, connect: Connect
) -> None:
    await commits_a_batch_of_before(rewinder, connect, SteppedProgress())
    assert await sql_views() == {1: 1, 2: 1}


async def test_8_control_without_the_fence_an_acknowledged_view_is_lost(
    rewinder: Rewinder, connect: Connect
) -> None:
    await commits_a_batch_of_before(rewinder, connect, NoFence())
    assert await sql_views() == {1: 3}


async def test_8_a_server_that_restarts_while_it_is_opened_is_opened_again(
    rewinder: Rewinder, connect: Connect
) -> None:
    class Restarting(SteppedProgress):
        restarts = 2

        async def fence(self) -> Applied:
            applied = await super().fence()
            if self.restarts:
                self.restarts -= 1
                rewinder.server.stop(kill=True)
                rewinder.server.start()
                await one.redis.connection_pool.disconnect()
            return applied

    async with connect(Restarting()) as one:
        await one.add(1)
        [incarnation] = await one.redis.hmget(one.views.journal.meta, "incarnation")
        replication = await one.redis.info("replication")
        assert incarnation == replication["master_replid"].encode()
        assert await one.read(1) == 1
