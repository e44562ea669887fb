"""Promise 4: who echoes nothing sees an acknowledged write within Δ, strict reads see it at once.

On another worker, whose follower is well, or has ended without a word. The control goes on trusting
a log that it no longer hears.
"""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from cache import Cache, CachePolicy, CacheScope, CacheSettings, Consistency, RedisStore, cached
from cache.protocol import ALL, Rules

SETTINGS = CacheSettings(max_staleness=0.6)
rows: dict[str, int] = {}


@cached(CachePolicy(ttl=60, scope=CacheScope.PUBLIC), tags=lambda name: [name])
async def row(name: str) -> int:
    return rows.get(name, 0)


@cached(
    CachePolicy(ttl=60, scope=CacheScope.PUBLIC, consistency=Consistency.STRICT),
    tags=lambda name: [name],
)
async def strict_row(name: str) -> int:
    return rows.get(name, 0)


async def read(cache: Cache, name: str, function: object = row) -> int:
    with cache.activate("anonymous"):
        return await function(name)  # type: ignore[operator, no-any-return]  # one of the two above


async def seconds_until_seen(cache: Cache, name: str, value: int) -> float:
    began = time.monotonic()
    while await read(cache, name) != value:
        if time.monotonic() - began > 2 * SETTINGS.max_staleness:
            return float("inf")
        await asyncio.sleep(0.005)
    return time.monotonic() - began


class Pair:
    """A writer and a reader, started and current."""

    def __init__(self, redis: Redis, prefix: str, rules: Rules) -> None:
        self.writer, self.reader = (
            Cache(RedisStore(redis, prefix), settings=SETTINGS, rules=rules) for _ in range(2)
        )
        self.prefix = prefix

    async def write(self, name: str, value: int) -> None:
        rows[name] = value
        await self.writer.invalidate([name])

    async def stop_following(self) -> None:
        """The reader's follower ends, without a word: what is remembered stays."""
        for task in self.reader._tasks:
            task.cancel()
        await asyncio.gather(*self.reader._tasks, return_exceptions=True)


@pytest.fixture
def rules() -> Rules:
    return ALL


@pytest.fixture
async def pair(redis: Redis, key_prefix: str, rules: Rules) -> AsyncIterator[Pair]:
    made = Pair(redis, key_prefix, rules)
    for cache in (made.writer, made.reader):
        await cache.start()
        assert await cache.catch_up(10.0)
    yield made
    await made.writer.close()
    await made.reader.close()


async def test_within_the_bound_while_all_is_well(pair: Pair) -> None:
    name = f"{pair.prefix}:row"
    await read(pair.reader, name)
    for value in range(1, 31):
        await pair.write(name, value)
        assert await seconds_until_seen(pair.reader, name, value) < SETTINGS.max_staleness


async def test_within_the_bound_when_the_follower_has_ended(pair: Pair) -> None:
    name = f"{pair.prefix}:row"
    await read(pair.reader, name)
    await pair.stop_following()
    await pair.write(name, 1)

    assert await seconds_until_seen(pair.reader, name, 1) < SETTINGS.max_staleness


@pytest.mark.parametrize("rules", [ALL.without("f2_current")])
async def test_the_control_trusts_a_log_that_it_no_longer_hears(pair: Pair) -> None:
    name = f"{pair.prefix}:row"
    await read(pair.reader, name)
    await pair.stop_following()
    await pair.write(name, 1)

    assert await seconds_until_seen(pair.reader, name, 1) == float("inf")


@pytest.mark.parametrize(("rules", "sees"), [(ALL, 1), (ALL.without("j6_strict"), 0)])
async def test_strict_reads_see_it_at_once(pair: Pair, sees: int) -> None:
    """Without J6 the reader is judged by a log that has not brought the purge yet."""
    name = f"{pair.prefix}:row"
    await read(pair.reader, name, strict_row)
    await pair.stop_following()
    assert await pair.reader.follower.catch_up(0.0), "it is still current"
    await pair.write(name, 1)

    assert await read(pair.reader, name, strict_row) == sees
