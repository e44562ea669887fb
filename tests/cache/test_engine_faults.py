"""What the engine does when the store fails: right answers, one wait, and no purge forgotten."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from cache import Cache, bypass, cached
from cache.facts import Bypassed, Filled, Invalidated, Missed, NotStored, StoreFailed, TokenIgnored
from cache.protocol import Token
from tests.support.world import DELTA, PUBLIC, Gate, Link, Reads, World, engine

BUDGET = 0.1
METHODS = ["get", "look", "put", "remember", "invalidate"]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    await world.start()
    yield world
    await world.close()


@pytest.fixture
async def without_outbox() -> AsyncIterator[World]:
    world = World(has_outbox=False)
    await world.start()
    yield world
    await world.close()


# ---- no error of the store reaches a caller ----


@pytest.mark.parametrize("reads", Reads, ids=lambda reads: reads.value)
@pytest.mark.parametrize("refused", [[method] for method in METHODS] + [METHODS], ids="+".join)
async def test_whatever_fails_answers_are_right(refused: list[str], reads: Reads) -> None:
    """Each call that the store can fail, and all of them, at the writer's and the reader's."""
    world = World(reads=reads)
    await world.start()
    await world.get()
    for worker in (world.a, world.b):
        worker.link.refuses = set(refused)
    client = world.client()

    await client.write(1, "new", at=world.b)

    assert await client.read(at=world.a) == "new"
    assert await client.read(at=world.b) == "new"
    assert await client.read(by=world.outer, at=world.a) == ("outer", "new")
    await world.close()


async def test_a_failure_is_told_and_the_load_goes_on(world: World) -> None:
    await world.get()
    world.a.cache.memory.discard(world.row.call("anonymous", 1).key)
    world.a.link.is_cut = True
    world.rows.values[1] = "changed"

    assert await world.get() == "changed"
    assert [fact.purpose for fact in world.facts.of(StoreFailed)] == ["look-up"]
    assert world.facts.of(Missed)[-1].reason is None


# ---- one wait ----


def hang(world: World, link: Link) -> None:
    """The server hangs: each exchange costs the whole budget."""
    link.hangs = lambda: world.clock.passes(BUDGET / 2)  # entries and look are asked together


async def test_a_request_waits_for_a_hung_store_once(world: World) -> None:
    hang(world, world.a.link)

    async def request(_: Any) -> list[Any]:
        got = [await world.row(row) for row in (1, 2, 3)]
        await world.commit(1, "new", at=world.a)
        return [*got, await world.row(1), await world.outer(1)]

    client = world.client()
    got = await client.ask(request, at=world.a)

    assert got == ["old", "two", "three", "new", ("outer", "new")]
    assert world.clock.passed == pytest.approx(BUDGET)
    assert world.a.link.asked["get"] == 1
    assert world.a.link.asked["invalidate"] == 0  # the relay publishes it,
    assert await client.read(at=world.b) == "new"  # or whoever reads for this client


async def test_without_giving_up_each_read_would_wait(world: World) -> None:
    """The control: failures that cost no time are tried each time."""
    world.a.link.is_cut = True

    async def request(_: Any) -> list[Any]:
        return [await world.row(row) for row in (1, 2, 3)]

    await world.client().ask(request, at=world.a)

    assert world.a.link.asked["get"] == 3


async def test_what_waits_below_a_load_waits_for_who_started_it(world: World) -> None:
    """The outer load's own look-up was answered; the inner one's hangs, and then nobody waits."""
    page, begins = world.page_of(2)
    reader = world.task(world.get(by=page))
    await begins.reached.wait()
    hang(world, world.a.link)
    begins.open()

    assert await reader == "two"
    assert world.clock.passed == pytest.approx(BUDGET)
    assert world.a.link.asked["put"] == 0


async def test_a_row_that_a_loader_read_after_a_failure_is_a_dependency_too(world: World) -> None:
    """1. a load's part is loaded, its fill hangs: this request uses the store no more  2. the load
    reads a row by a loader, and is remembered  3. the row is purged  4. S reads at the same worker.
    """
    loader = world.loader()

    @cached(PUBLIC, tags=lambda row: ["pair"])
    async def pair(row: int) -> tuple[str | None, str | None]:
        return str(await world.row(2)), str(await loader.load(row))

    part = world.rows.hold_next()
    reader = world.task(world.get(by=pair))
    await part.reached.wait()
    hang(world, world.a.link)
    part.open()
    assert await reader == ("two", "old")
    world.a.link.hangs = None
    loader.clear()
    await world.settle()

    await world.write(1, "new")

    assert await world.see(by=pair) == {("two", "new")}


# ---- loads without a store ----


def two_at_once(world: World, link: Link) -> Cache:
    return engine(world, link, loads_alone=2)


async def test_not_too_many_load_at_once_without_a_store() -> None:
    world = World(make=two_at_once)
    world.a.link.is_cut = True
    gates = [world.rows.hold_next() for _ in range(5)]
    readers = [world.task(world.get(row)) for row in (1, 1, 2, 3, 4)]
    await world.turns()

    assert world.rows.reads == 2
    gates[0].open()
    await world.turns()
    assert world.rows.reads == 3
    for gate in gates:
        gate.open()
    assert await asyncio.gather(*readers) == ["old", "old", "two", "three", None]
    await world.close()


async def test_a_place_is_held_once_by_all_that_a_load_is_made_of() -> None:
    """As many outer loads as there are places, and each loads an inner one."""
    world = World(make=two_at_once)
    world.a.link.is_cut = True

    async with asyncio.timeout(20):
        got = await asyncio.gather(*(world.get(by=world.outer) for _ in range(4)))

    assert got == [("outer", "old")] * 4
    await world.close()


async def test_a_store_that_comes_and_goes_locks_nobody_up() -> None:
    """1. every place is held by a load without the store  2. the store is back: its part begins a
    flight  3. the store is away: the flight's own part is loaded without it, and needs no place."""
    world = World(make=two_at_once)
    link = world.a.link

    @cached(PUBLIC)
    async def inmost(row: int) -> int:
        return row

    @cached(PUBLIC)
    async def inner(row: int) -> int:
        link.is_cut = True
        return await inmost(row)

    @cached(PUBLIC)
    async def outer(row: int) -> int:
        await together()
        link.is_cut = False
        return await inner(row)

    together = Gate()
    link.is_cut = True
    readers = [world.task(world.get(row, by=outer)) for row in (1, 2)]
    await world.turns()
    together.open()

    async with asyncio.timeout(20):
        assert await asyncio.gather(*readers) == [1, 2]
    await world.close()


# ---- purges ----


@pytest.mark.parametrize("how", ["is_cut", "loses_replies"])
async def test_a_purge_without_an_outbox_is_kept_until_it_is_published(
    without_outbox: World, how: str
) -> None:
    """The writer's worker serves nothing from the store until then; then everybody sees the write,
    though nobody asked again."""
    world = without_outbox
    await world.get()
    setattr(world.a.link, how, True)
    await world.write(1, "new", at=world.a)
    assert world.a.cache.unpublished == {"row:1"}
    assert not world.a.cache.is_current
    assert await world.get(at=world.a) == "new"

    setattr(world.a.link, how, False)
    async with asyncio.timeout(20):
        while world.a.cache.unpublished:
            await asyncio.sleep(0.01)

    assert await world.see() == {"new"}


async def test_a_look_up_publishes_what_waits_first(without_outbox: World) -> None:
    world = without_outbox
    await world.get()
    world.a.link.is_cut = True
    await world.write(1, "new", at=world.a)
    world.a.link.is_cut = False

    assert await world.get(at=world.a) == "new"
    assert not world.a.cache.unpublished
    assert world.facts.count(Invalidated) == 1


@pytest.mark.parametrize("has_outbox", [True, False], ids=["outbox", "none"])
async def test_a_client_that_goes_away_does_not_stop_its_purge(has_outbox: bool) -> None:
    world = World(has_outbox=has_outbox)
    await world.start()
    await world.get()
    sent = world.a.link.hold_before("invalidate")
    purge = world.task(world.write(1, "new", at=world.a))
    await sent.reached.wait()
    purge.cancel()
    with pytest.raises(asyncio.CancelledError):
        await purge
    assert world.facts.count(Invalidated) == 0

    sent.open()

    await world.until(lambda: world.facts.count(Invalidated) == 1)
    assert await world.see() == {"new"}
    await world.close()


# ---- tokens ----


async def test_a_token_that_says_nothing_is_ignored_and_told(world: World) -> None:
    client = world.client()
    client.token = "!" * 30

    assert await client.read(at=world.a) == "old"
    assert [fact.reason for fact in world.facts.of(TokenIgnored)] == ["malformed"]


async def test_a_position_beyond_the_head_is_ignored(world: World) -> None:
    """Forged, or of a server that lost it without a trace: it makes nobody wait for ever."""
    await world.get()
    epoch, head = world.a.cache.applied or ("", 0)
    client = world.client()
    client.token = Token({epoch: head + 1_000_000}).encode()

    assert await client.read(at=world.a) == "old"
    assert [fact.reason for fact in world.facts.of(TokenIgnored)] == ["a position beyond the head"]
    assert Token.decode(client.token) == Token({epoch: head})


async def test_more_than_eight_writes_that_nobody_published_are_all(world: World) -> None:
    await world.see()
    world.a.link.is_cut = True
    client = world.client()
    for row in range(3, 12):
        await client.write(row, "other", at=world.a)
    await client.write(1, "new", at=world.a)
    token = Token.decode(client.token)

    assert token is not None
    assert token.everything
    assert await client.read(at=world.b) == "new"
    after = Token.decode(client.token)
    assert after is not None
    assert not after.everything  # what it stands for was published


async def test_a_reader_waits_a_moment_for_the_log() -> None:
    """Then it needs no verdict of the server."""
    world = World(reads=Reads.LOG, make=lambda world, link: engine(world, link, token_wait=0.05))
    await world.start()
    await world.see()
    client = world.client()
    await client.write(2, "other", at=world.b)
    looks = world.a.link.asked["look"]
    reader = world.task(client.read(at=world.a))
    await world.turns()
    assert world.a.link.asked["look"] == looks
    await world.a.follow()

    assert await reader == "old"
    assert world.a.link.asked["look"] == looks + 1
    await world.close()


async def test_and_no_longer_than_that() -> None:
    world = World(reads=Reads.LOG, make=lambda world, link: engine(world, link, token_wait=0.05))
    await world.start()
    await world.see()
    client = world.client()
    await client.write(1, "new", at=world.b)
    reader = world.task(client.read(at=world.a))
    await world.turns()
    assert not reader.done()

    await world.passes(0.05)

    assert await reader == "new"
    await world.close()


async def test_a_token_that_cannot_be_resolved_uses_no_cache_and_is_told(world: World) -> None:
    await world.see()
    world.a.link.is_cut = True
    client = world.client()
    await client.write(1, "new", at=world.a)
    world.facts.clear()

    assert await client.read(at=world.a) == "new"
    [bypassed] = world.facts.of(Bypassed)
    assert bypassed.reason.startswith("a token cannot be resolved: ")


async def test_the_database_away_as_well_is_an_error(world: World) -> None:
    """There is nothing to read, so nothing to be right about."""
    await world.see()
    world.a.link.is_cut = True
    client = world.client()
    await client.write(1, "new", at=world.a)
    world.rows.is_away = True

    with pytest.raises(ConnectionError):
        await client.read(at=world.a)


# ---- transactions ----


async def test_a_load_that_opens_a_transaction_is_not_stored(world: World) -> None:
    """What it read there told nobody what it depends on."""

    @cached(PUBLIC, tags=lambda row: ["page"])
    async def page(row: int) -> str:
        with bypass():
            return str(await world.row(row))

    assert await world.get(by=page) == "old"
    await world.write(1, "new")

    assert await world.see(by=page) == {"new"}
    assert world.facts.count(Filled) == 0
    assert world.facts.count(NotStored) > 0


# ---- being current ----


async def test_a_worker_is_current_for_half_of_the_bound(world: World) -> None:
    await world.get()
    await world.passes(DELTA / 2)
    assert world.a.cache.is_current

    await world.passes(0.001)
    assert not world.a.cache.is_current
    looks = world.a.link.asked["look"]
    await world.get()

    assert world.a.link.asked["look"] == looks + 2  # judged by the server
