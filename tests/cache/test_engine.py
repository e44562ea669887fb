"""What the engine costs, on a real server, and what values depend on."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

import pytest
from redis.asyncio import Redis

from cache import Cache, CachePolicy, CacheScope, Consistency, NoActiveCacheError, cached, depend_on
from cache.batch import MOST_ITEMS, MOST_RUNNING
from cache.facts import Hit, Missed, NotStored, Tier
from cache.protocol import Verdict
from cache.stores.connection import GuardedRedis, open_redis
from cache.stores.memory import MemoryServer
from tests.support.world import DELTA, PUBLIC, Link, Reads, Worker, World, engine
from tests.support.worlds.on_redis import OnRedis
from tests.support.worlds.topology import InMemory

ROWS = range(1, 101)
MakeWorld = Callable[[Reads], Awaitable[World]]


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[GuardedRedis]:
    """A client that counts its exchanges. A busy machine is not what is tested here."""
    opened = open_redis(redis_url, budget=30)
    assert isinstance(opened, GuardedRedis)
    yield opened
    await opened.aclose()


@pytest.fixture
async def make_world(client: GuardedRedis) -> AsyncIterator[MakeWorld]:
    made: list[World] = []

    async def make(reads: Reads) -> World:
        made.append(World(OnRedis(client), reads=reads))
        made[-1].rows.values = {row: f"row {row}" for row in ROWS}
        await made[-1].start()
        return made[-1]

    yield make
    for world in made:
        await world.close()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    world.rows.values = {row: f"row {row}" for row in ROWS}
    await world.start()
    yield world
    await world.close()


async def get_all(world: World, rows: Iterable[int], at: Worker | None = None) -> list[Any]:
    return list(await asyncio.gather(*(world.get(row, at=at) for row in rows)))


# ---- round trips ----


@pytest.mark.parametrize(
    ("reads", "exchanges"),
    [(Reads.TIERED, 0), (Reads.LOG, 1), (Reads.SERVER, 2)],
    ids=["from memory none", "judged by the log one", "judged by the server two"],
)
async def test_all_look_ups_of_a_tick_share_their_exchanges(
    reads: Reads, exchanges: int, client: GuardedRedis, make_world: MakeWorld
) -> None:
    world = await make_world(reads)
    await get_all(world, ROWS)
    world.facts.clear()
    before = client.round_trips

    got = await get_all(world, ROWS)

    assert got == [f"row {row}" for row in ROWS]
    assert client.round_trips == before + exchanges
    assert world.facts.hits == len(ROWS)


async def test_a_miss_fills_in_one_more(client: GuardedRedis, make_world: MakeWorld) -> None:
    world = await make_world(Reads.TIERED)
    await world.get(1_000)  # now the server knows the scripts
    world.facts.clear()
    before = client.round_trips

    await get_all(world, ROWS)

    assert client.round_trips == before + 2
    assert world.facts.fills == len(ROWS)


async def test_a_strict_hit_needs_no_exchange_of_its_own(
    client: GuardedRedis, make_world: MakeWorld
) -> None:
    """Where the log is applied up to the head that came with the look-up."""
    world = await make_world(Reads.TIERED)
    strict = world.declare(STRICT)
    await world.get(by=strict)
    before = client.round_trips

    await world.get(by=strict)

    assert client.round_trips == before + 1


STRICT = CachePolicy(ttl=600, scope=CacheScope.PUBLIC, consistency=Consistency.STRICT)


async def test_what_is_in_flight_is_bounded(world: World) -> None:
    """5,000 keys in one tick are 5 calls of 1,000; and at most 16 calls are under way."""
    world.rows.values = {row: row for row in range(10_000)}
    sizes: list[int] = []
    store, get = world.a.link.store, world.a.link.store.get

    async def measured(keys: Any) -> Any:
        sizes.append(len(keys))
        return await get(keys)

    store.get = measured  # type: ignore[method-assign]
    await get_all(world, range(5_000))
    assert sizes == [MOST_ITEMS] * 5

    gates = [world.a.link.hold("get") for _ in range(40)]
    asked = world.a.link.asked["get"]
    readers = [world.task(get_all(world, [5_000 + row])) for row in range(40)]
    for _ in readers:  # a tick each
        await world.turns(20)
    assert world.a.link.asked["get"] - asked <= MOST_RUNNING
    for gate in gates:
        gate.open()
    await asyncio.gather(*readers)


# ---- promise 10: constant and precise ----


@pytest.mark.parametrize("entries", [1, 5_000])
async def test_a_purge_sends_one_script_whatever_is_under_the_tag(
    entries: int, redis: Redis, make_world: MakeWorld
) -> None:
    world = await make_world(Reads.LOG)

    @cached(PUBLIC, tags=lambda number: ["all"])
    async def numbered(number: int) -> int:
        return number

    async def read(numbers: Iterable[int]) -> None:
        with world.a.cache.activate("anonymous"):
            await asyncio.gather(*map(numbered, numbers))

    await read(range(entries))
    world.facts.clear()
    before = await commands(redis)
    await world.b.cache.invalidate(["all"])
    after = await commands(redis)

    used = {name for name, calls in after.items() if calls != before.get(name, 0)}
    assert used <= ONE_PURGE
    assert after["set"] == before["set"] + 1
    assert after["xadd"] == before["xadd"] + 1
    await world.settle()
    await read([0])
    assert world.facts.count(Missed) == 1


# EVAL: the first time that the server sees the script. INFO: the question itself, too.
ONE_PURGE = {
    *("evalsha", "eval", "info", "time", "hmget", "exists", "xinfo|stream"),
    *("xadd", "xtrim", "set"),
}


async def commands(redis: Redis) -> dict[str, int]:
    told = await redis.info("commandstats")
    return {name.removeprefix("cmdstat_"): facts["calls"] for name, facts in told.items()}


@pytest.mark.parametrize("reads", Reads, ids=lambda reads: reads.value)
async def test_a_purge_leaves_everything_else(reads: Reads) -> None:
    world = World(reads=reads)
    world.rows.values = {row: f"row {row}" for row in ROWS}
    await world.start()
    await get_all(world, ROWS)
    await world.write(7, "new")
    await world.settle()
    world.facts.clear()

    got = await get_all(world, ROWS)

    assert got[6] == "new"
    assert world.facts.hits == len(ROWS) - 1
    [missed] = world.facts.of(Missed)
    assert missed.reason in (Verdict.PURGED, Verdict.ABSENT)  # memory forgets it, and nobody else
    await world.close()


async def test_what_was_a_key_prefix_is_a_tag(world: World) -> None:
    """Other caches delete `user:7:*`, which walks all keys. Here each entry of user 7 has the tag
    `user:7`, and one purge ends them, however many there are and whatever their keys look like."""

    @cached(PUBLIC, tags=lambda user, part: [f"user:{user}"])
    async def part_of(user: int, part: str) -> str:
        return f"{part} of {user}"

    async def read(user: int) -> None:
        with world.a.cache.activate("anonymous"):
            await asyncio.gather(*(part_of(user, part) for part in "abcdefghij"))

    await read(7)
    await read(77)
    await world.a.cache.invalidate(["user:7"])
    world.facts.clear()
    await read(7)
    await read(77)

    assert world.facts.count(Missed) == 10
    assert world.facts.hits == 10


async def test_a_namespace_ends_all_of_its_kind_and_nothing_else(world: World) -> None:
    rows = world.declare(CachePolicy(ttl=60, scope=CacheScope.PUBLIC, namespace="rows"))
    others = world.declare(CachePolicy(ttl=60, scope=CacheScope.PUBLIC, namespace="others"))
    for row in (1, 2, 3):
        await world.get(row, by=rows)
        await world.get(row, by=others)
    await world.b.cache.invalidate_namespace("rows")
    await world.settle()
    world.facts.clear()
    for row in (1, 2, 3):
        await world.get(row, by=rows)
        await world.get(row, by=others)

    assert world.facts.count(Missed) == 3
    assert world.facts.hits == 3


async def test_a_worker_thousands_of_purges_behind_is_not_current(make_world: MakeWorld) -> None:
    """An answer of the log has 1,000 of them at most: it counts when there are no more (F2)."""
    world = await make_world(Reads.TIERED)
    await world.see()
    await asyncio.gather(*(world.b.link.invalidate([f"other:{row}"]) for row in range(1_500)))
    await world.write(1, "new")
    await world.passes(DELTA)

    await world.a.follow()
    assert not world.a.cache.is_current
    assert await world.get() == "new"
    await world.a.follow()
    assert world.a.cache.is_current
    assert await world.get() == "new"


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
        with world.a.cache.activate("anonymous"):
            await numbered(4)
            reads = world.rows.reads
            await numbered(4)
            assert world.rows.reads == reads
            await world.a.cache.invalidate([tag])
            await numbered(4)
        assert world.rows.reads == reads + 1, tag


async def test_ages_are_by_the_servers_clock() -> None:
    """Workers whose clocks are an hour apart, from each other and from the server: no change."""

    def apart(world: World, link: Link) -> Cache:
        return engine(world, link, clock=Ahead(world.clock, 3_600 * len(world.workers)))

    world = World(make=apart)
    await world.start()
    await world.get(at=world.a)
    await world.passes(5)
    await world.settle()

    await world.get(at=world.b)
    await world.get(at=world.b)

    assert [(hit.tier, round(hit.age, 3)) for hit in world.facts.of(Hit)] == [
        (Tier.STORE, 5.0),
        (Tier.MEMORY, 5.0),
    ]
    await world.close()


class Ahead:
    """A clock so many seconds ahead of another."""

    def __init__(self, clock: Any, seconds: float) -> None:
        self._clock, self._seconds = clock, seconds
        self.sleep = clock.sleep

    def now(self) -> float:
        return float(self._clock.now() + self._seconds)


# ---- what is not stored, or not read ----


async def test_bytes_that_cannot_be_read_are_a_miss() -> None:
    topology = InMemory()
    world = World(topology, reads=Reads.LOG)
    await world.start()
    await world.get()
    [key] = topology.server.entries
    whole = topology.server.entries[key]
    for broken in (b"", b"\xc1", b"{}", whole.value[:-3]):
        topology.server.entries[key] = whole._replace(value=broken)
        world.facts.clear()
        assert await world.get() == "old"
        assert [missed.reason for missed in world.facts.of(Missed)] == [Verdict.UNREADABLE]
    await world.close()


async def test_an_entry_of_another_key_is_a_miss() -> None:
    """As after a reply that was crossed, or a digest that collides."""
    topology = InMemory()
    world = World(topology, reads=Reads.LOG)
    await world.start()
    await world.get(1)
    [one] = entries_of(topology.server)
    await world.get(2)
    [two] = entries_of(topology.server) - {one}
    topology.server.entries[two] = topology.server.entries[one]

    assert await world.get(2) == "two"
    await world.close()


def entries_of(server: MemoryServer) -> set[str]:
    return set(server.entries)


async def test_an_oversized_value_is_served_and_not_stored(world: World) -> None:
    large = secrets.token_hex(world.a.cache.settings.max_entry_bytes)  # and cannot be compressed
    world.rows.values[1] = large

    assert [await world.get(), await world.get()] == [large, large]
    [first, _] = world.facts.of(NotStored)
    assert first.reason.startswith("too large")
    assert world.rows.reads == 2


async def test_functions_of_other_shapes_do_not_meet(world: World) -> None:
    """Two versions of a program, whose results differ in shape, run side by side."""

    def version(result: Any, value: Any) -> Any:
        async def shaped() -> Any:
            return value

        shaped.__annotations__["return"] = result
        return cached(PUBLIC, tags=lambda: ["shaped"])(shaped)

    old, new = version(int, 1), version(str, "one")

    with world.a.cache.activate("anonymous"):
        assert [await old(), await new(), await old(), await new()] == [1, "one", 1, "one"]
    assert world.facts.hits == 2


async def test_outside_of_a_request_the_error_says_what_to_do(world: World) -> None:
    with pytest.raises(NoActiveCacheError, match=r"within `with cache\.activate\(viewer\):`"):
        await world.row(1)
