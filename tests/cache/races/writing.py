"""W1 to W6: what is written is purged, whatever happens to its writer; and who wrote sees it."""

from typing import Any

from cache import Session
from tests.cache.races.race import FOLLOWING, IN_MEMORY, STORED, off, race
from tests.support.world import DELTA, Reads, Worker, World


async def promote(world: World) -> None:
    """A failover during which A stays connected to the old primary: B is on the new one."""
    await world.topology.replicate()
    await world.topology.split()
    world.b.move()
    await world.settle(world.b)


async def marks(world: World) -> None:
    """Time enough for what was published to be marked."""
    await world.passes(DELTA / 8)
    await world.turns()


async def relays(world: World, worker: Worker) -> None:
    """Time enough for that, and for a relay to look and look again."""
    await marks(world)
    await worker.relay()
    await world.passes(DELTA / 4)
    await worker.relay()


# ---- W1 ----


@race(off("w1_outbox"))
async def killed_before_the_purge(world: World) -> tuple[Any, Any]:
    """1. W at A commits  2. A is killed before it purges  3. B's relay looks  4. S reads at B."""
    await world.see()
    await world.commit_only(1, "new", ["row:1"])
    await relays(world, world.b)
    return await world.see(at=[world.b]), {"new"}


@race(off("w1_epoch"))
async def published_on_the_old_primary(world: World) -> tuple[Any, Any]:
    """1. a failover; A stays on the old primary  2. S at B stores the old row in the new epoch
    3. W at A commits, purges there, is acknowledged  4. B's relay looks  5. S reads at B."""
    await promote(world)
    await world.get(at=world.b)
    await world.write(1, "new", at=world.a)
    await relays(world, world.b)
    return await world.see(at=[world.b]), {"new"}


@race(off("w1_mark"))
async def marked_after_moving_on(world: World) -> tuple[Any, Any]:
    """1. a failover; A stays on the old primary  2. S at B stores the old row in the new epoch
    3. W at A commits, purges on the old primary; the reply is on its way  4. A reaches the new
    primary, its relay looks there  5. the reply comes, A marks the row  6. B's relay looks  7. S
    reads at B."""
    await promote(world)
    await world.get(at=world.b)
    reply = world.a.link.hold("invalidate")
    write = world.task(world.write(1, "new", at=world.a))
    await reply.reached.wait()
    world.a.move()
    await world.a.relay()
    reply.open()
    await write
    await relays(world, world.b)
    return await world.see(at=[world.b]), {"new"}


@race(off("w1_looked"))
async def nobody_looked_in_the_new_world(world: World) -> tuple[Any, Any]:
    """1. a failover; A stays on the old primary  2. S at B stores the old row in the new epoch
    3. B is stopped  4. W at A commits, purges there, is acknowledged, and after a minute A's relay
    removes the row  5. B goes on, its relay looks  6. S reads at B."""
    await promote(world)
    await world.b.relay()
    await world.get(at=world.b)
    await world.write(1, "new", at=world.a)
    await relays(world, world.a)
    await world.passes(61)
    await world.a.relay()
    assert not world.outbox.rows
    await world.b.relay()
    return await world.see(at=[world.b]), {"new"}


@race(off("w1_begun"))
async def stood_before_it_noted_its_look(world: World) -> tuple[Any, Any]:
    """1. a failover; A stays on the old primary; S at B stores the old row in the new epoch
    2. B's relay reads the outbox, and stands before it notes that  3. W at A commits, purges there,
    is acknowledged, and after a minute A's relay removes the row  4. B's relay notes its look, and
    looks again  5. S reads at B."""
    await promote(world)
    await world.get(at=world.b)
    reading = world.outbox.hold_next()
    look = world.task(world.b.relay())
    await reading.reached.wait()
    await world.write(1, "new", at=world.a)
    await relays(world, world.a)
    await world.passes(61)
    await world.a.relay()
    assert not world.outbox.rows
    reading.open()
    await look
    await world.b.relay()
    return await world.see(at=[world.b]), {"new"}


@race(off("w1_left"))
async def left_until_it_was_gone(world: World) -> tuple[Any, Any]:
    """1. a failover; A stays on the old primary; S at B stores the old row in the new epoch, B's
    relay looks  2. W at A commits, purges there, is acknowledged  3. B was stopped for 29 s; its
    relay sees W's row for the first time, and leaves it to its writer  4. B is stopped again; its
    relay asks for the epoch, and is stopped until A's has removed the row: it finds nothing, and
    has looked each 30 s  5. S reads at B."""
    await promote(world)
    await world.get(at=world.b)
    await world.b.relay()
    await world.write(1, "new", at=world.a)
    await relays(world, world.a)
    await world.passes(29)
    await world.b.relay()
    await world.passes(29.9)
    begun = world.b.link.hold("relay_begins")
    look = world.task(world.b.relay())
    await begun.reached.wait()
    await world.passes(2)
    await world.a.relay()
    assert not world.outbox.rows
    begun.open()
    await look
    return await world.see(at=[world.b]), {"new"}


# ---- W2 ----


@race(off("w2_epoch", reads=[*IN_MEMORY, Reads.SERVER]))
async def ids_begin_again(world: World) -> tuple[Any, Any]:
    """1. the log is evicted, the epoch stays  2. W at B commits, purges; ids begin again  3. W's
    client reads at A, where more than that is applied."""
    await noise(world, 3)
    await world.see()
    await world.topology.lose_log()
    client = world.client()
    await client.write(1, "new", at=world.b)
    return await client.read(at=world.a), "new"


@race(off("w2_incarnation"), reads=FOLLOWING)
async def the_same_id_twice(world: World) -> tuple[Any, Any]:
    """1. another row's purge is on its way to A  2. a failover loses it  3. W at B commits, purges
    on the new primary, at the position that the other had  4. A applies the other  5. W's client
    reads at A."""
    await world.see()
    await world.topology.replicate()
    await noise(world)
    answer = world.a.link.hold("follow")
    step = world.task(world.a.follow())
    await answer.reached.wait()
    await world.topology.fail_over()
    client = world.client()
    await client.write(1, "new", at=world.b)
    answer.open()
    await step
    return await client.read(at=world.a), "new"


async def noise(world: World, times: int = 1) -> None:
    """Purges of another row, which B sends."""
    for _ in range(times):
        await world.write(2, "noise")


# ---- W3, W4 ----


@race(off("W3_LOCK"))
async def moved_twice(world: World) -> tuple[Any, Any]:
    """1. W2 reads that the row is in A  2. W1 moves it to B, purges A and B  3. R reads list B
    4. W2 moves it to C, purges what it read and C  5. S reads list B.

    With the row locked in 1., W1 waits for W2 and reads what that wrote."""
    shelf = world.shelves("A")

    async def second() -> None:
        async with shelf.lock():
            old = shelf.place
            if not shelf.is_locked:
                await world.task(first())
                await world.get(by=shelf.listing("B"))
            await shelf.move(old, "C", at=world.a)

    async def first() -> None:
        async with shelf.lock():
            await shelf.move(shelf.place, "B", at=world.b)

    beside = world.task(first()) if shelf.is_locked else None
    await second()
    if beside is not None:
        await beside
    shown = await world.see(by=shelf.listing("B"))
    return shown, {shelf.place == "B"}


@race(off("W4_STORES_WHAT_IT_HOLDS"))
async def the_older_writer_purges_later(world: World) -> tuple[Any, Any]:
    """1. W1 at A commits 1  2. W2 at B commits 2, purges, answers  3. W1 purges, answers  4. S.

    An answer's own reads are the refill. A writer that stores what it holds stores 1, with the
    newest position of all."""
    await world.see()
    refills = "W4_STORES_WHAT_IT_HOLDS" not in world.broken
    older = await world.commit_only(1, "1", ["row:1"])
    assert older is not None
    client = world.client()
    await client.write(1, "2", at=world.b)
    await (client.read(at=world.b) if refills else world.store_held(1, "2", at=world.b))
    await world.a.cache.publish(older, ["row:1"])
    await (world.get() if refills else world.store_held(1, "1", at=world.a))
    return await world.see(), {"2"}


# ---- W5 ----


@race(off("w5_position"), off("j5_token"), reads=FOLLOWING)
async def own_write_at_another_worker(world: World) -> tuple[Any, Any]:
    """1. W at B commits, purges, is acknowledged  2. W's client reads at A, which lags."""
    await world.see()
    client = world.client()
    await client.write(1, "new", at=world.b)
    return await client.read(at=world.a), "new"


@race(off("w5_outbox_id"), off("j5_outbox_id"))
async def own_write_of_a_cut_off_worker(world: World) -> tuple[Any, Any]:
    """1. A is cut off from Redis; W at A commits, is acknowledged  2. W's client reads at B."""
    await world.see()
    world.a.link.is_cut = True
    client = world.client()
    await client.write(1, "new", at=world.a)
    return await client.read(at=world.b), "new"


@race(off("w5_applied", reads=IN_MEMORY), off("w5_applied", "w5_heads"), reads=FOLLOWING)
async def back_past_what_was_applied(world: World) -> tuple[Any, Any]:
    """1. W at B commits, purges  2. A applies it  3. a client reads another row at A, which is
    older  4. the client reads at C, which lags. A knew of the write, so the client must see it."""
    lagging = await world.joins()
    await world.see(1)
    await world.see(2)
    await world.write(1, "new")
    await world.settle(world.a)
    client = world.client()
    await client.read(2, at=world.a)
    return await client.read(at=lagging), "new"


@race(off("w5_heads"), reads=FOLLOWING & STORED)
async def back_past_a_head(world: World) -> tuple[Any, Any]:
    """1. W at B commits, purges  2. A, which lags, looks up another row for a client, and learns
    the head  3. the client reads at C, which lags too."""
    lagging = await world.joins()
    await world.see()
    await world.get(2, at=world.b)
    await world.write(1, "new")
    client = world.client()
    await client.read(2, at=world.a)
    return await client.read(at=lagging), "new"


@race(off("w5_heads"), reads=FOLLOWING & STORED)
async def back_past_a_head_learned_below(world: World) -> tuple[Any, Any]:
    """1. a client reads at A; its load is under way  2. W at B commits, purges  3. the load, at A,
    which lags, looks up another row, and learns the head  4. the client reads at C, which lags."""
    lagging = await world.joins()
    await world.see()
    await world.get(2, at=world.b)
    page, begins = world.page_of(2)
    client = world.client()
    reader = world.task(client.read(at=world.a, by=page))
    await begins.reached.wait()
    await world.write(1, "new")
    begins.open()
    await reader
    return await client.read(at=lagging), "new"


@race(off("w5_used"), reads=IN_MEMORY)
async def back_past_what_was_used(world: World) -> tuple[Any, Any]:
    """1. W at B commits, purges  2. W's client reads at A, which lags: loaded anew, remembered
    3. another client is served that from memory  4. it reads at C, which lags too."""
    lagging = await world.joins()
    await world.see()
    writer, other = world.client(), world.client()
    await writer.write(1, "new", at=world.b)
    assert await writer.read(at=world.a) == "new"
    assert await other.read(at=world.a) == "new"
    return await other.read(at=lagging), "new"


# ---- W6 ----


@race(off("w6_replay"))
async def replayed_before_the_purge(world: World) -> tuple[Any, Any]:
    """1. W at A commits, with an idempotency key  2. before A purges, the client asks again, at B:
    the outcome is there, the answer reads the row."""
    await world.see()
    identifier = await world.commit_only(1, "new", ["row:1"])

    async def replay(session: Session) -> Any:
        if identifier is not None:
            await session.repeats(identifier)
        return await world.row(1)

    return await world.client().ask(replay, at=world.b), "new"
