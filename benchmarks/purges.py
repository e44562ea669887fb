"""What it costs to invalidate a tag, by the number of entries under it.

    python -m benchmarks.purges [--short]

One side is this cache: a position in the log and one watermark. The other is a tag set, as most
caches have it: the keys of a tag in a set, read and deleted at a purge. Both on one Valkey, in the
same run; for each size the median of many purges (of one, for the tag set), and its ratio to that
of one entry. The purges of all sizes take turns, so a disturbance is shared.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence

from redis.asyncio import Redis

from benchmarks.servers import command_line, valkey
from cache import RedisStore
from cache.stores.base import Fill
from cache.stores.connection import open_redis

SIZES = (1, 1_000, 100_000, 1_000_000)
CHUNK = 10_000
VALUE = b"x" * 64
LIFETIME = 3_600.0


async def fill(store: RedisStore, tag: str, entries: int) -> None:
    """Entries under `tag`: the server's cost of a purge does not depend on what is in them."""
    await store.remember({tag: LIFETIME})
    for begin in range(0, entries, CHUNK):
        numbers = range(begin, min(begin + CHUNK, entries))
        await store.put([Fill(f"{tag}:{number}", VALUE, LIFETIME) for number in numbers])


async def fill_tag_set(redis: Redis, tag: str, entries: int) -> None:
    """The same, with the keys in a set."""
    for begin in range(0, entries, CHUNK):
        names = [f"set:{tag}:{number}" for number in range(begin, min(begin + CHUNK, entries))]
        pipeline = redis.pipeline(transaction=False)
        for name in names:
            pipeline.set(name, VALUE, ex=int(LIFETIME))
        pipeline.sadd(f"tag:{tag}", *names)
        await pipeline.execute()


async def purge_tag_set(redis: Redis, tag: str) -> None:
    """Read the set, delete its keys and the set."""
    names = list(await redis.smembers(f"tag:{tag}"))
    for begin in range(0, len(names), CHUNK):
        await redis.unlink(*names[begin : begin + CHUNK])
    await redis.unlink(f"tag:{tag}")


async def timed(action: Callable[[], Awaitable[object]]) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    await action()
    return (time.perf_counter() - began) * 1_000


async def measure(port: int, sizes: Sequence[int], rounds: int) -> None:
    """Print both sides for each size.

    Each round purges every size once, in an order that moves on by one: what else the machine
    does in the meantime falls on all of them alike.
    """
    url = f"redis://127.0.0.1:{port}"
    redis = open_redis(url, budget=60.0)
    store = RedisStore(redis, "bench")
    for size in sizes:
        await fill(store, f"all-{size}", size)
    mine: dict[int, list[float]] = {size: [] for size in sizes}
    for number in range(rounds):
        first = number % len(sizes)
        for size in (*sizes[first:], *sizes[:first]):
            mine[size].append(await timed(lambda size=size: store.invalidate([f"all-{size}"])))
    print(f"{'entries':>10} {'watermark':>12} {'ratio':>7} {'tag set':>12} {'ratio':>9}")
    base: tuple[float, float] | None = None
    for size in sizes:
        await fill_tag_set(redis, f"all-{size}", size)
        ours = statistics.median(mine[size])
        theirs = await timed(lambda size=size: purge_tag_set(redis, f"all-{size}"))
        base = base or (ours, theirs)
        print(
            f"{size:>10,} {ours:>9.3f} ms {ours / base[0]:>7.2f} "
            f"{theirs:>9.2f} ms {theirs / base[1]:>9.1f}"
        )
    await store.aclose()
    await redis.aclose()


def main() -> None:
    """The command line."""
    options = command_line(__doc__).parse_args()
    sizes, rounds = ((1, 1_000), 5) if options.short else (SIZES, 1_000)
    with valkey() as port:
        asyncio.run(measure(port, sizes, rounds))


if __name__ == "__main__":
    main()
