"""What a hit in memory costs, with all that a call of a cached function does.

    python -m benchmarks.memory_hits [--short]

Key, barrier, currency, judgement, dependencies, facts: beside a call of the same function without
the cache, and a dictionary look-up with a lock around it, in the same run. Another row has a purge
of some other tag before each hit, so that each entry is judged anew.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable

from benchmarks.servers import command_line
from cache import Cache, CachePolicy, CacheScope, cached
from cache.protocol import Position
from cache.stores.memory import MemoryServer, MemoryStore

POLICY = CachePolicy(ttl=3_600, scope=CacheScope.PUBLIC)
TAGS = 5


@cached(POLICY, tags=lambda number: [f"row:{number}:{part}" for part in range(TAGS)])
async def row(number: int) -> tuple[str, int]:
    """A row with five tags."""
    return ("row", number)


async def microseconds(call: Callable[[], Awaitable[object]], calls: int) -> float:
    """The median of nine rounds, for one call."""
    rounds = []
    for _ in range(9):
        began = time.perf_counter()
        for _ in range(calls):
            await call()
        rounds.append((time.perf_counter() - began) / calls * 1e6)
    return statistics.median(rounds)


async def measure(calls: int) -> None:
    """Print each side."""
    facts = 0

    def count(fact: object) -> None:
        nonlocal facts
        facts += 1

    cache = Cache(MemoryStore(MemoryServer()))
    observed = Cache(MemoryStore(MemoryServer()), observers=[count])
    for one in (cache, observed):
        await one.start()
        await one.catch_up(5.0)
    lock, rows = asyncio.Lock(), {1: ("row", 1)}

    async def dictionary() -> object:
        async with lock:
            return rows[1]

    async def after_a_purge() -> object:
        position = cache.applied
        if position is not None:  # what a purge of another tag does to what is remembered
            cache.log.add_own(["other"], Position(position.epoch, position.id + 1))
        return await row(1)

    print(f"the function itself      {await microseconds(lambda: row.uncached(1), calls):6.2f} µs")
    print(f"a dictionary and a lock  {await microseconds(dictionary, calls):6.2f} µs")
    with cache.activate("anonymous"):
        print(f"a hit in memory          {await microseconds(lambda: row(1), calls):6.2f} µs")
        print(f"... after a purge        {await microseconds(after_a_purge, calls):6.2f} µs")
    with observed.activate("anonymous"):
        print(f"... with an observer     {await microseconds(lambda: row(1), calls):6.2f} µs")
    await cache.close()
    await observed.close()


def main() -> None:
    """The command line."""
    options = command_line(__doc__).parse_args()
    asyncio.run(measure(100 if options.short else 20_000))


if __name__ == "__main__":
    main()
