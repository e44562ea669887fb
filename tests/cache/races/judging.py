"""J2 to J7: who may be served what is stored."""

from typing import Any

from cache import CachePolicy, CacheScope
from tests.cache.races.following import STRICT
from tests.cache.races.race import EVERYWHERE, FOLLOWING, STORED, Reads, off, race
from tests.cache.races.writing import noise, promote, relays
from tests.support.world import World

STALE = CachePolicy(ttl=10, stale_while_revalidate=600, scope=CacheScope.PUBLIC)


# ---- J3 ----


@race(off("j3_epoch", reads=[Reads.SERVER]))
async def a_watermark_of_another_epoch(world: World) -> tuple[Any, Any]:
    """1. the old row is stored  2. W at B commits, purges  3. the log is lost: a new epoch, whose
    positions are lower  4. another value of the row is stored, and with it the watermark  5. S."""
    another = world.declare(world.row.policy)
    await noise(world, 3)
    await world.see()
    await world.write(1, "new")
    await world.topology.lose_log()
    await world.get(by=another)
    return await world.see(), {"new"}


# ---- J5 ----


@race(off("j5_bypass"))
async def own_write_that_cannot_be_published(world: World) -> tuple[Any, Any]:
    """1. A's purges get no answer, all else does; W at A commits, is acknowledged  2. W's client
    reads at A."""
    await world.see()
    world.a.link.refuses = {"invalidate"}
    client = world.client()
    await client.write(1, "new", at=world.a)
    return await client.read(at=world.a), "new"


@race(off("j5_keep"))
async def read_twice_while_cut_off(world: World) -> tuple[Any, Any]:
    """1. A and B are cut off; W at A commits, is acknowledged  2. W's client reads at B, without
    any cache  3. B is back  4. W's client reads at B."""
    await world.see()
    world.a.link.is_cut = world.b.link.is_cut = True
    client = world.client()
    await client.write(1, "new", at=world.a)
    first = await client.read(at=world.b)
    world.b.link.is_cut = False
    return (first, await client.read(at=world.b)), ("new", "new")


@race(off("j5_epoch"), reads=EVERYWHERE - {Reads.MEMORY})
async def filled_in_an_epoch_that_the_worker_is_not_in(world: World) -> tuple[Any, Any]:
    """1. a failover; A stays on the old primary; B reaches the new one and is still in e1  2. S at
    B stores the old row, in e2  3. W at A commits, is acknowledged at (e1, n)  4. W's client reads
    at B: the same epoch as B's, and ahead of it; and the verdict is one of e2."""
    await world.topology.replicate()
    await world.topology.split()
    world.b.move()
    await world.get(at=world.b)
    client = world.client()
    await client.write(1, "new", at=world.a)
    return await client.read(at=world.b), "new"


@race(off("j5_drain"))
async def nobody_published_it_yet(world: World) -> tuple[Any, Any]:
    """1. a failover; A stays on the old primary  2. S at B stores the old row in e2  3. W at A
    commits, is acknowledged at (e1, n)  4. W's client reads at B."""
    await promote(world)
    await world.get(at=world.b)
    client = world.client()
    await client.write(1, "new", at=world.a)
    return await client.read(at=world.b), "new"


@race(off("j5_head"), reads=FOLLOWING)
async def published_and_not_heard(world: World) -> tuple[Any, Any]:
    """1. a failover; A stays on the old primary  2. S at B stores the old row in e2  3. W at A
    commits, is acknowledged at (e1, n)  4. C's relay publishes it at (e2, m); B has not heard
    5. W's client reads at B: there is nothing to drain."""
    await promote(world)
    other = await world.joins()
    await world.get(at=world.b)
    client = world.client()
    await client.write(1, "new", at=world.a)
    await relays(world, other)
    return await client.read(at=world.b), "new"


@race(off("j5_answer"), reads=STORED)
async def drained_in_another_epoch(world: World) -> tuple[Any, Any]:
    """1. a failover; A stays on the old primary  2. W's client reads at B, where the old row is
    stored in e2; then W at A commits, is acknowledged at (e1, n)  3. the client reads at A, which
    drains the outbox under e1, and then reaches the new primary: the head is one of e2."""
    await promote(world)
    client = world.client()
    await client.read(at=world.b)
    await client.write(1, "new", at=world.a)
    head = world.a.link.hold_before("look")
    reader = world.task(client.read(at=world.a))
    await head.reached.wait()
    world.a.move()
    head.open()
    return await reader, "new"


# ---- J6 ----


@race(off("j6_strict"), reads=FOLLOWING & STORED)
async def strict_and_behind(world: World) -> tuple[Any, Any]:
    """1. W at B commits, purges, is acknowledged; A has not heard  2. S reads at A, strictly."""
    world.row = world.declare(STRICT)
    await world.see()
    await world.write(1, "new")
    return await world.get(at=world.a), "new"


@race(off("j6_strict"), reads=FOLLOWING & STORED)
async def bounded_around_strict(world: World) -> tuple[Any, Any]:
    """The same, where what is read is not strict, and made of what is: strict as a whole."""
    world.row = world.declare(STRICT)
    await world.see(by=world.outer)
    await world.write(1, "new")
    return await world.get(at=world.a, by=world.outer), ("outer", "new")


@race(reads=[Reads.MEMORY])
async def nothing_strict_is_remembered(world: World) -> tuple[Any, Any]:
    """The same where there is memory only: it never answers what is strict, in any part."""
    world.row = world.declare(STRICT)
    await world.see(by=world.outer)
    await world.write(1, "new")
    got = await world.get(at=world.a, by=world.outer), await world.get(at=world.a)
    return got, (("outer", "new"), "new")


# ---- J7 ----


@race(off("j7_purged", reads=STORED))
async def stale_and_purged(world: World) -> tuple[Any, Any]:
    """1. an entry is past its ttl, within stale-while-revalidate  2. W at B commits, purges
    3. S reads."""
    world.row = world.declare(STALE)
    await world.see()
    await world.passes(20)
    await world.settle()
    await world.write(1, "new")
    return await world.see(), {"new"}
