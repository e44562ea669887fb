"""Redis away, hanging or full, SQL away: nothing is acknowledged that is not kept."""

from collections.abc import Awaitable, Callable

import pytest

from cache.stores.connection import open_redis
from cache.writes import NotAcknowledged
from tests.support.servers import valkey
from tests.support.write_behind import SteppedProgress, Worker, a_worker, sql_views, until

Workers = Callable[..., Awaitable[Worker]]


async def test_a_redis_that_cannot_be_reached_is_refused_for_sure_and_reads_are_sqls(
    products: int, key_prefix: str
) -> None:
    with valkey() as server:
        async with a_worker(server.url, key_prefix) as one:
            await one.add(1, 3)
            await one.flush()
            server.stop()
            with pytest.raises(NotAcknowledged):
                await one.add(1)  # on the connection that was open: who knows what it carried
            with pytest.raises(NotAcknowledged) as refusal:
                await one.add(1)
            assert refusal.value.sent is False
            assert await one.read(1) == 3
            server.start()
            await until(lambda: _quietly(one.redis.ping))
            await one.add(1)
            assert await one.read(1) == 4


async def test_a_redis_that_hangs_leaves_the_outcome_unknown(
    products: int, key_prefix: str
) -> None:
    with valkey() as server:
        redis = open_redis(server.url, budget=0.2)
        one = Worker(redis, key_prefix, SteppedProgress())
        await one.add(1)
        await one.flush()
        server.pause()
        try:
            with pytest.raises(NotAcknowledged) as refusal:
                await one.add(1)
            assert refusal.value.sent is True
            assert await one.read(1) == 1
        finally:
            server.resume()

        async def answers() -> bool:
            return bool(await one.flush()) or await sql_views() == {1: 2}

        # It was executed when Redis went on: this is what "unknown" is for.
        await until(lambda: _quietly(answers))
        assert await one.read(1) == 2
        await redis.aclose()


async def _quietly(condition: Callable[[], Awaitable[object]]) -> bool:
    try:
        return bool(await condition())
    except Exception:  # noqa: BLE001 - the breaker is still open
        return False


async def test_a_full_redis_refuses_views_reads_right_and_can_be_flushed_empty(
    products: int, key_prefix: str
) -> None:
    with valkey(maxmemory="20mb", maxmemory_policy="noeviction") as server:
        async with a_worker(server.url, key_prefix) as one:
            await one.add(1, 3)
            await one.flush()
            await one.add(1, 2)
            await one.redis.delete(one.views.journal.live("1"))
            await one.redis.config_set("maxmemory", "1mb")
            with pytest.raises(NotAcknowledged) as refusal:
                await one.add(1)
            assert refusal.value.sent is False
            assert await one.read(1) == 5
            assert await one.redis.exists(one.views.journal.live("1")) == 0
            assert await one.flush() == 2
            assert await one.waiting() == 0
            assert await one.read(1) == 5
            await one.redis.config_set("maxmemory", "20mb")
            await one.add(1)
            assert await one.read(1) == 6
    assert await sql_views() == {1: 5}


async def test_a_full_redis_that_was_restarted_shows_what_waits_and_can_be_flushed_empty(
    products: int, key_prefix: str
) -> None:
    with valkey(maxmemory_policy="noeviction") as server:
        async with a_worker(server.url, key_prefix) as one:
            await one.add(1, 3)
            server.stop()
            server.start()
            await until(lambda: _quietly(one.redis.ping))
            await one.redis.config_set("maxmemory", "1mb")
            with pytest.raises(NotAcknowledged):
                await one.add(1)
            assert await one.read(1) == 3
            assert await one.flush() == 3
    assert await sql_views() == {1: 3}


async def test_a_write_behind_whose_sql_is_away_acknowledges_nothing_it_cannot_place(
    worker: Workers,
) -> None:
    class Away(SteppedProgress):
        async def fence(self) -> None:  # type: ignore[override] # it never returns
            raise OSError("the database is away")

    one = await worker(Away())
    with pytest.raises(NotAcknowledged, match="SQL is away") as refusal:
        await one.add(1)
    assert refusal.value.sent is False
    assert await one.waiting() == 0
