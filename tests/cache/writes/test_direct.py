"""Redis cannot be reached: what commutes goes to SQL at once, and nobody keeps an old live value.

Over the API, with clients and their tokens: tests/resolvers/test_stats.py.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from redis.asyncio import Redis

from cache import Cache, RedisStore
from cache.errors import DeclarationError
from cache.integrations.tortoise import TortoiseOutbox
from cache.integrations.tortoise_progress import TortoiseProgress
from cache.stores.connection import open_redis
from cache.writes import NotAcknowledged, Once, WriteBehind, WriteBehindSettings
from models.database import is_unavailable
from models.tables import DeadLetter, Outbox, WriteBehindProgress
from resolvers.stats import VIEWS
from tests.support.dead_letters import Refusing
from tests.support.polling import eventually
from tests.support.servers import free_port, valkey
from tests.support.write_behind import COUNTED, SteppedProgress, sql_views

pytestmark = pytest.mark.usefixtures("products")


class Beside:
    """A cache with its outbox, and a write-behind beside it."""

    def __init__(self, redis: Redis, prefix: str, operation: Any = VIEWS, **settings: Any) -> None:
        self.redis = redis
        outbox = TortoiseOutbox(Outbox)
        self.cache = Cache(RedisStore(redis, prefix), outbox=outbox)
        progress = TortoiseProgress(
            operation,
            WriteBehindProgress,
            DeadLetter,
            is_unavailable=is_unavailable,
            outbox=outbox,
        )
        self.views = WriteBehind(
            progress, redis, prefix, cache=self.cache, settings=WriteBehindSettings(**settings)
        )

    async def relayed(self) -> None:
        """Its relay looks until nothing waits."""
        relay = self.cache.relay
        assert relay is not None

        async def is_published() -> bool:
            await relay.step()
            return not await Outbox.filter(published_epoch=None).exists()

        await eventually(is_published)


@asynccontextmanager
async def beside(url: str, prefix: str, **more: Any) -> AsyncIterator[Beside]:
    async with AsyncExitStack() as closing:
        redis = open_redis(url, budget=more.pop("budget", 5.0))
        closing.push_async_callback(redis.aclose)
        one = Beside(redis, prefix, **more)
        closing.push_async_callback(one.cache.close)
        yield one


@pytest.fixture
def nowhere() -> str:
    """The URL of a Redis that refuses connections."""
    return f"redis://127.0.0.1:{free_port()}"


async def test_what_commutes_goes_to_sql_and_is_acknowledged(nowhere: str, key_prefix: str) -> None:
    async with beside(nowhere, key_prefix) as one:
        for _ in range(3):
            appended = await one.views.add("1")
            assert appended.id == ""
        assert await one.views.read(["1", "2"]) == [3, 0]
        assert one.views.counts.direct == 3
    assert await sql_views() == {1: 3}
    assert await Outbox.filter(published_epoch=None).count() == 3


async def test_with_a_key_it_does_not(nowhere: str, key_prefix: str) -> None:
    async with beside(nowhere, key_prefix) as one:
        with pytest.raises(NotAcknowledged) as refusal:
            await one.views.add("1", once=Once("a", "b"))
    assert refusal.value.sent is False
    assert await sql_views() == {}


async def test_nor_when_redis_does_not_answer_in_time(key_prefix: str) -> None:
    with valkey() as server:
        async with beside(server.url, key_prefix, budget=0.2) as one:
            await one.views.add("1")
            server.pause()
            try:
                with pytest.raises(NotAcknowledged) as refusal:
                    await one.views.add("1")
                assert refusal.value.sent is True
                assert await sql_views() == {}
            finally:
                server.resume()


async def test_nor_when_redis_refuses_it_for_being_full(key_prefix: str) -> None:
    with valkey(maxmemory="20mb", maxmemory_policy="noeviction") as server:
        async with beside(server.url, key_prefix) as one:
            await one.views.add("1")
            await one.redis.config_set("maxmemory", "1mb")
            with pytest.raises(NotAcknowledged) as refusal:
                await one.views.add("1")
            assert refusal.value.sent is False
            assert await sql_views() == {}


async def test_nor_when_too_much_waits(redis_url: str, key_prefix: str) -> None:
    async with beside(redis_url, key_prefix, limit=1) as one:
        await one.views.add("1")
        with pytest.raises(NotAcknowledged, match="wait for the database"):
            await one.views.add("1")
    assert await sql_views() == {}


async def test_what_sql_refuses_then_is_not_acknowledged(nowhere: str, key_prefix: str) -> None:
    refusing = Refusing("1")
    operation = replace(refusing.views, directly=True)
    async with beside(nowhere, key_prefix, operation=operation) as one:
        with pytest.raises(NotAcknowledged, match="neither Redis nor SQL took") as refusal:
            await one.views.add("1")
        assert refusal.value.sent is False
        await one.views.add("2")
    assert await sql_views() == {2: 1}
    assert await Outbox.all().count() == 1


async def test_an_operation_that_is_not_declared_so_is_refused(
    nowhere: str, key_prefix: str
) -> None:
    async with beside(nowhere, key_prefix, operation=COUNTED) as one:
        with pytest.raises(NotAcknowledged):
            await one.views.add("1")
    assert await sql_views() == {}


@pytest.mark.parametrize("lacks", ["cache", "outbox"])
async def test_without_somebody_to_tell_it_is_refused_when_it_is_made(
    redis: Redis, key_prefix: str, lacks: str
) -> None:
    progress = SteppedProgress(VIEWS)
    cache = None if lacks == "cache" else Cache(RedisStore(redis, key_prefix))
    with pytest.raises(DeclarationError, match="nobody would learn of it"):
        WriteBehind(progress, redis, key_prefix, cache=cache)


# ---- 18: an operation at a worker that is cut off ----


async def seen_after_a_direct_view(
    redis_url: str, nowhere: str, prefix: str, prepare: Callable[[Beside], object]
) -> int:
    """R has 2 views live · W, who cannot reach Redis, adds 1 directly · R's relay publishes the row
    of W's outbox · R reads."""
    async with beside(redis_url, prefix) as reader, beside(nowhere, prefix) as writer:
        prepare(reader)
        for _ in range(2):
            await reader.views.add("1")
        assert await reader.views.read(["1"]) == [2]
        await writer.views.add("1")
        await reader.relayed()
        [value] = await reader.views.read(["1"])
        await reader.views.flusher.flush()
        assert await sql_views() == {1: 3}
        return int(value)


async def test_18_who_publishes_its_row_first_makes_live_values_invalid(
    redis_url: str, nowhere: str, key_prefix: str
) -> None:
    seen = await seen_after_a_direct_view(redis_url, nowhere, key_prefix, lambda reader: None)
    assert seen == 3


async def test_18_control_without_that_the_old_live_value_stays(
    redis_url: str, nowhere: str, key_prefix: str
) -> None:
    def forget(reader: Beside) -> None:
        reader.cache._beforehand._work.clear()

    assert await seen_after_a_direct_view(redis_url, nowhere, key_prefix, forget) == 2
