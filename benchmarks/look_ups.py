"""Look-ups per second: one pipelined batch a tick against one GET at a time.

    python -m benchmarks.look_ups [--entries 1000] [--rounds 20] [--short]

Starts a Valkey of its own on a unix socket. Both sides read the same number of entries of the same
size from it, in the same run, turn by turn; the ratio is what counts. The cache does more for each
look-up than the peer: it judges every entry by its watermarks and decodes it.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from redis.asyncio import BlockingConnectionPool, Redis

from cache import Cache, CachePolicy, CacheScope, RedisStore, cached
from cache.stores.connection import open_redis
from ops.embedded import ValkeyServer

POLICY = CachePolicy(ttl=3_600, scope=CacheScope.PUBLIC)
VALUE = "x" * 500


@cached(POLICY, tags=lambda number: [f"row:{number}"])
async def row(number: int) -> str:
    """Half a kilobyte."""
    return VALUE


async def through_the_cache(cache: Cache, entries: int) -> None:
    """All entries at once, as the fields of concurrent requests ask for them."""
    with cache.activate("anonymous"):
        await asyncio.gather(*map(row, range(entries)))


async def one_get_at_a_time(redis: Redis, entries: int) -> None:
    """What a cache without batching does: a GET for each look-up, concurrently, on a pool."""
    await asyncio.gather(*(redis.get(f"plain:{number}") for number in range(entries)))


async def rate(side: Callable[[], Awaitable[None]], entries: int) -> float:
    """Look-ups per second of one round."""
    began = time.perf_counter()
    await side()
    return entries / (time.perf_counter() - began)


async def compare(url: str, entries: int, rounds: int) -> None:
    """Print the median rate of both sides and their ratio."""
    redis = open_redis(url, budget=10.0)
    pool = BlockingConnectionPool.from_url(url, max_connections=50)
    plain = Redis(connection_pool=pool)
    cache = Cache(RedisStore(redis, "bench"))
    await through_the_cache(cache, entries)
    async with redis.pipeline(transaction=False) as pipeline:
        for number in range(entries):
            pipeline.set(f"plain:{number}", VALUE, ex=3_600)
        await pipeline.execute()
    batched, single = [], []
    for _ in range(rounds):
        batched.append(await rate(lambda: through_the_cache(cache, entries), entries))
        single.append(await rate(lambda: one_get_at_a_time(plain, entries), entries))
    await redis.aclose()
    await pool.aclose()
    fast, slow = statistics.median(batched), statistics.median(single)
    print(f"through the cache, judged and decoded: {fast:>9,.0f} look-ups/s")
    print(f"one GET at a time, nothing judged:     {slow:>9,.0f} look-ups/s")
    print(f"ratio: {fast / slow:.1f}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--entries", type=int, default=1_000, help="look-ups of one tick")
    parser.add_argument("--rounds", type=int, default=20, help="rounds of each side")
    parser.add_argument("--short", action="store_true", help="a few rounds: does it run at all?")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, ValkeyServer(Path(directory)) as server:
        rounds = 3 if options.short else options.rounds
        asyncio.run(compare(server.url, options.entries, rounds))


if __name__ == "__main__":
    main()
