"""F1 to F3: what a worker may believe of the log, and of its own view."""

from typing import Any

from cache import CachePolicy, CacheScope, Consistency, StoreUnavailable
from tests.cache.races.race import FOLLOWING, STORED, Reads, off, race
from tests.cache.races.writing import marks, noise
from tests.support.world import DELTA, Worker, World

STRICT = CachePolicy(ttl=600, scope=CacheScope.PUBLIC, consistency=Consistency.STRICT)

# ---- F1 ----


@race(off("f1_atomic"), off("clean_since"), reads=FOLLOWING)
async def applied_before_since(world: World) -> tuple[Any, Any]:
    """1. W at B commits, purges  2. A applies it: `applied` first  3. S reads at A  4. `since`."""
    await world.see()
    await world.write(1, "new")
    return await world.see(at=[world.a]), {"new"}


@race(off("f1_predecessor"), off("f3_reset"), off("clean_horizon"), reads=FOLLOWING)
async def trimmed_past_a_lagging_worker(world: World) -> tuple[Any, Any]:
    """1. W at B commits, purges  2. another purge; the log is trimmed to it  3. A follows: a
    purge is missing  4. S reads at A."""
    await world.see()
    await world.write(1, "new")
    await noise(world)
    await world.topology.trim(1)
    return await world.see(at=[world.a]), {"new"}


@race(off("clean_horizon"), reads=FOLLOWING & STORED)
async def started_after_the_purge(world: World) -> tuple[Any, Any]:
    """1. B stores the old row  2. W at B commits, purges  3. C starts, and knows no older purge
    4. S reads at C."""
    await world.get(at=world.b)
    await world.write(1, "new")
    await marks(world)
    late = await world.joins()
    return await world.see(at=[late]), {"new"}


# ---- F2 ----


@race(off("f2_current"), reads=FOLLOWING)
async def heard_nothing_for_long(world: World) -> tuple[Any, Any]:
    """1. W at B commits, purges  2. Δ passes, in which A hears nothing  3. S reads at A."""
    await world.see()
    await world.write(1, "new")
    await world.passes(DELTA)
    return await world.get(at=world.a), "new"


@race(off("f2_current"), reads=FOLLOWING & STORED)
async def paused_while_an_answer_came(world: World) -> tuple[Any, Any]:
    """1. R at A looks the row up, the reply is on its way  2. W at B commits, purges  3. A is
    paused for Δ  4. the reply comes: whether A is current is asked now, not when R came."""
    await world.get(at=world.b)
    reply = world.a.link.hold("get")
    reader = world.task(world.get(at=world.a))
    await reply.reached.wait()
    await world.write(1, "new")
    await world.passes(DELTA)
    reply.open()
    return await reader, "new"


@race(off("f2_join"), reads=FOLLOWING)
async def joined_by_a_worker_cut_off(world: World) -> tuple[Any, Any]:
    """1. R1 at A reads the old row  2. W at B commits, purges  3. Δ passes, in which A hears
    nothing  4. R2 comes, finds R1's load under way."""
    load = world.rows.hold_next()
    first = world.task(world.get(at=world.a))
    await load.reached.wait()
    await world.write(1, "new")
    await world.passes(DELTA)
    second = world.task(world.get(at=world.a))
    await looked_up(world, 2)
    load.open()
    await first
    return await second, "new"


async def looked_up(world: World, number: int, *, at: Worker | None = None) -> None:
    """So many look-ups of A (or another) were answered, and those who asked had their turn."""
    answered = (at or world.a).link.answered
    await world.until(lambda: answered["get"] >= number and answered["look"] >= number)
    await world.turns()


@race(off("f2_sent"), reads=FOLLOWING)
async def an_old_answer_of_the_log(world: World) -> tuple[Any, Any]:
    """1. A asks the log; the answer, of now, is on its way  2. W at B commits, purges  3. Δ passes
    4. the answer comes  5. S reads at A."""
    await world.see()
    answer = world.a.link.hold("follow")
    step = world.task(world.a.follow())
    await answer.reached.wait()
    await world.write(1, "new")
    await world.passes(DELTA)
    answer.open()
    await step
    return await world.get(at=world.a), "new"


@race(off("f2_whole"), reads=FOLLOWING)
async def far_behind(world: World) -> tuple[Any, Any]:
    """1. many purges, W's at B the last of them  2. Δ passes  3. A follows, gets the first of them
    4. S reads at A."""
    await world.see()
    await noise(world, 3)
    await world.write(1, "new")
    await world.passes(DELTA)
    world.a.link.purges_at_once = 2
    await world.a.follow()
    return await world.get(at=world.a), "new"


@race(off("f2_drain"), reads=FOLLOWING)
async def back_before_the_outbox_was_drained(world: World) -> tuple[Any, Any]:
    """1. Redis is away; W at A commits, is acknowledged  2. Δ passes, nobody hears of it
    3. Redis is back, B follows once  4. S reads at B."""
    await world.see()
    for worker in (world.a, world.b):
        worker.link.is_cut = True
        await fails(worker.follow)
    await world.write(1, "new", at=world.a)
    await world.passes(DELTA)
    world.b.link.is_cut = False
    await world.b.follow()
    return await world.get(at=world.b), "new"


async def fails(ask: Any) -> None:
    """The store is away, and the call says so."""
    try:
        await ask()
    except StoreUnavailable:
        return
    raise AssertionError("the store is away, and nobody noticed")


# ---- F3 ----


@race(off("f3_no_log", "f3_behind", reads=FOLLOWING))
async def the_head_went_back(world: World) -> tuple[Any, Any]:
    """1. W at B commits, purges, A has not heard  2. the log is evicted, the epoch stays  3. A
    follows: the head is behind what it applied  4. S reads at A."""
    await noise(world, 2)
    await world.see()
    await world.write(1, "new")
    await world.topology.lose_log()
    await follow_twice(world)
    return await world.get(at=world.a), "new"


@race(off("f3_no_log", "f3_behind", reads=FOLLOWING & STORED))
async def a_strict_read_of_a_lost_log(world: World) -> tuple[Any, Any]:
    """1. W at B commits, purges, A has not heard  2. the log is evicted  3. a strict read at A
    asks for the head, gets 0: A has applied more."""
    world.row = world.declare(STRICT)
    await noise(world, 2)
    await world.see()
    await world.write(1, "new")
    await world.topology.lose_log()
    return await world.get(at=world.a), "new"


@race(off("f3_incarnation"))
async def a_failover_loses_the_tail(world: World) -> tuple[Any, Any]:
    """1. W at B commits, purges; the replica does not hear  2. a failover  3. S reads at A."""
    await world.see()
    await world.topology.replicate()
    await world.write(1, "new")
    await world.topology.fail_over()
    await follow_twice(world)
    return await world.get(at=world.a), "new"


@race(off("f3_incarnation", "w2_incarnation"))
async def new_ids_pass_the_lost_ones(world: World) -> tuple[Any, Any]:
    """1. W at B commits, purges; the replica does not hear  2. a failover  3. other purges pass the
    old head before A looks: neither predecessor nor head tell  4. S reads at A."""
    await world.see()
    await world.topology.replicate()
    await world.write(1, "new")
    await world.topology.fail_over()
    await noise(world, 3)
    await follow_twice(world)
    return await world.get(at=world.a), "new"


async def follow_twice(world: World) -> None:
    """A looks at the log, where it follows: once for what is new, once for a new epoch."""
    if world.reads is not Reads.SERVER:
        await world.a.follow()
        await world.a.follow()


@race(off("clean_epoch"), reads=FOLLOWING)
async def positions_of_another_epoch(world: World) -> tuple[Any, Any]:
    """1. W at B commits, purges  2. the log is lost, a new epoch begins, whose positions are lower
    3. S reads at A, where the entry's position is beyond the horizon."""
    await noise(world, 3)
    await world.see()
    await world.write(1, "new")
    await world.topology.lose_log()
    return await world.see(at=[world.a]), {"new"}


@race(off("j2_epoch"), reads=frozenset({Reads.MEMORY, Reads.TIERED}))
async def judged_at_the_same_number(world: World) -> tuple[Any, Any]:
    """1. S reads at A: judged at (e1, n)  2. W at B commits, purges  3. the server restarts empty;
    e2 reaches n, A follows  4. S reads at A."""
    await world.settle()
    assert world.a.cache.applied is not None
    await world.see()
    number = world.a.cache.applied.id
    await world.write(1, "new")
    await world.topology.empty()
    await follow_twice(world)
    while world.a.cache.applied.id < number:
        await noise(world)
        await follow_twice(world)
    return await world.get(at=world.a), "new"


# ---- F4 ----


@race(off("F4_ROWS"))
async def rows_of_a_replica(world: World) -> tuple[Any, Any]:
    """1. the database's replica lags  2. W at B commits, purges, is acknowledged  3. S reads: a
    load that reads from the replica stores the old row, as of a head after the purge."""
    await world.see()
    world.rows.lag()
    await world.write(1, "new")
    return await world.see(), {"new"}
