"""One of several processes that all miss the same key at once.

`python -m tests.support.worlds.misses <redis url> <prefix> <lease in seconds, 0 for none> [fails]`
says `ready`, waits for a line, lets 500 readers ask, and says how many got the value, and how many
an error. No load ends before every process has missed. With `fails` the first of all loads does.
"""

import asyncio
import sys
from typing import Any

from redis.asyncio import Redis

from cache import Cache, CachePolicy, CacheScope, RedisStore, cached
from cache.facts import Fact, Missed
from cache.stores.connection import open_redis
from cache.stores.lease import RedisLeases

READERS = 500
PROCESSES = 4


async def misses(url: str, prefix: str, lease: float, fails: bool) -> dict[str, int]:
    # A busy machine is not what is tested: no budget.
    redis, admin = open_redis(url, budget=30), Redis.from_url(url)
    arrived: list[asyncio.Task[Any]] = []

    def observe(fact: Fact) -> None:
        if isinstance(fact, Missed):
            arrived.append(asyncio.ensure_future(admin.incr(f"{prefix}:arrived")))

    policy = CachePolicy(ttl=60, scope=CacheScope.PUBLIC, lease=lease or None)

    @cached(policy, tags=lambda: ["value"])
    async def value() -> str:
        number = await admin.incr(f"{prefix}:loads")
        while int(await admin.get(f"{prefix}:arrived") or 0) < PROCESSES:
            await asyncio.sleep(0.005)
        if fails and number == 1:
            raise ConnectionError("the database is away")
        return "value"

    store = RedisStore(redis, prefix)
    cache = Cache(store, leases=RedisLeases(redis, prefix), observers=[observe])

    async def read() -> Any:
        with cache.activate("anonymous"):
            return await value()

    async with cache:
        assert await cache.catch_up(20)
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        got = await asyncio.gather(*(read() for _ in range(READERS)), return_exceptions=True)
        await asyncio.gather(*arrived)
    await admin.aclose()
    await redis.aclose()
    return {
        "values": got.count("value"),
        "errors": sum(isinstance(one, ConnectionError) for one in got),
    }


if __name__ == "__main__":
    _, the_url, the_prefix, seconds, *words = sys.argv
    told = asyncio.run(misses(the_url, the_prefix, float(seconds), "fails" in words))
    print(told["values"], told["errors"], flush=True)
