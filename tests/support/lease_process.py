"""A process that wants one value, loaded by one process at a time: see `test_lease.py`.

    python -m tests.support.lease_process URL PREFIX SECONDS [die]

Prints `ready`, waits for a line on its input, and then `loaded` or `waited`; with `die` it prints
`holds` when it has the lease and never gives it back.
"""

import asyncio
import sys

from redis.asyncio import Redis

from cache.stores.connection import open_redis
from cache.stores.lease import RedisLeases


async def main(url: str, prefix: str, seconds: float, dies: bool) -> None:
    redis = open_redis(url, budget=5.0)
    leases = RedisLeases(redis, prefix)
    await redis.ping()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    if dies:
        assert await leases.acquire("key", seconds) is not None
        print("holds", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
    print(await _load_or_wait(redis, leases, prefix, seconds), flush=True)
    await leases.aclose()
    await redis.aclose()


async def _load_or_wait(redis: Redis, leases: RedisLeases, prefix: str, seconds: float) -> str:
    while True:
        token = await leases.acquire("key", seconds)
        if token is not None:
            loads = await redis.incr(f"{prefix}:running")
            assert loads == 1, f"{loads} loads at once"
            await asyncio.sleep(0.3)  # the load
            await redis.incr(f"{prefix}:loads")
            await redis.set(f"{prefix}:value", "value", px=60_000)
            await redis.decr(f"{prefix}:running")
            await leases.release("key", token)
            return "loaded"
        await leases.wait("key", seconds)
        if await redis.exists(f"{prefix}:value"):
            return "waited"


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3]), "die" in sys.argv))
