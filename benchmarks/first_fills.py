"""How many first fills are born invalid while everything is being written.

    python -m benchmarks.first_fills [--short]

A missing watermark is created at the head (rule L3), which under heavy writes is later than the
position at which the load began: that entry is invalid for whoever asks the server, and costs one
more load. Whoever follows the log does not ask. Both are shown, for purges of other tags at
several rates beside loads of 2 ms that are each the first of their tag.
"""

import asyncio
import itertools

from benchmarks.servers import command_line, valkey
from cache import Cache, CachePolicy, CacheScope, RedisStore, cached
from cache.facts import Fact, Loaded
from cache.stores.connection import open_redis

POLICY = CachePolicy(ttl=3_600, scope=CacheScope.PUBLIC)
LOAD = 0.002


@cached(POLICY, tags=lambda number: [f"row:{number}"])
async def row(number: int) -> int:
    """A load of 2 ms."""
    await asyncio.sleep(LOAD)
    return number


class Loads:
    """Counts loads."""

    def __init__(self) -> None:
        """Begin with none."""
        self.count = 0

    def __call__(self, fact: Fact) -> None:
        """Take a fact."""
        self.count += isinstance(fact, Loaded)


async def share(port: int, pause: float | None, rows: int, *, follows: bool) -> float:
    """The share of second reads, on another worker, that had to load again."""
    loads = Loads()
    redis = open_redis(f"redis://127.0.0.1:{port}", budget=5.0)
    prefix = f"bench{follows}{pause}"
    writer, reader = (
        Cache(RedisStore(redis, prefix), observers=[loads] if number else []) for number in range(2)
    )
    if follows:
        for cache in (writer, reader):
            await cache.start()
            await cache.catch_up(5.0)
    purges = asyncio.ensure_future(_purge(writer, pause)) if pause is not None else None
    for number in range(rows):
        with writer.activate("anonymous"):
            await row(number)
        with reader.activate("anonymous"):
            await row(number)
    if purges is not None:
        purges.cancel()
    await writer.close()
    await reader.close()
    await redis.aclose()
    return loads.count / rows


async def _purge(cache: Cache, pause: float) -> None:
    for number in itertools.count():
        await cache.invalidate([f"other:{number % 100}"])
        await asyncio.sleep(pause)


async def measure(port: int, rows: int) -> None:
    """Print the share for each rate."""
    print(f"{'purges/s, about':>16} {'asks the server':>16} {'follows the log':>16}")
    for pause in (None, 0.1, 0.01, 0.001):
        asked = await share(port, pause, rows, follows=False)
        followed = await share(port, pause, rows, follows=True)
        rate = "0" if pause is None else f"{1 / pause:.0f}"
        print(f"{rate:>16} {asked:>15.1%} {followed:>15.1%}")


def main() -> None:
    """The command line."""
    options = command_line(__doc__).parse_args()
    with valkey() as port:
        asyncio.run(measure(port, 10 if options.short else 500))


if __name__ == "__main__":
    main()
