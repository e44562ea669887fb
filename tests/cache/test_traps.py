"""What other caches get wrong: a test for each, that ours does not.

Each was reproduced in a library, or read in its code. The races among them are played in every
topology and on every path in `tests/cache/races`; here they stand in one place, in their simplest
form, beside the naive cache that has the same mistake.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from cache import CachePolicy, CacheScope, DeclarationError, cached
from cache.facts import Defect, Filled, Missed, StoreFailed
from cache.protocol import ALL, Token, Verdict
from tests.support.world import PUBLIC, Reads, World
from tests.support.worlds.naive import naive
from tests.support.worlds.on_redis import OnRedis
from tests.support.worlds.topology import InMemory

Make = Callable[..., Awaitable[World]]
ON_EVERY_TIER = pytest.mark.parametrize("reads", Reads, ids=lambda reads: reads.value)


@pytest.fixture
async def make_world() -> AsyncIterator[Make]:
    made: list[World] = []

    async def make(*arguments: Any, **options: Any) -> World:
        made.append(World(*arguments, **options))
        await made[-1].start()
        return made[-1]

    yield make
    for world in made:
        await world.close()


@pytest.fixture(params=["memory", "redis"])
async def on_both(request: pytest.FixtureRequest, redis: Redis, make_world: Make) -> World:
    """A world on each kind of server."""
    topology = InMemory() if request.param == "memory" else OnRedis(redis)
    return await make_world(topology, reads=Reads.SERVER)


# ---- the old value, stored after the purge ----
# cashews, aiocache, async-cache-dedupe, envelop, Symfony, BentoCache


async def a_slow_reader_stores_the_old_value(world: World) -> Any:
    load = world.rows.hold_next()
    reader = world.task(world.get())
    await load.reached.wait()
    await world.write(1, "new", at=world.a)
    load.open()
    await reader
    return await world.get()


async def a_reader_after_the_purge_joins_the_old_load(world: World) -> Any:
    load = world.rows.hold_next()
    reader = world.task(world.get())
    await load.reached.wait()
    await world.write(1, "new", at=world.a)
    late = world.task(world.get())
    await world.turns()
    load.open()
    await reader
    return await late


@pytest.mark.parametrize(
    "play", [a_slow_reader_stores_the_old_value, a_reader_after_the_purge_joins_the_old_load]
)
async def test_a_load_from_before_a_purge_is_nobodys_after_it(play: Any, make_world: Make) -> None:
    assert await play(await make_world()) == "new"
    assert await play(await make_world(make=naive)) == "old"


# ---- a refresh that is stamped when it ends: FusionCache ----


async def a_purge_comes_during_a_refresh(world: World) -> Any:
    world.row = world.declare(
        CachePolicy(ttl=10, stale_while_revalidate=600, scope=CacheScope.PUBLIC)
    )
    await world.get()
    await world.passes(20)
    await world.settle()
    refresh = world.rows.hold_next()
    await world.get()
    await refresh.reached.wait()
    await world.write(1, "new", at=world.a)
    refresh.open()
    await world.until(lambda: world.facts.fills == 2)
    await world.turns()
    return await world.get()


async def test_a_refresh_is_as_old_as_its_begin(make_world: Make) -> None:
    assert await a_purge_comes_during_a_refresh(await make_world()) == "new"
    rules = ALL.without("l5_began")
    assert await a_purge_comes_during_a_refresh(await make_world(rules=rules)) == "old"


# ---- tags whose memory is as short as their newest key's: cashews ----


@pytest.mark.parametrize("first", ["1 s", "1 h"])
async def test_a_short_entry_does_not_make_a_long_one_impossible_to_purge(
    first: str, on_both: World
) -> None:
    """Both have the tag `row:1`; the short one is gone when the tag is purged."""
    world = on_both
    short = world.declare(CachePolicy(ttl=1, scope=CacheScope.PUBLIC))
    long = world.declare(CachePolicy(ttl=3_600, scope=CacheScope.PUBLIC))
    for by in (short, long) if first == "1 s" else (long, short):
        await world.get(by=by)
    await world.passes(2)
    assert await world.get(by=long) == "old"

    await world.write(1, "new")

    assert await world.get(by=long) == "new"
    assert world.facts.of(Missed)[-1].reason is Verdict.PURGED


async def test_a_tag_is_remembered_as_long_as_its_longest_entry(
    redis: Redis, make_world: Make
) -> None:
    """Before any purge too: it is a watermark that is missing which would make the entry a miss."""
    topology = OnRedis(redis)
    world = await make_world(topology, reads=Reads.SERVER)
    for ttl in (3_600, 1):
        await world.get(by=world.declare(CachePolicy(ttl=ttl, scope=CacheScope.PUBLIC)))

    assert await redis.ttl(f"{{{topology.prefix}}}:w:row:1") > 3_500


# ---- sets of keys that never end: envelop ----


async def test_every_key_ends_or_is_one_of_two(redis: Redis, make_world: Make) -> None:
    topology = OnRedis(redis)
    world = await make_world(topology)
    for row in range(10):
        await world.get(row)
        await world.write(row, "new")
        await world.get(row)

    lives = {key: await redis.ttl(key) async for key in redis.scan_iter(f"*{topology.prefix}*")}
    forever = {key.decode() for key, seconds in lives.items() if seconds < 0}
    assert forever == {f"{{{topology.prefix}}}:state", f"{{{topology.prefix}}}:log"}
    assert len(lives) == 2 + 2 * 10  # an entry and a watermark each, however often it was purged


# ---- a purge that is lost without a word: cashews' `delete_tags` while Redis is down ----


@pytest.mark.parametrize("has_outbox", [True, False], ids=["outbox", "none"])
async def test_a_purge_that_does_not_reach_the_store_is_not_silent(
    has_outbox: bool, make_world: Make
) -> None:
    """It is told, it is kept, the writer's answer says so, and it is published later."""
    world = await make_world(has_outbox=has_outbox)
    await world.see()
    world.a.link.is_cut = True
    client = world.client()
    await client.write(1, "new", at=world.a)

    assert "invalidate" in {fact.purpose for fact in world.facts.of(StoreFailed)}
    if has_outbox:
        [identifier] = world.outbox.rows
        assert Token.decode(client.token) == Token.at(world.a.cache.applied).merged(
            Token(outbox=frozenset([identifier]))
        )
    else:
        assert world.a.cache.unpublished == {"row:1"}
    assert await client.read(at=world.a) == "new"
    world.a.link.is_cut = False
    await world.get(2, at=world.a)  # without an outbox any look-up publishes what waits
    assert await client.read(at=world.b) == "new" if has_outbox else True
    assert await world.see() == {"new"}


# ---- values that are taken for a miss: aiocache ----


@pytest.mark.parametrize("value", [None, 0, "", False], ids=repr)
@ON_EVERY_TIER
async def test_empty_values_are_values(value: Any, reads: Reads, make_world: Make) -> None:
    world = await make_world(reads=reads)
    world.rows.values[1] = value

    seen = [await world.get() for _ in range(3)]

    assert [(type(one), one) for one in seen] == [(type(value), value)] * 3
    assert world.rows.reads == 1


@ON_EVERY_TIER
async def test_an_empty_list_is_a_value(reads: Reads, make_world: Make) -> None:
    world = await make_world(reads=reads)
    loads = 0

    @cached(PUBLIC, tags=lambda row: ["list"])
    async def listed(row: int) -> tuple[int, ...]:
        nonlocal loads
        loads += 1
        return ()

    assert [await world.get(by=listed) for _ in range(3)] == [()] * 3
    assert loads == 1


async def test_a_row_that_is_not_there_is_found_when_it_is_made(make_world: Make) -> None:
    world = await make_world()
    assert await world.get(9) is None

    await world.write(9, "made")

    assert await world.see(9) == {"made"}


# ---- coroutines stored instead of results ----


async def test_a_coroutine_is_not_a_result(make_world: Make) -> None:
    """A function that forgot to await: told as a defect, never stored, and shared with nobody."""
    world = await make_world()

    async def inner() -> int:
        return 3

    @cached(PUBLIC)
    async def forgets(row: int) -> int:
        return inner()  # type: ignore[return-value]

    for _ in range(2):
        got = await world.get(by=forgets)
        assert asyncio.iscoroutine(got)
        assert await got == 3
    assert world.facts.count(Defect) == 2
    assert world.facts.count(Filled) == 0


def test_a_function_that_is_not_async_is_refused() -> None:
    def plain() -> int:
        return 3

    with pytest.raises(DeclarationError, match="needs an `async def` function"):
        cached(PUBLIC)(plain)  # type: ignore[arg-type]


# ---- 100,000 entries under one tag: 2.5 s by a set of keys ----


async def test_a_purge_touches_no_entry(make_world: Make) -> None:
    """However many there are: `benchmarks/` has the times, this what is done."""
    topology = InMemory()
    world = await make_world(topology, reads=Reads.SERVER)
    named = world.declare(PUBLIC, tags=lambda row: ["all"])
    for row in range(1_000):
        await world.get(row, by=named)
    before = dict(topology.server.entries)

    await world.b.cache.invalidate(["all"])

    assert dict(topology.server.entries) == before
    assert [tag for tag, kept in topology.server.watermarks.items() if kept.value.id > 1] == ["all"]
