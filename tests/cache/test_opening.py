"""A cache from a URL: made before a loop runs, running in a block, closed with all it opened."""

import asyncio
from pathlib import Path

import pytest
from redis.asyncio import Redis

from cache import Cache, CachePolicy, CacheScope, RedisStore, cached
from tests.support.polling import eventually
from tests.support.servers import valkey

LOADS: list[int] = []


@cached(CachePolicy(ttl=60, scope=CacheScope.PUBLIC), tags=lambda number: [f"row:{number}"])
async def row(number: int) -> int:
    LOADS.append(number)
    return number


async def others(url: str) -> int:
    """How many connections a server has besides the one that asks."""
    client = Redis.from_url(url)
    try:
        return len(await client.client_list()) - 1
    finally:
        await client.aclose()


async def left(url: str) -> bool:
    return await others(url) == 0


def test_a_cache_can_be_made_where_no_loop_runs(redis_url: str, key_prefix: str) -> None:
    LOADS.clear()
    cache = Cache(RedisStore.open(redis_url, key_prefix))

    async def use() -> None:
        async with cache:
            with cache.activate("anonymous"):
                assert [await row(1), await row(1)] == [1, 1]

    asyncio.run(use())
    assert LOADS == [1]


async def test_the_log_can_be_on_a_server_of_its_own_and_both_are_left(key_prefix: str) -> None:
    LOADS.clear()
    sizes = []
    with valkey() as entries, valkey() as state:
        urls = (entries.url, state.url)
        async with Cache(RedisStore.open(urls[0], key_prefix, state_url=urls[1])) as cache:
            with cache.activate("anonymous"):
                await row(1)
            assert min([await others(url) for url in urls]) > 0
        for url in urls:
            await eventually(lambda url=url: left(url))
            client = Redis.from_url(url)
            sizes.append(await client.dbsize())
            await client.aclose()
    assert sizes == [1, 3], "an entry; the epoch, the log and a watermark"


async def test_a_block_that_raises_closes_it_too(redis_url: str, key_prefix: str) -> None:
    cache = Cache(RedisStore.open(redis_url, key_prefix))

    async def fail() -> None:
        async with cache:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        await fail()
    await cache.start()  # it may be started anew
    await cache.close()


def test_a_url_that_is_none_is_refused(key_prefix: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="redis"):
        RedisStore.open(f"http://{tmp_path}", key_prefix)
