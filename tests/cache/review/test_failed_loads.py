"""Loads that fail: whose error it is, and whether it says that the database is away."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from cache import Cache, CachePolicy, CacheScope, cached
from cache.context import current_viewer
from cache.facts import StaleServed
from cache.stores.memory import MemoryStore
from cache.testing.faults import FaultyStore
from tests.support.world import PUBLIC, Gate, Reads, World


class NoSuchRowError(Exception):
    """What a load says of what it read."""


@pytest.fixture(params=Reads, ids=lambda reads: reads.value)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    world = World(reads=request.param)
    await world.start()
    yield world
    await world.close()


def declared(world: World) -> Any:
    @cached(PUBLIC, tags=lambda row: [f"row:{row}"])
    async def must_be_there(row: int) -> str:
        value = await world.rows.read(row)
        if value is None:
            raise NoSuchRowError(row)
        return str(value)

    return must_be_there


async def ended(*readers: "asyncio.Task[Any]") -> list[Any]:
    """What each got: a value, or an error."""
    return list(await asyncio.gather(*readers, return_exceptions=True))


async def test_an_old_error_does_not_reach_who_made_the_row(world: World) -> None:
    """1. R1 reads that there is no row  2. W makes it, purges, is acknowledged  3. W's client finds
    R1's load under way, which then fails."""
    by = declared(world)
    load = world.rows.hold_next()
    world.rows.values[9] = None
    first = world.task(world.get(9, by=by))
    await load.reached.wait()
    client = world.client()
    await client.write(9, "new", at=world.a)
    second = world.task(client.read(9, at=world.a, by=by))
    await world.turns()
    load.open()

    [told, seen] = await ended(first, second)
    assert isinstance(told, NoSuchRowError)
    assert seen == "new"


async def test_an_error_is_everybodys_while_nothing_was_purged(world: World) -> None:
    by = declared(world)
    world.rows.values[9] = None
    load = world.rows.hold_next()
    first = world.task(world.get(9, by=by))
    await load.reached.wait()
    others = [world.task(world.get(9, by=by)) for _ in range(5)]
    await world.turns()
    load.open()

    told = await ended(first, *others)
    assert all(isinstance(one, NoSuchRowError) for one in told)
    assert world.rows.reads == 1


async def test_an_error_of_a_load_that_read_the_viewer_is_that_viewers(world: World) -> None:
    """A defect, where it is public; but what it says must not reach another."""
    gate = Gate()

    @cached(PUBLIC, tags=lambda row: [f"row:{row}"])
    async def refusing(row: int) -> str:
        viewer = current_viewer()
        await gate()
        if viewer == "7":
            raise NoSuchRowError(viewer)
        return viewer

    first = world.task(world.client("7").read(9, at=world.a, by=refusing))
    await gate.reached.wait()
    second = world.task(world.client("8").read(9, at=world.a, by=refusing))
    await world.turns()
    gate.open()

    [told, seen] = await ended(first, second)
    assert isinstance(told, NoSuchRowError)
    assert seen == "8"


# ---- J7: what says that a database is away ----


async def test_an_error_of_a_load_without_the_store_is_not_the_stores() -> None:
    """The load runs since the store failed; that must not be told of as the load's own cause."""
    store = FaultyStore(MemoryStore())
    cache = Cache(store)

    @cached(PUBLIC)
    async def failing() -> str:
        raise NoSuchRowError

    store.drop("look")
    with cache.activate("anonymous"), pytest.raises(NoSuchRowError) as told:
        await failing()
    assert told.value.__context__ is None
    await cache.close()


async def test_what_is_purged_is_not_served_because_a_load_is_slow() -> None:
    """1. R finds a clean value past its time, and waits for its load  2. W purges it; R's worker
    hears of that  3. R has waited for long enough: what it found is known to be old by now."""
    world = World()
    await world.start()
    policy = CachePolicy(
        ttl=10, stale_while_revalidate=1, stale_if_error=60, load_timeout=5, scope=CacheScope.PUBLIC
    )
    row = world.declare(policy)
    assert await world.get(by=row) == "old"
    await world.passes(12)
    await world.settle()

    load = world.rows.hold_next()
    reader = world.task(world.get(by=row))
    await load.reached.wait()
    await world.write(1, "new")
    await world.settle()
    await world.passes(6)
    await world.turns()
    assert not reader.done()
    load.open()
    await reader
    assert not world.facts.of(StaleServed)
    assert await world.see(by=row) == {"new"}
    await world.close()
