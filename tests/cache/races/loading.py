"""L0 to L5: how old what is loaded, remembered, joined and stored is."""

from typing import Any

from cache import Session, bypass
from tests.cache.races.following import STRICT, looked_up
from tests.cache.races.race import FOLLOWING, IN_MEMORY, STORED, Reads, off, race
from tests.cache.races.writing import marks, noise
from tests.support.world import World

# ---- L0 ----


@race(off("l0_transaction"))
async def rolled_back(world: World) -> tuple[Any, Any]:
    """1. W changes the row in a transaction, reads it there  2. W rolls back  3. S reads."""

    async def mutation(_: Session) -> None:
        world.rows.values[1] = "never committed"
        with bypass():
            await world.row(1)
        world.rows.values[1] = "old"

    await world.client().ask(mutation, at=world.a)
    return await world.see(), {"old"}


@race(off("l0_barrier"), reads=FOLLOWING)
async def strict_around_bounded(world: World) -> tuple[Any, Any]:
    """1. N, not strict, is stored  2. W at B commits, purges it; A has not heard  3. R reads O at
    A, strictly: a miss  4. O's load looks up N."""
    strict = world.around(STRICT)
    await world.see()
    await world.write(1, "new")
    return await world.get(by=strict), ("outer", "new")


@race(off("l0_barrier"))
async def strict_through_a_loader(world: World) -> tuple[Any, Any]:
    """1. R's loader reads the old row for a field  2. W at B commits, purges, is acknowledged
    3. R's next field is strict, and asks the loader."""
    loader = world.loader()
    first, strict = world.by_loader(loader), world.by_loader(loader, STRICT)
    await world.get(by=first)
    await world.write(1, "new")
    return await world.get(by=strict), "new"


@race(off("w5_position"))
async def a_mutation_past_its_loader(world: World) -> tuple[Any, Any]:
    """1. a request's loader reads the old row  2. the request commits, purges  3. its answer asks
    the loader, which nobody cleared."""
    loader = world.loader()
    field, answer = world.by_loader(loader), world.by_loader(loader)

    async def mutation(_: Session) -> Any:
        await field(1)
        await world.commit(1, "new", at=world.a)
        return await answer(1)

    return await world.client().ask(mutation, at=world.a), "new"


# ---- L1 ----


@race(
    off("l1_stamp"),
    off("j2_never", reads=IN_MEMORY),
    off("clean_since", reads=FOLLOWING),
    off("j3_mark", reads=[Reads.SERVER]),
)
async def slow_reader(world: World) -> tuple[Any, Any]:
    """1. R at A misses, reads the old row  2. W at B commits, purges  3. A hears of it  4. R ends,
    fills  5. S reads."""
    load = world.rows.hold_next()
    reader = world.task(world.get(at=world.a))
    await load.reached.wait()
    await world.write(1, "new")
    await world.settle()
    load.open()
    await reader
    return await world.see(), {"new"}


@race(off("l1_epoch"))
async def filled_in_another_epoch(world: World) -> tuple[Any, Any]:
    """1. R at A misses, reads the old row  2. W at B commits, purges  3. the server restarts empty
    4. R ends, fills  5. S reads."""
    load = world.rows.hold_next()
    reader = world.task(world.get(at=world.a))
    await load.reached.wait()
    await world.write(1, "new")
    await world.topology.empty()
    load.open()
    await reader
    return await world.see(), {"new"}


# ---- L2 ----


@race(off("l2_memory"))
async def remembered_row(world: World) -> tuple[Any, Any]:
    """1. R's loader reads the old row for a field  2. W at B commits, purges  3. R's next field
    gets the row from the loader, fills  4. S reads that field."""
    loader = world.loader()
    first, second = world.by_loader(loader), world.by_loader(loader)
    await world.get(by=first)
    await world.write(1, "new")
    await world.settle()
    await world.get(by=second)
    loader.clear()
    return await world.see(by=second), {"new"}


@race(off("l2_epochs"))
async def remembered_over_two_epochs(world: World) -> tuple[Any, Any]:
    """1. R's loader reads the old row  2. W at B commits, purges  3. the server restarts empty
    4. R's next field gets the row from the loader, fills in the new epoch  5. S reads it."""
    loader = world.loader()
    first, second = world.by_loader(loader), world.by_loader(loader)
    await world.get(by=first)
    await world.write(1, "new")
    await world.topology.empty()
    await world.settle()
    await world.get(by=second)
    loader.clear()
    return await world.see(by=second), {"new"}


@race(off("l2_nested"))
async def nested_value(world: World) -> tuple[Any, Any]:
    """1. R makes the outer value of the inner one  2. W at B purges the inner one's row  3. S."""
    await world.see(by=world.outer)
    await world.write(1, "new")
    return await world.see(by=world.outer), {("outer", "new")}


@race(off("l2_nested"))
async def nested_hit(world: World) -> tuple[Any, Any]:
    """The same, where the inner value was stored before the outer one was made of it."""
    await world.see()
    await world.see(by=world.outer)
    await world.write(1, "new")
    return await world.see(by=world.outer), {("outer", "new")}


# ---- L3, J4 ----


@race(off("l3_at_head"), reads=STORED)
async def watermark_evicted_during_a_load(world: World) -> tuple[Any, Any]:
    """1. R at A misses, reads the old row  2. W at B commits, purges  3. the watermark is evicted
    4. R ends, fills  5. S reads at C, which started late."""
    load = world.rows.hold_next()
    reader = world.task(world.get(at=world.a))
    await load.reached.wait()
    await world.write(1, "new")
    await world.topology.evict_watermark("row:1")
    load.open()
    await reader
    await marks(world)
    late = await world.joins()
    return await world.see(at=[late, world.a]), {"new"}


@race(off("j4_missing"), reads=STORED)
async def watermark_evicted_after_the_fill(world: World) -> tuple[Any, Any]:
    """1. the old row is stored  2. W at B commits, purges  3. the watermark is evicted  4. S reads
    at C, which started late."""
    await world.see()
    await world.write(1, "new")
    await world.topology.evict_watermark("row:1")
    await marks(world)
    late = await world.joins()
    return await world.see(at=[late, world.a]), {"new"}


# ---- L4 ----


@race(off("l4_clean"), reads=FOLLOWING)
async def joined_flight(world: World) -> tuple[Any, Any]:
    """1. R1 at A reads the old row  2. W at B commits, purges, is acknowledged; A hears of it
    3. R2 comes, finds R1's load under way."""
    load = world.rows.hold_next()
    first = world.task(world.get(at=world.a))
    await load.reached.wait()
    await world.write(1, "new")
    await world.settle()
    second = world.task(world.get(at=world.a))
    await looked_up(world, 2)
    load.open()
    await first
    return await second, "new"


@race(reads=[Reads.SERVER])
async def joined_flight_of_a_worker_without_a_log(world: World) -> tuple[Any, Any]:
    """The same, where nobody follows: nothing is joined that began before the reader's look."""
    load = world.rows.hold_next()
    first = world.task(world.get(at=world.a))
    await load.reached.wait()
    await world.write(1, "new")
    second = world.task(world.get(at=world.a))
    await looked_up(world, 2)
    load.open()
    await first
    return await second, "new"


@race(off("l4_barrier"), reads=FOLLOWING)
async def joined_by_the_writer(world: World) -> tuple[Any, Any]:
    """1. R at A reads the old row  2. W at B commits, purges, is acknowledged; A has not heard
    3. W's client comes to A, finds R's load under way."""
    load = world.rows.hold_next()
    first = world.task(world.get(at=world.a))
    await load.reached.wait()
    client = world.client()
    await client.write(1, "new", at=world.b)
    second = world.task(client.read(at=world.a))
    await looked_up(world, 2)
    load.open()
    await first
    return await second, "new"


# ---- J3 that is handed up ----


@race(off("j3_head"), reads=FOLLOWING & STORED)
async def raised_past_its_head(world: World) -> tuple[Any, Any]:
    """1. R at C makes the outer value of an inner one from before C's horizon: judged by the
    server at h, the reply on its way  2. W at B commits, purges; C applies it  3. the reply comes:
    good as of h, and not of what is applied by now  4. S reads the outer value."""
    await world.get(at=world.b)
    await noise(world)
    await marks(world)
    late = await world.joins()
    verdict = late.link.hold("look", skip=2)  # those of the two look-ups go first
    reader = world.task(world.get(at=late, by=world.outer))
    await verdict.reached.wait()
    await world.write(1, "new")
    await world.settle(late)
    verdict.open()
    await reader
    return await world.see(at=[late], by=world.outer), {("outer", "new")}


@race(off("j3_head"), reads=FOLLOWING & STORED)
async def stored_again_past_its_head(world: World) -> tuple[Any, Any]:
    """1. R at C finds an entry from before C's horizon: judged by the server at h, the reply on its
    way  2. W at B commits, purges; C applies it  3. the reply comes: R is served, and the entry is
    stored again, as good as h and no more  4. S reads at every worker."""
    await world.get(at=world.b)
    await noise(world)
    await marks(world)
    late = await world.joins()
    verdict = late.link.hold("look", skip=1)  # that of the look-up goes first
    reader = world.task(world.get(at=late))
    await verdict.reached.wait()
    await world.write(1, "new")
    await world.settle(late)
    verdict.open()
    await reader
    await marks(world)
    later = await world.joins()
    return await world.see(at=[later, late]), {"new"}


@race(reads=FOLLOWING & STORED)
async def stored_again_over_a_newer_entry(world: World) -> tuple[Any, Any]:
    """1. R at C finds such an entry, valid as of h; it is to be stored again  2. W at B commits,
    purges; S at B loads the new row, stores it  3. the old one is stored over it  4. S reads."""
    await world.get(at=world.b)
    await noise(world)
    await marks(world)
    late = await world.joins()
    again = late.link.hold_before("put")
    await world.get(at=late)
    await again.reached.wait()
    await world.write(1, "new")
    await world.settle()
    assert await world.get(at=world.b) == "new"
    again.open()
    await world.until(lambda: late.link.answered["put"] == 1)
    await world.turns()
    return await world.see(), {"new"}
