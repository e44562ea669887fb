"""Each race that forced a rule of the protocol, as a numbered interleaving on a real server.

Every race is a function that plays the interleaving and returns (what the reader got, what it must
get). With the engine both are equal; with the rule switched off, or with a naive cache, they are
not: a race whose control passes would test nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from redis.asyncio import Redis

from cache import (
    Cache,
    CachePolicy,
    CacheScope,
    Loader,
    Position,
    Protocol,
    RedisStore,
    bypass,
    cached,
    viewer_was_read,
)
from cache.engine import Request
from cache.entry import decode_entry
from cache.facts import Defect, Missed
from cache.flight import Outcome
from cache.protocol import Dependencies, Look, Stamp, Verdict
from cache.stores.base import Fill
from tests.support.world import PRIVATE, PUBLIC, World, naive

Race = Callable[[World], Awaitable[tuple[Any, Any]]]


# ---- the rules, switched off ----


class StampAtEnd(Cache):
    """L1 off: a load's position is the head at its end."""

    async def _finish(self, request: Request, look: Look, outcome: Outcome) -> None:
        end = await self._store.look([])
        await super()._finish(request, end, outcome)


class EpochAtFill(StampAtEnd):
    """L1 off for the epoch: an entry is of the epoch in which it is stored."""


class MissingIsClean(Protocol):
    """J4 off: a missing watermark means that nothing was purged."""

    def _judge_tag(self, read_at: int, mark: Position | None, epoch: str) -> Verdict | None:
        return None if mark is None else super()._judge_tag(read_at, mark, epoch)


class EpochsAreEqual(Protocol):
    """F3 off: entries of every epoch are judged alike."""

    def judge(self, stamp: Stamp, look: Look) -> Verdict:
        same = Stamp(look.head.epoch, stamp.dependencies, stamp.stored, stamp.soft, stamp.hard)
        marks = {tag: mark or Position(look.head.epoch, 0) for tag, mark in look.watermarks.items()}
        return super().judge(same, Look(look.head, look.now, marks))


class JoinAnything(Protocol):
    """L4 off: a reader takes the result of any load that runs."""

    def joinable(self, dependencies: Dependencies, look: Look) -> bool:
        return True


class ForgetsChildren(Protocol):
    """L2 off for nested values: a hit brings no dependencies."""

    def raised(self, stamp: Stamp, look: Look) -> Dependencies:
        return Dependencies()


class JudgeByAge(Protocol):
    """J3 off: what is young enough is valid."""

    def judge(self, stamp: Stamp, look: Look) -> Verdict:
        return Verdict.STALE if look.now >= stamp.soft else Verdict.FRESH


class MarksAtEntry(RedisStore):
    """L3 off: a missing watermark is created at the entry's own position."""

    async def fill(self, fills: Sequence[Fill]) -> None:
        for fill in fills:
            entry = decode_entry(fill.stored, fill.key)
            assert entry is not None
            for tag, read_at in entry.stamp.dependencies.items():
                mark = f"{entry.stamp.epoch}:{read_at}"
                await self._redis.set(f"{{{self._prefix}}}:w:{tag}", mark, ex=60, nx=True)
        await super().fill(fills)


# ---- the races ----


async def slow_reader(world: World) -> tuple[Any, Any]:
    """1. R looks, misses, reads 'old'  2. W commits, purges  3. R ends and fills  4. S reads."""
    world.rows.values[1] = "old"
    gate = world.rows.hold_next()
    reader = asyncio.create_task(world.get(1))
    await gate.reached.wait()
    await world.write(1, "new")
    gate.open()
    await reader
    return await world.get(1), "new"


async def evicted_watermark(world: World) -> tuple[Any, Any]:
    """1. R stamps, reads 'old'  2. W purges  3. the watermark is evicted  4. R fills, S reads."""
    world.rows.values[1] = "old"
    gate = world.rows.hold_next()
    reader = asyncio.create_task(world.get(1))
    await gate.reached.wait()
    await world.write(1, "new")
    await world.redis.delete(f"{{{world.prefix}}}:w:row:1")
    gate.open()
    await reader
    return await world.get(1), "new"


async def evicted_after_fill(world: World) -> tuple[Any, Any]:
    """1. R fills 'old'  2. W commits, purges  3. the watermark is evicted  4. S reads."""
    world.rows.values[1] = "old"
    await world.get(1)
    await world.write(1, "new")
    await world.redis.delete(f"{{{world.prefix}}}:w:row:1")
    return await world.get(1), "new"


async def purged_entry(world: World) -> tuple[Any, Any]:
    """1. R fills 'old'  2. W commits, purges, at another worker  3. R reads."""
    world.rows.values[1] = "old"
    await world.get(1)
    await world.write(1, "new", at=world.worker())
    return await world.get(1), "new"


async def joined_flight(world: World) -> tuple[Any, Any]:
    """1. R1 looks, reads 'old'  2. W commits, purges, is answered  3. R2 comes  4. R1 ends."""
    world.rows.values[1] = "old"
    gate = world.rows.hold_next()
    first = asyncio.create_task(world.get(1))
    await gate.reached.wait()
    await world.write(1, "new")
    second = asyncio.create_task(world.get(1))
    for _ in range(20):  # let R2 look up and find R1's load under way
        await asyncio.sleep(0)
    await world.redis.ping()
    gate.open()
    await first
    return await second, "new"


async def emptied_server(world: World) -> tuple[Any, Any]:
    """1. R reads 'old'  2. W commits, purges  3. Redis is emptied  4. R fills, S reads."""
    world.rows.values[1] = "old"
    gate = world.rows.hold_next()
    reader = asyncio.create_task(world.get(1))
    await gate.reached.wait()
    await world.write(1, "new")
    await world.lose_redis()
    gate.open()
    await reader
    return await world.get(1), "new"


async def failed_over(world: World) -> tuple[Any, Any]:
    """1. R fills 'old'  2. W commits, purges  3. a failover loses log and watermark  4. S reads."""
    world.rows.values[1] = "old"
    await world.get(1)
    await world.write(1, "new")
    await world.redis.hset(f"{{{world.prefix}}}:state", "incarnation", "another")
    await world.redis.delete(f"{{{world.prefix}}}:w:row:1")
    return await world.get(1), "new"


async def lost_log(world: World) -> tuple[Any, Any]:
    """1. R fills 'old'  2. W commits, purges  3. log and watermark are evicted  4. S reads."""
    world.rows.values[1] = "old"
    await world.get(1)
    await world.write(1, "new")
    await world.redis.delete(f"{{{world.prefix}}}:log", f"{{{world.prefix}}}:w:row:1")
    return await world.get(1), "new"


async def nested_value(world: World) -> tuple[Any, Any]:
    """1. the inner value is stored  2. R makes the outer from it  3. W purges the inner's row."""
    world.rows.values[1] = "old"

    @cached(PUBLIC, tags=lambda: ["outer"])
    async def outer() -> Any:
        return ("outer", await world.row(1))

    async def read() -> Any:
        with world.cache.activate("anonymous"):
            return await outer()

    await world.get(1)
    await read()
    await world.write(1, "new")
    return await read(), ("outer", "new")


async def remembered_row(world: World) -> tuple[Any, Any]:
    """1. R's loader reads 'old'  2. W purges  3. R's next field gets the loader's row, fills."""
    world.rows.values[1] = "old"
    loader = LOADERS.get(world.engine, Loader)(world.rows.read_many, lambda row: [f"row:{row}"])

    @cached(PUBLIC, tags=lambda row: [f"row:{row}"])
    async def by_loader(row: int) -> Any:
        return await loader.load(row)

    @cached(PUBLIC, tags=lambda row: [f"row:{row}"])
    async def again_by_loader(row: int) -> Any:
        return await loader.load(row)

    async def read() -> Any:
        with world.cache.activate("anonymous"):
            return await again_by_loader(1)

    with world.cache.activate("anonymous"):
        await by_loader(1)
    await world.write(1, "new", at=world.worker())
    await read()
    loader.clear()
    return await read(), "new"


class ForgetfulLoader(Loader[int, Any]):
    """L2 off: a row that is remembered is as new as the load that uses it."""

    async def load(self, key: int) -> Any:
        future = self._rows.get(key)
        return (await future)[0] if future is not None else await super().load(key)


class WithForgetfulLoaders(Cache):
    """Marks the world whose loaders forget."""


LOADERS: dict[Any, Any] = {WithForgetfulLoaders: ForgetfulLoader, naive: ForgetfulLoader}


async def rolled_back(world: World) -> tuple[Any, Any]:
    """1. W changes the row in a transaction, reads it  2. W rolls back  3. R reads."""
    world.rows.values[1] = "old"
    with world.cache.activate("anonymous"):
        world.rows.values[1] = "never committed"
        if world.engine is SharesTransactions or world.engine is naive:
            await world.row(1)
        else:
            with bypass():
                await world.row(1)
        world.rows.values[1] = "old"
    return await world.get(1), "old"


class SharesTransactions(Cache):
    """L0 off: a transaction reads through the cache (marks the world that does not bypass)."""


async def late_refresh(world: World) -> tuple[Any, Any]:
    """1. an entry is stale, its refresh reads 'old'  2. W purges  3. it ends  4. S reads."""
    world.row = world.declare(CachePolicy(ttl=0.02, stale_while_revalidate=60, scope=PUBLIC.scope))
    world.rows.values[1] = "old"
    await world.get(1)
    gate = world.rows.hold_next()
    while not gate.reached.is_set():  # until it is past its ttl, and a reader starts the refresh
        await world.get(1)
        await asyncio.sleep(0.002)
    await world.write(1, "new")
    gate.open()
    await world.cache.close()
    return await world.get(1), "new"


async def stale_and_purged(world: World) -> tuple[Any, Any]:
    """1. an entry is past its ttl, within stale-while-revalidate  2. W purges  3. R reads."""
    world.row = world.declare(CachePolicy(ttl=0.01, stale_while_revalidate=60, scope=PUBLIC.scope))
    world.rows.values[1] = "old"
    await world.get(1)
    await world.write(1, "new")
    return await world.get(1), "new"


class LateRefresh(StampAtEnd):
    """L5 off: a refresh is stamped when it ends."""


RACES: dict[Race, dict[str, Any]] = {
    slow_reader: {"engine": StampAtEnd},
    evicted_watermark: {"store": MarksAtEntry},
    evicted_after_fill: {"protocol": MissingIsClean()},
    purged_entry: {"protocol": JudgeByAge()},
    joined_flight: {"protocol": JoinAnything()},
    emptied_server: {"engine": EpochAtFill},
    failed_over: {"protocol": EpochsAreEqual()},
    lost_log: {"protocol": EpochsAreEqual()},
    nested_value: {"protocol": ForgetsChildren()},
    remembered_row: {"engine": WithForgetfulLoaders},
    rolled_back: {"engine": SharesTransactions},
    late_refresh: {"engine": LateRefresh},
    stale_and_purged: {"protocol": JudgeByAge()},
}


@pytest.mark.parametrize("race", RACES, ids=lambda race: race.__name__)
async def test_the_engine_wins(race: Race, redis: Redis, key_prefix: str) -> None:
    got, expected = await race(World(redis, key_prefix))

    assert got == expected


@pytest.mark.parametrize("race", RACES, ids=lambda race: race.__name__)
async def test_without_its_rule_it_loses(race: Race, redis: Redis, key_prefix: str) -> None:
    got, expected = await race(World(redis, key_prefix, **RACES[race]))

    assert got != expected


NAIVE_WINS = {
    # A naive cache of one process keeps nothing in Redis, so it cannot lose what is lost there.
    evicted_after_fill,
    failed_over,
    lost_log,
    stale_and_purged,
    late_refresh,
}


@pytest.mark.parametrize(
    "race", [race for race in RACES if race not in NAIVE_WINS], ids=lambda race: race.__name__
)
async def test_a_naive_cache_loses(race: Race, redis: Redis, key_prefix: str) -> None:
    got, expected = await race(World(redis, key_prefix, engine=naive))

    assert got != expected


# ---- promise 9: private stays private ----


async def test_a_private_value_is_kept_for_each_viewer(redis: Redis, key_prefix: str) -> None:
    world = World(redis, key_prefix)
    world.row = world.declare(PRIVATE)
    world.rows.values[1] = "for 7"
    assert await world.get(1, viewer="7:CUSTOMER") == "for 7"
    world.rows.values[1] = "for 8"

    assert await world.get(1, viewer="8:CUSTOMER") == "for 8"
    assert await world.get(1, viewer="7:CUSTOMER") == "for 7"
    assert await world.get(1, viewer="7:STAFF") == "for 8"  # other rights, another entry


async def test_a_function_without_a_scope_is_private() -> None:
    assert CachePolicy(ttl=1).scope is CacheScope.PRIVATE


@pytest.mark.parametrize("policy", [PRIVATE, PUBLIC], ids=["private", "public"])
async def test_joins_never_cross_viewers(
    redis: Redis, key_prefix: str, policy: CachePolicy
) -> None:
    """A load that looks at its viewer is nobody else's, even while it runs: not when it is
    declared private, and not when it is declared public by mistake."""
    world = World(redis, key_prefix)
    gates = [world.rows.hold_next() for _ in range(2)]

    def read(viewer: str) -> Awaitable[Any]:
        @cached(policy, tags=lambda: ["mine"])
        async def mine() -> str:
            viewer_was_read()
            await world.rows.read(1)
            return f"belongs to {viewer}"

        async def call() -> Any:
            with world.cache.activate(viewer):
                return await mine()

        return asyncio.create_task(call())

    seven = read("7")
    await gates[0].reached.wait()
    eight = read("8")
    gates[0].open()
    gates[1].open()

    assert await seven == "belongs to 7"
    assert await eight == "belongs to 8"
    assert await read("9") == "belongs to 9"
    assert world.facts.count(Defect) == (0 if policy is PRIVATE else 3)


async def test_a_public_value_made_of_a_private_one_is_not_shared(
    redis: Redis, key_prefix: str
) -> None:
    world = World(redis, key_prefix)
    world.row = world.declare(PRIVATE)
    world.rows.values[1] = "for 7"

    @cached(PUBLIC, tags=lambda: ["page"])
    async def page() -> Any:
        return ("page", await world.row(1))

    async def read(viewer: str) -> Any:
        with world.cache.activate(viewer):
            return await page()

    assert await read("7") == ("page", "for 7")
    assert await read("7") == ("page", "for 7")  # also when the inner value is a hit
    world.rows.values[1] = "for 8"
    assert await read("8") == ("page", "for 8")
    assert world.facts.count(Defect) == 3


# ---- what a cache must keep apart ----


@pytest.mark.parametrize("value", [None, 0, "", False, ()], ids=repr)
async def test_empty_values_are_values(redis: Redis, key_prefix: str, value: Any) -> None:
    world = World(redis, key_prefix)
    world.rows.values[1] = value
    await world.get(1)

    again = await world.get(1)

    assert not again
    assert type(again) is (list if value == () else type(value))
    assert world.rows.reads == 1


async def test_a_negative_entry_is_purged_when_the_thing_is_made(
    redis: Redis, key_prefix: str
) -> None:
    world = World(redis, key_prefix)
    assert await world.get(1) is None
    await world.write(1, "made", at=world.worker())

    assert await world.get(1) == "made"


async def test_a_failing_load_fails_its_waiters_and_is_not_stored(
    redis: Redis, key_prefix: str
) -> None:
    world = World(redis, key_prefix)
    failures = [ValueError("the first load"), ValueError("the second load")]
    gate = world.rows.hold_next()

    @cached(PUBLIC, tags=lambda: ["row:1"])
    async def failing() -> str:
        await world.rows.read(1)
        if failures:
            raise failures.pop(0)
        return "loaded"

    async def read() -> str:
        with world.cache.activate("anonymous"):
            return await failing()

    first, second = asyncio.create_task(read()), asyncio.create_task(read())
    await gate.reached.wait()
    gate.open()
    ended = await asyncio.gather(first, second, return_exceptions=True)

    assert [str(error) for error in ended] == ["the first load", "the first load"]
    with pytest.raises(ValueError, match="the second load"):
        await read()
    assert await read() == "loaded"


async def test_a_waiter_that_gives_up_takes_nobody_along(redis: Redis, key_prefix: str) -> None:
    world = World(redis, key_prefix)
    world.rows.values[1] = "row"
    gate = world.rows.hold_next()
    first = asyncio.create_task(world.get(1))
    await gate.reached.wait()
    second = asyncio.create_task(world.get(1))
    await asyncio.sleep(0)
    first.cancel()
    gate.open()

    assert await second == "row"
    assert world.rows.reads == 1


async def test_concurrent_misses_load_once(redis: Redis, key_prefix: str) -> None:
    world = World(redis, key_prefix)
    world.rows.values[1] = "row"

    assert await asyncio.gather(*(world.get(1) for _ in range(500))) == ["row"] * 500
    assert world.rows.reads == 1
    assert world.facts.count(Missed) == 1


async def test_functions_of_other_shapes_do_not_meet(redis: Redis, key_prefix: str) -> None:
    """Two versions of a program, whose results differ in shape, run side by side."""
    world = World(redis, key_prefix)

    def version(result: Any, value: Any) -> Any:
        async def shaped() -> Any:
            return value

        shaped.__annotations__["return"] = result
        return cached(PUBLIC, tags=lambda: ["shaped"])(shaped)

    old, new = version(int, 1), version(str, "one")

    with world.cache.activate("anonymous"):
        assert [await old(), await new(), await old(), await new()] == [1, "one", 1, "one"]
    assert world.facts.hits == 2
