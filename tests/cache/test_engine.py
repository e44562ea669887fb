"""What the engine costs, what it leaves in Redis, and what it does when Redis is away."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import pytest
from redis.asyncio import Redis

from cache import (
    Cache,
    CachePolicy,
    CacheScope,
    NoActiveCacheError,
    Position,
    RedisStore,
    StoreUnavailable,
    cached,
    depend_on,
)
from cache.engine import MAX_ENTRY_BYTES
from cache.facts import Hit, Invalidated, Missed, NotStored, RoundTrip, StoreFailed
from cache.protocol import Look, Verdict
from cache.stores.base import Fill
from tests.support.world import PUBLIC, World


@pytest.fixture
async def world(redis: Redis, key_prefix: str) -> AsyncIterator[World]:
    world = World(redis, key_prefix)
    world.rows.values = {row: f"row {row}" for row in range(1, 101)}
    yield world
    await world.cache.close()


async def get_all(world: World, rows: Iterable[int]) -> list[Any]:
    return list(await asyncio.gather(*map(world.get, rows)))


# ---- promise 10: constant and precise ----


async def test_look_ups_of_one_tick_share_two_round_trips(world: World) -> None:
    await get_all(world, range(1, 101))
    world.facts.clear()

    await get_all(world, range(1, 101))

    trips = [fact.purpose for fact in world.facts if isinstance(fact, RoundTrip)]
    assert trips == ["look-up", "judge"]
    assert world.facts.hits == 100


async def test_a_miss_fills_in_one_more(world: World) -> None:
    await get_all(world, range(1, 101))

    trips = [fact.purpose for fact in world.facts if isinstance(fact, RoundTrip)]
    assert trips == ["look-up", "fill"]


@pytest.mark.parametrize("entries", [1, 5_000])
async def test_a_purge_sends_one_command_whatever_is_under_the_tag(
    world: World, redis: Redis, entries: int
) -> None:
    @cached(PUBLIC, tags=lambda number: ["all"])
    async def numbered(number: int) -> int:
        return number

    async def read(numbers: Iterable[int]) -> None:
        with world.cache.activate("anonymous"):
            await asyncio.gather(*map(numbered, numbers))

    await read(range(entries))
    world.facts.clear()
    before = await commands(redis)
    await world.cache.invalidate(["all"])
    after = await commands(redis)

    used = {name for name, calls in after.items() if calls != before.get(name, 0)}
    assert used <= ONE_PURGE
    assert after["set"] == before["set"] + 1
    await read([0])
    assert world.facts.count(Missed) == 1


# EVAL and SCRIPT LOAD: the first time that the server sees the script.
ONE_PURGE = {
    *("evalsha", "eval", "script|load", "info", "time", "hmget", "exists", "xinfo|stream"),
    *("xadd", "xtrim", "set"),
}


async def commands(redis: Redis) -> dict[str, int]:
    told = await redis.info("commandstats")
    return {name.removeprefix("cmdstat_"): facts["calls"] for name, facts in told.items()}


async def test_a_purge_leaves_everything_else(world: World) -> None:
    await get_all(world, range(1, 101))
    await world.write(7, "new")
    world.facts.clear()

    got = await get_all(world, range(1, 101))

    assert got[6] == "new"
    assert world.facts.hits == 99
    missed = [fact for fact in world.facts if isinstance(fact, Missed)]
    assert [fact.reason for fact in missed] == [Verdict.PURGED]


async def test_every_key_expires_or_is_the_state_or_the_log(world: World, redis: Redis) -> None:
    await get_all(world, range(1, 11))
    await world.write(1, "new")
    await world.write(1_000, "unread")

    lives = {
        key.decode(): await redis.ttl(key) async for key in redis.scan_iter(f"*{world.prefix}*")
    }

    forever = {key for key, seconds in lives.items() if seconds < 0}
    assert forever == {f"{{{world.prefix}}}:state", f"{{{world.prefix}}}:log"}
    entries = [seconds for key, seconds in lives.items() if ":e:" in key]
    marks = [seconds for key, seconds in lives.items() if ":w:" in key]
    assert entries
    assert max(entries) <= 60
    assert min(marks) >= max(entries)


async def test_the_log_is_bounded(world: World, redis: Redis) -> None:
    """The log's owner is the purge itself: it trims what is older than ten minutes."""
    log = f"{{{world.prefix}}}:log"
    await world.cache.invalidate(["first"])
    await redis.delete(log)
    for number in range(1, 301):  # old purges, in a log that is otherwise right
        await redis.xadd(log, {"predecessor": "0", "tags": "[]"}, id=f"{number}-0")
    await world.cache.invalidate(["second"])

    assert await redis.xlen(log) <= 201  # approximate trimming drops whole nodes of 100


async def test_what_was_a_key_prefix_is_a_tag(world: World) -> None:
    """Other caches delete `user:7:*`, which walks all keys. Here each entry of user 7 has the tag
    `user:7`, and one purge ends them, however many there are and whatever their keys look like."""

    @cached(PUBLIC, tags=lambda user, part: [f"user:{user}"])
    async def part_of(user: int, part: str) -> str:
        return f"{part} of {user}"

    async def read(user: int) -> None:
        with world.cache.activate("anonymous"):
            await asyncio.gather(*(part_of(user, part) for part in "abcdefghij"))

    await read(7)
    await read(77)
    await world.cache.invalidate(["user:7"])
    world.facts.clear()
    await read(7)
    await read(77)

    assert world.facts.count(Missed) == 10
    assert world.facts.hits == 10


# ---- dependencies ----


async def test_tags_from_arguments_from_the_result_and_from_within(world: World) -> None:
    @cached(
        PUBLIC,
        tags=lambda number: [f"argument:{number}"],
        result_tags=lambda result: [f"result:{result}"],
    )
    async def numbered(number: int) -> int:
        depend_on(f"within:{number}")
        world.rows.reads += 1
        return number * 10

    for tag in ("argument:4", "result:40", "within:4"):
        with world.cache.activate("anonymous"):
            await numbered(4)
            reads = world.rows.reads
            await world.cache.invalidate([tag])
            await numbered(4)
        assert world.rows.reads == reads + 1, tag


async def test_ages_are_by_the_servers_clock(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker whose clock is an hour ahead, or behind, changes nothing."""
    await world.get(1)
    monkeypatch.setattr("time.time", lambda: 0.0)

    await world.get(1)

    [hit] = [fact for fact in world.facts if isinstance(fact, Hit)]
    assert 0 <= hit.age < 30


async def test_an_entry_ends_with_its_time_to_live(world: World) -> None:
    world.row = world.declare(CachePolicy(ttl=0.02, scope=CacheScope.PUBLIC))
    await world.get(1)
    world.rows.values[1] = "changed by hand"

    async with asyncio.timeout(5):
        while await world.get(1) != "changed by hand":
            await asyncio.sleep(0.005)


async def test_a_none_has_a_time_to_live_of_its_own(world: World, redis: Redis) -> None:
    world.row = world.declare(CachePolicy(ttl=60, negative_ttl=5, scope=CacheScope.PUBLIC))
    await world.get(999)

    [key] = [key async for key in redis.scan_iter(f"{world.prefix}:e:*")]
    assert 0 < await redis.ttl(key) <= 5


async def test_a_stale_entry_is_served_and_refreshed_once(world: World) -> None:
    world.row = world.declare(
        CachePolicy(ttl=0.01, stale_while_revalidate=60, scope=CacheScope.PUBLIC)
    )
    await world.get(1)
    await asyncio.sleep(0.02)  # longer than its time to live
    gate = world.rows.hold_next()

    served = await get_all(world, [1] * 50)
    await gate.reached.wait()
    gate.open()
    await world.cache.close()

    assert served == ["row 1"] * 50
    assert world.rows.reads == 2
    assert all(fact.stale for fact in world.facts if isinstance(fact, Hit))


# ---- faults ----


async def test_bytes_that_cannot_be_read_are_a_miss(world: World, redis: Redis) -> None:
    await world.get(1)
    [key] = [key async for key in redis.scan_iter(f"{world.prefix}:e:*")]
    for broken in (b"", b"\xc1", b"{}", (await redis.get(key) or b"")[:-3]):
        await redis.set(key, broken, px=60_000)
        assert await world.get(1) == "row 1"


async def test_an_entry_of_another_key_is_a_miss(world: World, redis: Redis) -> None:
    await world.get(1)
    [one] = [key async for key in redis.scan_iter(f"{world.prefix}:e:*")]
    await world.get(2)
    [two] = [key async for key in redis.scan_iter(f"{world.prefix}:e:*") if key != one]
    await redis.set(two, await redis.get(one) or b"", px=60_000)

    assert await world.get(2) == "row 2"


async def test_an_oversized_value_is_served_and_not_stored(world: World) -> None:
    world.rows.values[1] = "x" * MAX_ENTRY_BYTES

    assert await world.get(1) == world.rows.values[1]
    assert world.facts.count(NotStored) == 1
    assert world.facts.fills == 0


async def test_outside_of_a_request_the_error_says_what_to_do(world: World) -> None:
    with pytest.raises(NoActiveCacheError, match=r"within `with cache\.activate\(viewer\):`"):
        await world.row(1)


class Switch(RedisStore):
    """A store that can be cut off, before or after the server has got what is sent."""

    away = False
    replies_lost = False

    async def _through(self, call: Any) -> Any:
        if self.away:
            call.close()
            raise StoreUnavailable("cut off", sent=False)
        reply = await call
        if self.replies_lost:
            raise StoreUnavailable("the reply was lost")
        return reply

    async def look_up(self, keys: Sequence[str]) -> tuple[Sequence[bytes | None], Look]:
        found: tuple[Sequence[bytes | None], Look] = await self._through(super().look_up(keys))
        return found

    async def look(self, tags: Iterable[str]) -> Look:
        look: Look = await self._through(super().look(tags))
        return look

    async def fill(self, fills: Sequence[Fill]) -> None:
        await self._through(super().fill(fills))

    async def invalidate(self, tags: Iterable[str]) -> Position:
        position: Position = await self._through(super().invalidate(tags))
        return position


@pytest.fixture
async def cut_off(world: World) -> AsyncIterator[tuple[Switch, Cache]]:
    store = Switch(world.redis, world.prefix)
    cache = Cache(store, observers=[world.facts])
    yield store, cache
    store.away = store.replies_lost = False
    await cache.close()


async def test_without_a_store_reads_are_right(world: World, cut_off: tuple[Switch, Cache]) -> None:
    store, cache = cut_off
    await world.get(1, at=cache)
    store.away = True
    world.rows.values[1] = "new"

    assert await world.get(1, at=cache) == "new"
    assert world.facts.count(StoreFailed) == 1


@pytest.mark.parametrize("how", ["away", "replies_lost"])
async def test_a_purge_that_could_not_be_published_is_kept(
    world: World, cut_off: tuple[Switch, Cache], how: str
) -> None:
    """The writer's worker serves nothing from the store until the purge is published; then
    everybody sees the write, though nobody asked again."""
    store, cache = cut_off
    await world.get(1)
    setattr(store, how, True)
    await world.write(1, "new", at=cache)
    assert cache.unpublished == {"row:1"}
    assert await world.get(1, at=cache) == "new"

    setattr(store, how, False)
    async with asyncio.timeout(5):
        while cache.unpublished:
            await asyncio.sleep(0.01)

    assert await world.get(1) == "new"


async def test_a_look_up_publishes_what_waits_first(
    world: World, cut_off: tuple[Switch, Cache]
) -> None:
    store, cache = cut_off
    await world.get(1)
    store.away = True
    await world.write(1, "new", at=cache)
    store.away = False

    assert await world.get(1, at=cache) == "new"
    assert not cache.unpublished
    assert world.facts.count(Invalidated) == 1


async def test_a_client_that_goes_away_does_not_stop_its_purge(world: World) -> None:
    await world.get(1)
    world.rows.values[1] = "new"
    purge = asyncio.create_task(world.cache.invalidate(["row:1"]))
    await asyncio.sleep(0)
    purge.cancel()
    with pytest.raises(asyncio.CancelledError):
        await purge

    async with asyncio.timeout(5):
        while world.facts.count(Invalidated) == 0:
            await asyncio.sleep(0)
    assert await world.get(1) == "new"
