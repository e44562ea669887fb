"""Look-ups per second: everything of a tick in one exchange, against one `GET` at a time.

    python -m benchmarks.look_ups [--entries 1000] [--rounds 20] [--short]

Starts a Valkey of its own, on loopback. All sides read the same number of values of the same
size from it, in the same run, turn by turn; the ratios are what counts. "Batcher" fetches bytes as
the peers do; "cache" does all that a read of a cached function does: key, look-up, judging by the
log, decoding, bookkeeping. Nothing comes from a memory tier, on any side but the last.
"""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import aiocache
from aiocache.serializers import NullSerializer
from cashews import Cache as Cashews
from redis.asyncio import BlockingConnectionPool, Redis

from benchmarks.servers import command_line, valkey
from cache import Cache, CachePolicy, CacheScope, CacheSettings, RedisStore, TickBatcher, cached
from cache.stores.connection import open_redis

POLICY = CachePolicy(ttl=3_600, scope=CacheScope.PUBLIC)
VALUE = "x" * 500
POOL = 50
BASE = "one GET at a time"
Round = Callable[[int], Awaitable[None]]


@cached(POLICY, tags=lambda number: [f"row:{number}"])
async def row(number: int) -> str:
    """Half a kilobyte."""
    return VALUE


@asynccontextmanager
async def engine(url: str, entries: int, memory: int) -> AsyncIterator[Round]:
    """Cached functions, all at once, as the fields of concurrent requests call them."""
    redis = open_redis(url, budget=10.0)
    cache = Cache(RedisStore(redis, "bench"), settings=CacheSettings(memory_bytes=memory))
    await cache.start()
    await cache.catch_up(5.0)

    async def read(count: int) -> None:
        with cache.activate("anonymous"):
            await asyncio.gather(*map(row, range(count)))

    await read(entries)
    yield read
    await cache.close()
    await redis.aclose()


@asynccontextmanager
async def batcher(url: str) -> AsyncIterator[Round]:
    """The tick batcher over one store's `get`, and nothing else."""
    redis = open_redis(url, budget=10.0)
    ticks: TickBatcher[str, bytes | None] = TickBatcher(redis.mget)

    async def read(count: int) -> None:
        await asyncio.gather(*(ticks.submit(f"plain:{number}") for number in range(count)))

    yield read
    await redis.aclose()


@asynccontextmanager
async def one_at_a_time(url: str) -> AsyncIterator[Round]:
    """A `GET` for each look-up, concurrently on a pool."""
    pool = BlockingConnectionPool.from_url(url, max_connections=POOL)
    redis = Redis(connection_pool=pool)

    async def read(count: int) -> None:
        await asyncio.gather(*(redis.get(f"plain:{number}") for number in range(count)))

    yield read
    await pool.aclose()


@asynccontextmanager
async def with_cashews(url: str, entries: int) -> AsyncIterator[Round]:
    """`get` of cashews, concurrently on its pool."""
    cache = Cashews()
    cache.setup(url, max_connections=POOL)
    for number in range(entries):
        await cache.set(f"cashews:{number}", VALUE, expire=3_600)

    async def read(count: int) -> None:
        await asyncio.gather(*(cache.get(f"cashews:{number}") for number in range(count)))

    yield read
    await cache.close()


@asynccontextmanager
async def with_aiocache(port: int, entries: int) -> AsyncIterator[Round]:
    """`get` of aiocache, as many at once as its pool has connections: more raise an error."""
    cache = aiocache.Cache(
        aiocache.Cache.REDIS,
        endpoint="127.0.0.1",
        port=port,
        pool_max_size=POOL,
        serializer=NullSerializer(),
    )
    for number in range(entries):
        await cache.set(f"aiocache:{number}", VALUE, ttl=3_600)

    async def read(count: int) -> None:
        for begin in range(0, count, POOL):
            numbers = range(begin, min(begin + POOL, count))
            await asyncio.gather(*(cache.get(f"aiocache:{number}") for number in numbers))

    yield read
    await cache.close()


async def compare(port: int, entries: int, rounds: int) -> None:
    """Print the median rate of each side, and its ratio to one `GET` at a time on a pool."""
    url = f"redis://127.0.0.1:{port}"
    async with Redis.from_url(url) as plain, plain.pipeline(transaction=False) as pipeline:
        for number in range(entries):
            pipeline.set(f"plain:{number}", VALUE, ex=3_600)
        await pipeline.execute()
    async with AsyncExitStack() as sides:
        opened = {
            BASE: one_at_a_time(url),
            "cashews": with_cashews(url, entries),
            "aiocache": with_aiocache(port, entries),
            "tick batcher": batcher(url),
            "cache, from Redis": engine(url, entries, memory=1),
            "cache, from memory": engine(url, entries, memory=64 * 2**20),
        }
        readers = {name: await sides.enter_async_context(side) for name, side in opened.items()}
        rates: dict[str, list[float]] = {name: [] for name in readers}
        for _ in range(rounds):
            for name, read in readers.items():
                began = time.perf_counter()
                await read(entries)
                rates[name].append(entries / (time.perf_counter() - began))
    base = statistics.median(rates[BASE])
    for name, measured in rates.items():
        median = statistics.median(measured)
        print(f"{name:<20}{median:>10,.0f} look-ups/s {median / base:>6.1f}")


def main() -> None:
    """The command line."""
    parser = command_line(__doc__)
    parser.add_argument("--entries", type=int, default=1_000, help="look-ups of one tick")
    parser.add_argument("--rounds", type=int, default=20, help="rounds of each side")
    options = parser.parse_args()
    with valkey() as port:
        asyncio.run(compare(port, options.entries, 3 if options.short else options.rounds))


if __name__ == "__main__":
    main()
