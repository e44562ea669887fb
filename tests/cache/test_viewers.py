"""Promise 9: what one viewer may see never reaches another, by any tier or flight."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from cache import CachePolicy, CacheScope, bypass, cached, current_viewer, viewer_was_read
from cache.context import current_scope
from cache.facts import Defect, Filled, Joined, Loaded, NotStored
from tests.support.world import PRIVATE, PUBLIC, Gate, Reads, World

ON_EVERY_TIER = pytest.mark.parametrize("reads", Reads, ids=lambda reads: reads.value)

Make = Callable[..., Awaitable[World]]


@pytest.fixture
async def make_world() -> AsyncIterator[Make]:
    made: list[World] = []

    async def make(reads: Reads = Reads.TIERED) -> World:
        made.append(World(reads=reads))
        await made[-1].start()
        return made[-1]

    yield make
    for world in made:
        await world.close()


def mine(policy: CachePolicy, says: Callable[[], object] = lambda: None) -> Any:
    """A function of who is asking. `says` tells the cache so, or does not."""

    async def mine(row: int) -> str:
        says()
        return f"belongs to {current_scope().viewer}"

    return cached(policy, tags=lambda row: ["mine"])(mine)


async def ask(world: World, by: Any, viewer: str) -> Any:
    return await world.client(viewer).read(by=by, at=world.a)


# ---- private values ----


@ON_EVERY_TIER
async def test_a_private_value_is_kept_for_each_viewer(reads: Reads, make_world: Make) -> None:
    """A viewer is an identity with its rights: with other rights it is another viewer."""
    world = await make_world(reads)
    by = mine(PRIVATE)
    viewers = ["7:CUSTOMER", "8:CUSTOMER", "7:STAFF", "anonymous"]

    for _ in range(3):
        for viewer in viewers:
            assert await ask(world, by, viewer) == f"belongs to {viewer}"
    assert world.facts.count(Loaded) == len(viewers)


@ON_EVERY_TIER
async def test_the_control_a_public_value_reaches_everybody(reads: Reads, make_world: Make) -> None:
    """Declared public by mistake, and nothing tells the cache whom it looks at: so it leaks."""
    world = await make_world(reads)
    by = mine(PUBLIC)
    await ask(world, by, "7")

    assert await ask(world, by, "8") == "belongs to 7"


def test_without_a_declared_scope_a_value_is_private() -> None:
    assert CachePolicy(ttl=1).scope is CacheScope.PRIVATE


async def test_a_refresh_loads_for_its_viewer(make_world: Make) -> None:
    """It runs beside the request that began it, in a context of its own."""
    world = await make_world()
    by = mine(CachePolicy(ttl=10, stale_while_revalidate=600))
    for viewer in ("7", "8"):
        await ask(world, by, viewer)
    await world.passes(20)
    await world.settle()
    for viewer in ("7", "8"):
        await ask(world, by, viewer)
    await world.until(lambda: world.facts.fills == 4)
    await world.turns()

    assert [await ask(world, by, viewer) for viewer in ("7", "8")] == [
        "belongs to 7",
        "belongs to 8",
    ]


# ---- flights ----


@pytest.mark.parametrize("policy", [PRIVATE, PUBLIC], ids=["private", "public by mistake"])
@ON_EVERY_TIER
async def test_joins_never_cross_viewers(
    reads: Reads, policy: CachePolicy, make_world: Make
) -> None:
    """A load that looks at its viewer is nobody else's, even while it runs."""
    world = await make_world(reads)
    gate = Gate()

    async def held(row: int) -> str:
        viewer_was_read()
        viewer = current_scope().viewer
        await gate()
        return f"belongs to {viewer}"

    by = cached(policy, tags=lambda row: ["mine"])(held)
    seven = world.task(ask(world, by, "7"))
    await gate.reached.wait()
    eight = world.task(ask(world, by, "8"))
    await world.turns()
    gate.open()

    assert await asyncio.gather(seven, eight) == ["belongs to 7", "belongs to 8"]
    assert await ask(world, by, "9") == "belongs to 9"
    assert world.facts.count(Joined) == 0


async def test_viewers_of_one_private_value_share_their_own_flight(make_world: Make) -> None:
    world = await make_world()
    by = mine(PRIVATE)

    await asyncio.gather(*(ask(world, by, str(number % 2)) for number in range(100)))

    assert world.facts.count(Loaded) == 2


# ---- public values that look at the viewer ----


async def says_so(world: World) -> Any:
    return mine(PUBLIC, viewer_was_read)


async def asks_by_name(world: World) -> Any:
    return mine(PUBLIC, current_viewer)


async def made_of_a_private_miss(world: World) -> Any:
    return page_of(mine(PRIVATE))


async def made_of_a_private_hit(world: World) -> Any:
    inner = mine(PRIVATE)
    for viewer in ("7", "8", "9"):
        await ask(world, inner, viewer)
    return page_of(inner)


async def made_of_a_private_value_two_levels_below(world: World) -> Any:
    return page_of(page_of(mine(PRIVATE)))


async def made_of_a_private_value_in_a_transaction(world: World) -> Any:
    inner = mine(PRIVATE)

    async def page(row: int) -> str:
        with bypass():
            return str(await inner(row))

    return cached(PUBLIC)(page)


async def made_of_a_private_value_without_a_store(world: World) -> Any:
    """The look-ups of the page are answered, and then none."""
    inner = mine(PRIVATE)

    async def page(row: int) -> str:
        world.a.link.is_cut = True
        try:
            return str(await inner(row))
        finally:
            world.a.link.is_cut = False

    return cached(PUBLIC)(page)


def page_of(inner: Any) -> Any:
    async def page(row: int) -> str:
        return str(await inner(row))

    page.__qualname__ += f" of {inner.name}"  # its name is its key
    return cached(PUBLIC, tags=lambda row: ["page"])(page)


LOOKS = [
    says_so,
    asks_by_name,
    made_of_a_private_miss,
    made_of_a_private_hit,
    made_of_a_private_value_two_levels_below,
    made_of_a_private_value_in_a_transaction,
    made_of_a_private_value_without_a_store,
]


@pytest.mark.parametrize("looks", LOOKS, ids=lambda looks: looks.__name__)
@ON_EVERY_TIER
async def test_a_public_value_that_looks_at_its_viewer_is_not_shared(
    reads: Reads, looks: Any, make_world: Make
) -> None:
    """And it is a defect of the program, which is told each time."""
    world = await make_world(reads)
    by = await looks(world)
    world.facts.clear()

    for viewer in ("7", "8", "7", "9"):
        assert await ask(world, by, viewer) == f"belongs to {viewer}"

    assert "a public load read the viewer" in {fact.what for fact in world.facts.of(Defect)}
    public = {fact.key for fact in world.facts.of(NotStored)}
    assert not public & {fact.key for fact in world.facts.of(Filled)}
