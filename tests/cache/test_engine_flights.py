"""Single flight: one load for all who wait, in a process and, with a lease, over several."""

import asyncio
from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import Any

import pytest

from cache import CachePolicy, CacheScope, StoreUnavailable, cached
from cache.context import current_viewer
from cache.errors import LoadCancelledError
from cache.facts import Joined, Leased, Loaded, Missed, StoreFailed
from tests.support.world import PUBLIC, Gate, Reads, Worker, World

LEASED = CachePolicy(ttl=600, scope=CacheScope.PUBLIC, lease=5)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    await world.start()
    yield world
    await world.close()


# ---- in one process ----


@pytest.mark.parametrize("reads", Reads, ids=lambda reads: reads.value)
async def test_concurrent_misses_load_once(reads: Reads) -> None:
    world = World(reads=reads)
    await world.start()

    assert await asyncio.gather(*(world.get() for _ in range(500))) == ["old"] * 500
    assert world.rows.reads == 1
    assert world.facts.count(Missed) == 1
    assert world.facts.count(Joined) == 499
    await world.close()


async def test_a_failing_load_fails_its_waiters_and_is_not_stored(world: World) -> None:
    failures = [ValueError("the first load"), ValueError("the second load")]
    gate = Gate()

    @cached(PUBLIC, tags=lambda row: ["row:1"])
    async def failing(row: int) -> str:
        await gate()
        if failures:
            raise failures.pop(0)
        return "loaded"

    first, second = (world.task(world.get(by=failing)) for _ in range(2))
    await gate.reached.wait()
    await world.turns()
    gate.open()
    ended = await asyncio.gather(first, second, return_exceptions=True)

    assert [str(error) for error in ended] == ["the first load", "the first load"]
    with pytest.raises(ValueError, match="the second load"):
        await world.get(by=failing)
    assert await world.get(by=failing) == "loaded"


async def test_a_waiter_that_gives_up_takes_nobody_along(world: World) -> None:
    gate = world.rows.hold_next()
    first = world.task(world.get())
    await gate.reached.wait()
    second = world.task(world.get())
    await world.turns()
    first.cancel()
    gate.open()

    assert await second == "old"
    assert world.rows.reads == 1


async def test_a_load_that_is_cancelled_is_an_error_of_those_who_wait(world: World) -> None:
    """Of a driver, say, whose connection was closed. Nobody who waits was cancelled."""
    gate = Gate()

    @cached(PUBLIC)
    async def cancelled(row: int) -> str:
        await gate()
        raise asyncio.CancelledError

    readers = [world.task(world.get(by=cancelled)) for _ in range(3)]
    await gate.reached.wait()
    await world.turns()
    gate.open()
    ended = await asyncio.gather(*readers, return_exceptions=True)

    assert [type(error) for error in ended] == [LoadCancelledError] * 3


async def test_a_waiter_that_is_cancelled_beside_its_load_is_cancelled(world: World) -> None:
    """As when a loop ends: every task is cancelled."""
    gate = Gate()
    loads: list[asyncio.Task[Any]] = []

    @cached(PUBLIC)
    async def slow(row: int) -> str:
        task = asyncio.current_task()
        assert task is not None
        loads.append(task)
        await gate()
        return "never"

    reader = world.task(world.get(by=slow))
    await gate.reached.wait()
    loads[0].cancel()
    reader.cancel()

    with pytest.raises(asyncio.CancelledError):
        await reader
    assert reader.cancelled()


async def test_a_load_knows_nothing_of_who_called(world: World) -> None:
    """Its transaction, its deadline, its request: a load is for everybody (L0)."""
    request: ContextVar[str] = ContextVar("request", default="none")
    gate = Gate()

    @cached(PUBLIC)
    async def asked(row: int) -> str:
        await gate()
        return request.get()

    limit = asyncio.timeout(None)

    async def hurried() -> Any:
        request.set("mine")
        async with limit:
            return await world.get(by=asked)

    first = world.task(hurried())
    await gate.reached.wait()
    second = world.task(world.get(by=asked))
    limit.reschedule(0)
    with pytest.raises(TimeoutError):
        await first
    gate.open()

    assert await second == "none"
    assert world.facts.count(Loaded) == 1


async def test_a_load_of_a_private_value_knows_its_viewer(world: World) -> None:
    @cached(CachePolicy(ttl=60))
    async def mine(row: int) -> str:
        return current_viewer()

    readers = [world.client(viewer).read(at=world.a, by=mine) for viewer in ("7", "8", "7")]

    assert await asyncio.gather(*readers) == ["7", "8", "7"]
    assert world.facts.count(Loaded) == 2


async def test_closing_waits_for_loads_and_what_they_store() -> None:
    """A refresh for which nobody waits is let go on; a load that begins another is waited for."""
    world = World()
    await world.start()
    world.row = world.declare(
        CachePolicy(ttl=10, stale_while_revalidate=600, scope=CacheScope.PUBLIC)
    )
    await world.get()
    await world.passes(20)
    await world.settle()
    gate = world.rows.hold_next()
    await world.get()
    await gate.reached.wait()
    closing = asyncio.ensure_future(world.a.cache.close())
    await world.turns()
    assert not closing.done()
    gate.open()

    await closing

    assert world.facts.fills == 2
    await world.close()


# ---- over processes ----


@pytest.fixture
def by(world: World) -> Any:
    return world.declare(LEASED)


async def begin(world: World, by: Any, *, at: Worker) -> "asyncio.Task[Any]":
    """A reader, when its load has the lease or waits for it."""
    reader = world.task(world.get(by=by, at=at))
    await world.until(lambda: at.link.answered["get"] > 0 and at.link.answered["look"] > 0)
    await world.turns()
    return reader


async def test_one_loads_and_the_others_are_woken(world: World, by: Any) -> None:
    gate = world.rows.hold_next()
    first = await begin(world, by, at=world.a)
    await gate.reached.wait()
    others = [await begin(world, by, at=world.b) for _ in range(3)]
    assert world.leases.waiting == 1  # one flight of b's
    gate.open()

    assert await asyncio.gather(first, *others) == ["old"] * 4
    assert world.rows.reads == 1
    assert world.facts.count(Leased) == 1


async def test_whoever_gets_the_lease_looks_again(world: World, by: Any) -> None:
    """1. A misses  2. B loads under the lease, stores, gives it back  3. A gets the lease."""
    acquire, asked = world.leases.acquire, Gate()

    async def late(key: str, seconds: float) -> str | None:
        await asked()
        return await acquire(key, seconds)

    world.leases.acquire = late  # type: ignore[method-assign]
    first = await begin(world, by, at=world.a)
    await asked.reached.wait()
    world.leases.acquire = acquire  # type: ignore[method-assign]
    assert await world.get(by=by, at=world.b) == "old"
    asked.open()

    assert await first == "old"
    assert world.rows.reads == 1
    assert await world.leases.acquire(by.call("anonymous", 1).key, 1)  # it was given back


@pytest.mark.parametrize("early", [False, True], ids=["stale", "early"])
async def test_a_refresh_does_not_find_what_it_is_to_replace(world: World, early: bool) -> None:
    """The value is served while it is refreshed, so a look under the lease finds it."""
    options: dict[str, Any] = {"early": 10.0} if early else {"stale_while_revalidate": 600}
    by = world.declare(CachePolicy(ttl=10, scope=CacheScope.PUBLIC, lease=5, **options))
    slow = world.rows.hold_next()
    first = world.task(world.get(by=by))
    await slow.reached.wait()
    await world.passes(1)
    slow.open()
    await first
    await world.passes(5 if early else 20)
    await world.settle()
    world.rows.values[1] = "changed by hand"
    world.chance = 0.999
    refreshes = world.rows.hold_next()

    assert await world.get(by=by) == "old"
    await refreshes.reached.wait()
    assert await world.get(by=by, at=world.b) == "old"  # its refresh waits for A's
    await world.until(lambda: world.leases.waiting == 1)
    refreshes.open()
    await world.until(lambda: world.facts.count(Leased) == 1)
    world.chance = 0.0

    assert await world.get(by=by) == await world.get(by=by, at=world.b) == "changed by hand"
    assert world.rows.reads == 2


async def test_without_a_lease_each_process_loads_once(world: World) -> None:
    """The control."""
    await asyncio.gather(*(world.get(at=worker) for worker in (world.a, world.b) * 50))

    assert world.rows.reads == 2


@pytest.mark.parametrize("error", [ValueError, asyncio.CancelledError])
async def test_a_load_that_fails_gives_its_lease_back(world: World, error: Any) -> None:
    """Whoever waits loads then: a failure is for those who share the flight, and no other."""
    gate = Gate()
    failures = [error()]

    @cached(LEASED)
    async def failing(row: int) -> str:
        await gate()
        if failures:
            raise failures.pop()
        return "loaded"

    first = await begin(world, failing, at=world.a)
    await gate.reached.wait()
    second = await begin(world, failing, at=world.b)
    gate.open()

    assert await second == "loaded"
    with pytest.raises((ValueError, LoadCancelledError)):
        await first


async def test_a_lease_that_ends_lets_another_load(world: World, by: Any) -> None:
    """Whoever had it is stopped, or slow."""
    gate = world.rows.hold_next()
    first = await begin(world, by, at=world.a)
    await gate.reached.wait()
    second = await begin(world, by, at=world.b)
    await world.passes(5)

    assert await second == "old"
    assert world.rows.reads == 2
    gate.open()
    assert await first == "old"


async def test_what_another_process_stored_is_judged_like_anything(world: World, by: Any) -> None:
    """1. A loads the old row under the lease  2. W's client waits at B  3. A stores: older than W's
    purge, so B loads."""
    gate = world.rows.hold_next()
    first = await begin(world, by, at=world.a)
    await gate.reached.wait()
    client = world.client()
    await client.write(1, "new", at=world.b)
    second = world.task(client.read(at=world.b, by=by))
    await world.until(lambda: world.leases.waiting == 1)
    gate.open()

    assert await second == "new"
    await first


async def test_a_load_that_cannot_reach_something_else_runs_once(world: World) -> None:
    """Its error looks like that of the leases' server."""
    loads = 0

    @cached(LEASED)
    async def unreachable(row: int) -> str:
        nonlocal loads
        loads += 1
        raise StoreUnavailable("a server of its own")

    with pytest.raises(StoreUnavailable, match="a server of its own"):
        await world.get(by=unreachable)
    assert loads == 1


async def test_without_leases_to_be_had_everybody_loads(world: World, by: Any) -> None:
    async def away(key: str, seconds: float) -> str | None:
        raise StoreUnavailable("the leases are away")

    world.leases.acquire = away  # type: ignore[method-assign]

    assert await asyncio.gather(world.get(by=by), world.get(by=by, at=world.b)) == ["old", "old"]
    assert [fact.purpose for fact in world.facts.of(StoreFailed)] == ["lease", "lease"]
