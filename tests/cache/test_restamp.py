"""What logs no longer reach back to is judged by the server once, and then by logs again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cache import Cache, CachePolicy, CacheScope, CacheSettings, cached
from cache.facts import Loaded
from cache.stores.memory import MemoryServer, MemoryStore
from tests.support.world import Facts

SMALL = CacheSettings(memory_bytes=1)  # nothing is remembered: each read is of the store


@cached(CachePolicy(ttl=60, scope=CacheScope.PUBLIC), tags=lambda number: [f"row:{number}"])
async def row(number: int) -> int:
    return number


class Counting(MemoryStore):
    """Counts questions for watermarks."""

    asked = 0

    async def look(self, tags: object) -> object:  # type: ignore[override]  # passed on
        names = list(tags)  # type: ignore[call-overload]  # an iterable of tags
        self.asked += bool(names)
        return await super().look(names)


@asynccontextmanager
async def worker(
    server: MemoryServer, facts: Facts | None = None
) -> AsyncIterator[tuple[Cache, Counting]]:
    """A worker that follows the log from now on."""
    store = Counting(server)
    cache = Cache(store, settings=SMALL, observers=[facts] if facts is not None else [])
    following = asyncio.create_task(cache.follower.run())
    assert await cache.catch_up(5.0)
    yield cache, store
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    await cache.close()


async def read(cache: Cache) -> int:
    with cache.activate("anonymous"):
        return await row(1)


async def test_an_entry_from_before_this_worker_is_judged_by_the_server_once() -> None:
    server = MemoryServer()
    async with worker(server) as (first, _):
        await read(first)
        await first.invalidate(["other"])
    async with worker(server) as (second, store):
        for _ in range(3):
            assert await read(second) == 1
            await asyncio.sleep(0)  # the entry is stored again beside the answer
        assert store.asked == 1
    async with worker(server) as (third, store):
        await read(third)
        assert store.asked == 0, "it is as new as the verdict now, for every worker"


async def test_a_purge_after_the_verdict_still_counts() -> None:
    server = MemoryServer()
    async with worker(server) as (first, _):
        await read(first)
        await first.invalidate(["other"])
    facts = Facts()
    async with worker(server, facts) as (second, _):
        await read(second)
        assert facts.count(Loaded) == 0
        await second.invalidate(["row:1"])
        await read(second)
    assert facts.count(Loaded) == 1
