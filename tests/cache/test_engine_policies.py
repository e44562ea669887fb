"""What each policy does with time, and with a database that is slow or away."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from cache import CachePolicy, CacheScope, Consistency, cached
from cache.entry import unpack
from cache.facts import Hit, Loaded, Missed, NotStored, Refreshed, StaleServed, Tier, Why
from cache.protocol import Stamp, Verdict
from tests.support.world import PUBLIC, Reads, World
from tests.support.worlds.topology import InMemory

STRICT = CachePolicy(ttl=600, scope=CacheScope.PUBLIC, consistency=Consistency.STRICT)


def public(**options: Any) -> CachePolicy:
    return CachePolicy(scope=CacheScope.PUBLIC, **options)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World(InMemory())
    await world.start()
    yield world
    await world.close()


async def later(world: World, seconds: float) -> None:
    """Time passes, and everybody has heard since."""
    await world.passes(seconds)
    await world.settle()


def stamps(world: World) -> list[Stamp]:
    """Those of all that is stored."""
    assert isinstance(world.topology, InMemory)
    kept = world.topology.server.entries.items()
    found = [unpack(stored.value, key) for key, stored in kept]
    return [entry.stamp for entry, _ in filter(None, found)]


# ---- time to live ----


@pytest.mark.parametrize("reads", Reads, ids=lambda reads: reads.value)
async def test_an_entry_ends_with_its_time_to_live(reads: Reads) -> None:
    world = World(reads=reads)
    await world.start()
    world.row = world.declare(public(ttl=10))
    await world.get()
    world.rows.values[1] = "changed by hand"
    await later(world, 9.99)
    assert await world.get() == "old"

    await later(world, 0.02)

    assert await world.get() == "changed by hand"
    await world.close()


async def test_a_none_has_a_time_to_live_of_its_own(world: World) -> None:
    world.row = world.declare(public(ttl=600, negative_ttl=5))
    assert await world.get(999) is None
    await world.get(1)
    reads = world.rows.reads
    await later(world, 5.01)

    await world.get(999)
    await world.get(1)

    assert world.rows.reads == reads + 1


async def test_jitter_takes_off_what_chance_says(world: World) -> None:
    world.row = world.declare(public(ttl=100, jitter=0.5))
    for row, chance in ((1, 0.0), (2, 0.5), (3, 0.999)):
        world.chance = chance
        await world.get(row)

    lives = sorted(stamp.soft - stamp.stored for stamp in stamps(world))
    assert lives == pytest.approx([100 - 49.95, 75, 100])


# ---- stale-while-revalidate ----


@pytest.mark.parametrize("reads", Reads, ids=lambda reads: reads.value)
async def test_a_stale_entry_is_served_and_refreshed_once(reads: Reads) -> None:
    world = World(reads=reads)
    await world.start()
    world.row = world.declare(public(ttl=10, stale_while_revalidate=60))
    await world.get()
    await later(world, 20)
    world.rows.values[1] = "changed by hand"
    load = world.rows.hold_next()
    world.facts.clear()

    served = [await world.get() for _ in range(5)] if reads is not Reads.MEMORY else []
    served += [await world.get() for _ in range(5)]
    await load.reached.wait()
    load.open()
    await world.until(lambda: world.facts.fills == 1)

    assert set(served) == {"old"}
    assert world.facts.of(Refreshed) == [Refreshed(*called(world), early=False)]
    tier = Tier.MEMORY if reads in (Reads.MEMORY, Reads.TIERED) else Tier.STORE
    assert {(fact.tier, fact.why, fact.purged) for fact in world.facts.of(StaleServed)} == {
        (tier, Why.REVALIDATING, False)
    }
    assert {fact.age for fact in world.facts.of(StaleServed)} == {20}
    await world.turns()
    assert await world.get() == "changed by hand"
    await world.close()


def called(world: World) -> tuple[str, str]:
    call = world.row.call("anonymous", 1)
    return call.key, call.name


async def test_a_failed_refresh_is_tried_again_by_the_next_reader(world: World) -> None:
    world.row = world.declare(public(ttl=10, stale_while_revalidate=60))
    await world.get()
    await later(world, 20)
    world.rows.is_away = True
    assert await world.get() == "old"
    await world.turns()
    world.rows.is_away = False
    world.rows.values[1] = "changed by hand"
    assert await world.get() == "old"
    await world.turns()

    assert await world.get() == "changed by hand"
    assert [fact.failed for fact in world.facts.of(Loaded)] == [False, True, False]


async def test_beyond_its_time_nothing_stale_is_served(world: World) -> None:
    world.row = world.declare(public(ttl=10, stale_while_revalidate=60))
    await world.get()
    world.rows.values[1] = "changed by hand"
    await later(world, 70.01)

    assert await world.get() == "changed by hand"


# ---- early refresh ----


async def test_a_fresh_entry_is_refreshed_early_where_chance_says_so(world: World) -> None:
    """XFetch: the load cost 1 s, so with β = 1 a reader 5 s before the end has one chance in
    e^5 = 148 to refresh."""
    world.row = world.declare(public(ttl=10, early=1.0))
    slow = world.rows.hold_next()
    first = world.task(world.get())
    await slow.reached.wait()
    await later(world, 1)
    slow.open()
    await first
    await later(world, 4)
    world.chance = 1 - 1 / 140
    await world.get()
    assert world.facts.count(Refreshed) == 0

    world.chance = 1 - 1 / 160
    load = world.rows.hold_next()
    assert [await world.get() for _ in range(5)] == ["old"] * 5
    await load.reached.wait()
    load.open()
    await world.until(lambda: world.facts.fills == 2)

    assert [fact.early for fact in world.facts.of(Refreshed)] == [True]
    assert world.rows.reads == 2


# ---- a database that is slow ----

LATE = public(ttl=10, stale_if_error=60, load_timeout=1)


async def test_a_slow_load_is_not_waited_for_where_something_clean_is_there(world: World) -> None:
    world.row = world.declare(LATE)
    await world.get()
    await later(world, 20)
    load = world.rows.hold_next()
    readers = [world.task(world.get()) for _ in range(3)]
    await load.reached.wait()
    await world.turns()
    await world.passes(0.99)
    await world.turns()
    assert not any(reader.done() for reader in readers)

    await world.passes(0.01)
    assert [await reader for reader in readers] == ["old"] * 3
    world.rows.values[1] = "changed by hand"
    load.open()
    await world.until(lambda: world.facts.fills == 2)

    assert world.rows.reads == 2  # one load, which went on
    assert {(fact.why, fact.purged) for fact in world.facts.of(StaleServed)} == {(Why.SLOW, False)}


async def test_what_was_purged_is_waited_for(world: World) -> None:
    """J7: never instead of a slow load."""
    world.row = world.declare(LATE)
    await world.get()
    await later(world, 20)
    await world.write(1, "new")
    await world.settle()
    load = world.rows.hold_next()
    reader = world.task(world.get())
    await load.reached.wait()
    await world.passes(5)
    await world.turns()
    assert not reader.done()
    load.open()

    assert await reader == "new"


# ---- a database that is away ----

DOWN = public(ttl=10, stale_if_error=60)


@pytest.mark.parametrize("is_purged", [False, True], ids=["stale", "purged"])
async def test_a_database_that_is_away_serves_what_there_is_and_says_so(
    world: World, is_purged: bool
) -> None:
    world.row = world.declare(DOWN)
    await world.get()
    await later(world, 20)
    if is_purged:
        await world.write(1, "new")
        await world.settle()
    world.rows.is_away = True

    assert await world.get() == "old"
    assert [(fact.why, fact.purged) for fact in world.facts.of(StaleServed)] == [
        (Why.ERROR, is_purged)
    ]
    world.rows.is_away = False
    assert await world.get() == ("new" if is_purged else "old")


async def test_what_is_fresh_and_purged_is_served_only_so(world: World) -> None:
    world.row = world.declare(DOWN)
    await world.get()
    await world.write(1, "new")
    await world.settle()
    assert await world.get() == "new"
    await world.write(1, "newer")
    await world.settle()
    world.rows.is_away = True

    assert await world.get() == "new"
    assert [fact.purged for fact in world.facts.of(StaleServed)] == [True]


async def test_nothing_is_stored_that_was_made_of_it(world: World) -> None:
    world.row = world.declare(DOWN)
    await world.get()
    await world.write(1, "new")
    await world.settle()
    world.rows.is_away = True
    assert await world.get(by=world.outer) == ("outer", "old")
    world.rows.is_away = False

    assert await world.get(by=world.outer) == ("outer", "new")
    assert world.facts.count(NotStored) == 1


async def test_another_error_is_the_readers(world: World) -> None:
    """A load that fails by itself says nothing of the database."""
    broken = False

    @cached(DOWN, tags=lambda number: [f"row:{number}"])
    async def row(number: int) -> str:
        if broken:
            raise ValueError("a mistake")
        return "row"

    await world.get(by=row)
    await world.write(1, "new")
    await world.settle()
    broken = True

    with pytest.raises(ValueError, match="a mistake"):
        await world.get(by=row)


async def test_beyond_its_time_the_error_is_the_readers(world: World) -> None:
    world.row = world.declare(DOWN)
    await world.get()
    await later(world, 70.01)
    world.rows.is_away = True

    with pytest.raises(ConnectionError):
        await world.get()


async def test_without_it_the_error_is_the_readers(world: World) -> None:
    await world.get()
    await world.write(1, "new")
    await world.settle()
    world.rows.is_away = True

    with pytest.raises(ConnectionError):
        await world.get()


# ---- strict ----


async def test_a_strict_read_asks_for_a_head_each_time(world: World) -> None:
    world.row = world.declare(STRICT)
    await world.get()
    looks = world.a.link.asked["look"]

    await world.get()
    await world.get()

    assert world.a.link.asked["look"] == looks + 2
    assert world.rows.reads == 1
    assert [fact.tier for fact in world.facts.of(Hit)] == [Tier.STORE] * 2


async def test_a_strict_read_sees_a_purge_that_the_log_has_not_brought(world: World) -> None:
    strict = world.declare(STRICT)
    bounded = world.declare(PUBLIC)
    for by in (strict, bounded):
        await world.get(by=by)
    await world.write(1, "new")
    world.facts.clear()

    assert await world.get(by=strict) == "new"
    assert [fact.reason for fact in world.facts.of(Missed)] == [Verdict.PURGED]
    assert await world.get(by=bounded) == "old"  # within Δ
