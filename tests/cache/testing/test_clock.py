"""The clock that only a test moves."""

import asyncio

import pytest

from cache import Cache, CachePolicy, CacheScope, cached
from cache.stores.memory import MemoryServer, MemoryStore
from cache.testing.clock import ManualClock


async def test_time_stands_still_until_it_is_moved() -> None:
    clock = ManualClock(start=5.0)
    await clock.sleep(0)
    assert clock.now() == 5.0
    clock.advance(2.5)
    assert clock.now() == 7.5


async def test_sleepers_wake_when_their_time_has_come() -> None:
    clock = ManualClock()
    short, long = (asyncio.create_task(clock.sleep(seconds)) for seconds in (1, 2))
    await asyncio.sleep(0)
    clock.advance(1.5)
    await asyncio.wait([short])
    assert not long.done()
    clock.advance(0.5)
    await asyncio.wait([long])


async def test_who_gave_up_is_not_woken() -> None:
    clock = ManualClock()
    sleeper = asyncio.create_task(clock.sleep(1))
    await asyncio.sleep(0)
    sleeper.cancel()
    await asyncio.wait([sleeper])
    clock.advance(1)
    assert sleeper.cancelled()


def test_it_is_never_set_back() -> None:
    with pytest.raises(ValueError, match="time goes on"):
        ManualClock().advance(-1)


async def test_a_minute_of_a_time_to_live_passes_in_one_line() -> None:
    clock = ManualClock()
    loads = 0

    @cached(CachePolicy(ttl=60, scope=CacheScope.PUBLIC), tags=lambda: ["t"])
    async def value() -> int:
        nonlocal loads
        loads += 1
        return loads

    cache = Cache(MemoryStore(MemoryServer(now=clock.now)), clock=clock)
    with cache.activate("anonymous"):
        assert [await value(), await value()] == [1, 1]
        clock.advance(59)
        assert await value() == 1
        clock.advance(1)
        assert await value() == 2
    await cache.close()
