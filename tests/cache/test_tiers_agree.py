"""What a caller gets does not tell where it came from: equal values, of equal types, every way."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import pytest
from redis.asyncio import Redis

from cache import Cache, CachePolicy, CacheScope, Grain, RedisStore, bypass, cached
from cache.facts import Defect, Hit, Joined, Missed, Tier
from cache.fragment import Fragment
from tests.support.servers import valkey
from tests.support.world import Facts

PUBLIC = CachePolicy(ttl=60, scope=CacheScope.PUBLIC)
BERLIN = datetime(2026, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin"))


class Color(Enum):
    RED = "red"


class Pair(NamedTuple):
    left: int
    right: float


class Row(msgspec.Struct, frozen=True):
    id: int
    at: datetime
    color: Color
    pairs: tuple[Pair, ...]


class LongRow(Row, frozen=True):
    more: str = "more than the declared type has"


@dataclass(frozen=True)
class Price:
    amount: Decimal
    weight: float


@cached(PUBLIC)
async def row() -> Row | None:
    """Of a subclass, with lists for tuples, whole numbers for fractions, a zone."""
    pairs: Any = [(1, 2), Pair(3, 4.5)]
    return LongRow(1, BERLIN, Color.RED, pairs)


@cached(PUBLIC)
async def price() -> Price:
    """A whole number for a fraction."""
    return Price(Decimal("1.10"), 3)


@cached(PUBLIC)
async def nothing() -> Row | None:
    """None is a value."""
    return None


@cached(CachePolicy(ttl=60, scope=CacheScope.PUBLIC, grain=Grain.FRAGMENT))
async def fragment() -> Fragment:
    """Finished JSON."""
    return Fragment.of({"id": 1, "text": "x" * 2_000})


ROW = Row(1, BERLIN.astimezone(UTC), Color.RED, (Pair(1, 2.0), Pair(3, 4.5)))
CASES: dict[Callable[[], Awaitable[Any]], Any] = {
    row: ROW,
    price: Price(Decimal("1.10"), 3.0),
    nothing: None,
    fragment: Fragment(b'{"id":1,"text":"' + b"x" * 2_000 + b'"}'),
}


def exactly(value: Any) -> str:
    """A value with all of its types, zones and fractions."""
    return f"{type(value)} {value!r}"


@pytest.mark.parametrize(
    ("function", "wanted"), CASES.items(), ids=lambda it: getattr(it, "__name__", "")
)
async def test_every_way_gives_the_same(
    redis: Redis, key_prefix: str, function: Callable[[], Awaitable[Any]], wanted: Any
) -> None:
    facts, values = Facts(), []
    first = Cache(RedisStore(redis, key_prefix), observers=[facts])
    second = Cache(RedisStore(redis, key_prefix), observers=[facts])
    for cache in (first, second):
        await cache.start()
        assert await cache.catch_up(10)
    with first.activate("anonymous"):
        values += await asyncio.gather(function(), function())
        values.append(await function())
    with second.activate("anonymous"):
        values += [await function(), await function()]
        with bypass():
            values.append(await function())
    tiers = [fact.tier for fact in facts.of(Hit)]
    for cache in (first, second):
        await cache.close()

    assert [facts.count(kind) for kind in (Missed, Joined, Defect)] == [1, 1, 0]
    assert tiers == [Tier.MEMORY, Tier.STORE, Tier.MEMORY]
    assert [exactly(value) for value in values] == [exactly(wanted)] * 6


async def test_a_load_without_redis_gives_the_same(key_prefix: str) -> None:
    with valkey() as server:
        client = Redis.from_url(server.url)
        cache = Cache(RedisStore(client, key_prefix))
        server.stop()
        for function, wanted in CASES.items():
            with cache.activate("anonymous"):
                assert exactly(await function()) == exactly(wanted)
        await cache.close()
        await client.aclose()
