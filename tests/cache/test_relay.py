"""The relay, step by step: whatever a writer left is published, under whatever epoch there is."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager

import pytest

from cache import OutboxRow, Position, StoreUnavailable
from cache.facts import Drained, Fact, Invalidated, StoreFailed
from cache.protocol import ALL, Look, Rules
from cache.publishing import ROWS, Publisher
from cache.relay import Relay
from cache.stores.memory import MemoryServer, MemoryStore
from tests.support.worlds.clock import ManualClock
from tests.support.worlds.database import MemoryOutbox
from tests.support.worlds.gate import Gate

DELTA = 1.0
LOOK = DELTA / 8
PATIENCE = DELTA / 4


async def nothing() -> None:
    pass


class Store(MemoryStore):
    """A memory store in which a test comes before or after any purge."""

    def __init__(self, server: MemoryServer) -> None:
        super().__init__(server)
        self.before: Callable[[], Awaitable[None]] = nothing
        self.after: Callable[[], Awaitable[None]] = nothing
        self.is_away = False

    async def relay_begins(self, patience: float) -> Look:
        if self.is_away:
            raise StoreUnavailable("away")
        return await super().relay_begins(patience)

    async def invalidate(self, tags: Iterable[str]) -> Position:
        await self.before()
        if self.is_away:
            raise StoreUnavailable("away")
        position = await super().invalidate(tags)
        await self.after()
        return position


class Outbox(MemoryOutbox):
    """One that can be away, and counts the statements of each kind."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.is_away = False
        self.marks: list[tuple[frozenset[str], Position]] = []
        self.pages: list[int] = []
        self.before_waiting: Callable[[], Awaitable[None]] = nothing
        self.after_waiting: Callable[[], Awaitable[None]] = nothing

    async def waiting(self, epoch: str, limit: int) -> Sequence[OutboxRow]:
        await self.before_waiting()
        self._check()
        rows = await super().waiting(epoch, limit)
        self.pages.append(len(rows))
        await self.after_waiting()
        return rows

    async def mark(self, ids: Iterable[str], position: Position) -> None:
        self._check()
        named = frozenset(ids)
        self.marks.append((named, position))
        await super().mark([one for one in named if not self._is_held_by_another(one)], position)

    def _check(self) -> None:
        if self.is_away:
            raise ConnectionRefusedError("the database is away")

    def _is_held_by_another(self, identifier: str) -> bool:
        return identifier in self.stopped

    stopped: frozenset[str] = frozenset()
    """Rows that a relay holds which was stopped right then."""

    @asynccontextmanager
    async def unpublished(self, epoch: str, limit: int) -> AsyncIterator[Sequence[OutboxRow]]:
        async with super().unpublished(epoch, limit) as rows:
            yield [row for row in rows if row.id not in self.stopped]


class World:
    """A database, a state server and relays, whose one clock stands still until it `passes`."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.server = MemoryServer(self.clock.now)
        self.store = Store(self.server)
        self.outbox = Outbox(self.clock)
        self.facts: list[Fact] = []
        self.relays: list[Relay] = []

    def relay(self, rules: Rules = ALL, store: MemoryStore | None = None) -> Relay:
        relay = Relay(
            store or self.store,
            self.outbox,
            max_staleness=DELTA,
            clock=self.clock,
            rules=rules,
            tell=self.facts.append,
        )
        self.relays.append(relay)
        return relay

    async def epoch(self) -> str:
        return (await self.store.look(())).head.epoch

    def purged(self, tag: str) -> int:
        """How often a relay purged it."""
        return sum(tag in fact.tags for fact in self.facts if isinstance(fact, Invalidated))

    def published(self, identifier: str) -> Position | None:
        return self.outbox.rows[identifier].published

    async def passes(self, seconds: float) -> None:
        """Let time pass, and whoever waited for it go on."""
        await settle()
        self.clock.passes(seconds)
        await settle()


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    world.store.before = world.store.after = nothing
    for relay in world.relays:
        await relay.aclose()


async def looks(world: World, relay: Relay, seconds: float) -> None:
    """The relay looks as often as it would by itself in so many seconds."""
    for _ in range(round(seconds / LOOK)):
        world.clock.passes(LOOK)
        await relay.step()


# ---- what a writer left ----


async def test_a_row_is_published_and_marked_after_a_quarter_of_delta(world: World) -> None:
    relay = world.relay()
    identifier = await world.outbox.add(["product:1", "list"])
    await relay.step()
    await looks(world, relay, PATIENCE - LOOK)
    assert world.published(identifier) is None
    await looks(world, relay, LOOK)
    look = await world.store.look(["product:1", "list"])
    assert look.watermarks == {"product:1": look.head, "list": look.head}
    assert world.published(identifier) == look.head
    await looks(world, relay, DELTA)
    assert world.purged("product:1") == 1
    assert [fact for fact in world.facts if isinstance(fact, Drained)] == [
        Drained(1, look.head.epoch)
    ]


async def test_a_row_that_its_writer_publishes_in_time_is_not_published_twice(
    world: World,
) -> None:
    relay = world.relay()
    identifier = await world.outbox.add(["product:1"])
    await relay.step()
    position = await world.store.invalidate(["product:1"])
    relay.mark_later(identifier, position)
    await world.passes(LOOK)
    assert world.published(identifier) == position
    await looks(world, relay, DELTA)
    assert world.purged("product:1") == 0


async def test_and_not_while_its_mark_waits_to_be_written(world: World) -> None:
    relay = world.relay()
    identifier = await world.outbox.add(["product:1"])
    relay.mark_later(identifier, await world.store.invalidate(["product:1"]))
    for _ in range(10):  # the clock of whoever writes marks does not move
        await relay.step()
        world.clock._now += LOOK
    assert world.published(identifier) is None
    assert world.purged("product:1") == 0
    # The control: another relay knows nothing of that mark.
    other = world.relay()
    for _ in range(4):
        await other.step()
        world.clock._now += LOOK
    assert world.purged("product:1") == 1


async def test_each_row_is_left_to_its_own_writer_for_that_long(world: World) -> None:
    relay = world.relay()
    await world.outbox.add(["first"])
    await relay.step()
    world.clock.passes(PATIENCE - LOOK)
    await relay.step()
    await world.outbox.add(["second"])
    world.clock.passes(LOOK)
    await relay.step()
    assert (world.purged("first"), world.purged("second")) == (1, 0)


async def test_a_paused_process_publishes_what_it_saw_before(world: World) -> None:
    relay = world.relay()
    await world.outbox.add(["product:1"])
    await relay.step()
    world.clock.passes(10)
    await relay.step()
    assert world.purged("product:1") == 1


async def test_many_rows_go_out_in_bounded_pages_and_bounded_purges(world: World) -> None:
    relay = world.relay()
    rows = [await world.outbox.add([f"product:{number}"]) for number in range(2 * ROWS + 50)]
    for _ in range(20):
        await relay.step()
        world.clock.passes(LOOK)
    assert all(world.published(one) is not None for one in rows)
    assert max(world.outbox.pages) <= ROWS
    sizes = [len(fact.tags) for fact in world.facts if isinstance(fact, Invalidated)]
    assert max(sizes) <= 500
    assert sum(sizes) == len(rows)


async def test_a_row_of_more_tags_than_that_goes_out_by_itself(world: World) -> None:
    relay = world.relay()
    await world.outbox.add([f"product:{number}" for number in range(1_200)])
    await world.outbox.add(["last"])
    await relay.drain()
    sizes = [len(fact.tags) for fact in world.facts if isinstance(fact, Invalidated)]
    assert sizes == [1_200, 1]


# ---- held by another relay ----


async def test_two_relays_publish_a_row_once(world: World) -> None:
    first, second = world.relay(), world.relay(store=MemoryStore(world.server))
    await world.outbox.add(["product:1"])
    await first.step()
    await second.step()
    world.clock.passes(PATIENCE)
    gate = Gate()
    world.store.before = gate
    publishing = asyncio.create_task(first.step())
    await gate.reached.wait()
    await second.step()
    assert world.purged("product:1") == 0
    gate.open()
    await publishing
    assert world.purged("product:1") == 1


async def test_what_a_stopped_relay_holds_is_published_all_the_same(world: World) -> None:
    """1. A locks a killed writer's row. 2. A is stopped (SIGSTOP). 3. B skips the row for ever."""
    relay = world.relay()
    identifier = await world.outbox.add(["product:1"])
    world.outbox.stopped = frozenset([identifier])
    await relay.step()
    await looks(world, relay, 2 * PATIENCE - LOOK)
    assert world.purged("product:1") == 0
    await looks(world, relay, LOOK)
    assert world.purged("product:1") == 1
    # It cannot be marked, and yet is not published with every look.
    await looks(world, relay, DELTA)
    assert world.purged("product:1") == 1
    assert world.published(identifier) is None
    # Once the other lets go it is marked, or it would never be removed.
    world.outbox.stopped = frozenset()
    await looks(world, relay, LOOK)
    await world.passes(LOOK)
    assert world.published(identifier) is not None
    assert world.purged("product:1") == 1


async def test_marks_whose_commit_failed_are_written_again(world: World) -> None:
    """1. The relay locks a row, publishes and marks it. 2. The database goes away before that is
    committed. 3. It comes back: the row is published, and must not wait for ever to be marked."""
    relay = world.relay()
    identifier = await world.outbox.add(["product:1"])
    await relay.step()
    unpublished = world.outbox.unpublished

    @asynccontextmanager
    async def fails(epoch: str, limit: int) -> AsyncIterator[Sequence[OutboxRow]]:
        async with unpublished(epoch, limit) as rows:
            yield rows
        world.outbox.rows[identifier].published = None  # rolled back
        raise ConnectionResetError

    world.outbox.unpublished = fails  # type: ignore[method-assign]
    world.clock.passes(PATIENCE)
    with pytest.raises(ConnectionResetError):
        await relay.step()
    assert world.purged("product:1") == 1
    world.outbox.unpublished = unpublished  # type: ignore[method-assign]
    await looks(world, relay, LOOK)
    await world.passes(LOOK)
    assert world.published(identifier) is not None
    assert world.purged("product:1") == 1


async def test_what_comes_behind_a_page_of_those_is_published_too(world: World) -> None:
    """1. A locks a page of rows, and is stopped. 2. B publishes them, and cannot mark them. 3. A
    writer is killed before its purge: its row is behind those."""
    relay = world.relay()
    held = [await world.outbox.add([f"product:{number}"]) for number in range(ROWS)]
    world.outbox.stopped = frozenset(held)
    await looks(world, relay, DELTA)
    await world.outbox.add(["last"])
    await looks(world, relay, DELTA)
    assert world.purged("last") == 1
    assert world.purged("product:0") == world.purged(f"product:{ROWS - 1}") == 1


async def test_a_relay_that_looks_only_at_what_is_free_would_not(world: World) -> None:
    """The control of the last one: `waiting` leaves out what is held, as SKIP LOCKED does."""
    relay = world.relay()
    identifier = await world.outbox.add(["product:1"])
    world.outbox.stopped = frozenset([identifier])
    waiting = world.outbox.waiting

    async def free(epoch: str, limit: int) -> Sequence[OutboxRow]:
        rows = await waiting(epoch, limit)
        return [row for row in rows if row.id not in world.outbox.stopped]

    world.outbox.waiting = free  # type: ignore[method-assign]
    await looks(world, relay, 10 * DELTA)
    assert world.purged("product:1") == 0


# ---- epochs ----


@pytest.mark.parametrize("rules", [ALL, ALL.without("w1_epoch")])
async def test_what_was_published_under_another_epoch_goes_out_again(
    world: World, rules: Rules
) -> None:
    """1. The new world is in e2. 2. A, on the old primary, commits, purges there, acknowledges."""
    relay = world.relay(rules)
    await relay.step()
    identifier = await world.outbox.add(["product:1"])
    await world.outbox.mark([identifier], Position("the old world's", 9))
    await looks(world, relay, DELTA)
    again = 1 if rules.w1_epoch else 0
    assert world.purged("product:1") == again
    await relay.drain()
    assert world.purged("product:1") == again
    await relay.publish([identifier])
    assert world.purged("product:1") == again


@pytest.mark.parametrize("rules", [ALL, ALL.without("w1_mark")])
async def test_a_row_is_marked_with_the_epoch_of_the_purge_and_not_with_the_relays(
    world: World, rules: Rules
) -> None:
    """1. A's relay has seen e2. 2. A's writer, on the old primary, gets (e1, 9). 3. It marks."""
    relay = world.relay(rules)
    await relay.step()
    identifier = await world.outbox.add(["product:1"])
    relay.mark_later(identifier, Position("the old world's", 9))
    await world.passes(LOOK)
    await looks(world, relay, DELTA)
    assert world.purged("product:1") == (1 if rules.w1_mark else 0)


async def test_an_epoch_that_begins_during_a_look_ends_it(world: World) -> None:
    relay = world.relay()
    identifiers = [await world.outbox.add([f"{number}:{tag}" for tag in range(400)])
                   for number in range(3)]  # fmt: skip
    await relay.step()
    world.clock.passes(PATIENCE)
    looked = world.server.looked
    before = await world.epoch()

    async def lose() -> None:
        world.store.after = nothing
        await world.store.renew()

    world.store.after = lose
    await relay.step()
    after = await world.epoch()
    assert [(world.published(one) or before)[0] for one in identifiers] == [before, after, after]
    assert world.server.looked == world.clock.now() != looked  # by the epoch's begin
    await looks(world, relay, DELTA)
    assert all((world.published(one) or ("",))[0] == after for one in identifiers)


# ---- looked ----


@pytest.mark.parametrize("rules", [ALL, ALL.without("w1_looked")])
async def test_when_no_relay_looked_for_long_a_new_epoch_begins(world: World, rules: Rules) -> None:
    """Rows may have come, been published in another world, and been removed since."""
    world.server.rules = rules
    relay = world.relay(rules)
    await relay.step()
    before = await world.epoch()
    world.clock.passes(29)
    await relay.step()
    world.clock.passes(29)
    await relay.step()
    assert await world.epoch() == before
    world.clock.passes(31)
    await relay.step()
    assert (await world.epoch() != before) is rules.w1_looked


async def test_a_drain_that_comes_first_begins_it_too(world: World) -> None:
    relay = world.relay()
    before = (await relay.drain()).epoch
    world.clock.passes(29)
    assert (await relay.drain()).epoch == before
    world.clock.passes(31)
    assert (await relay.drain()).epoch != before


@pytest.mark.parametrize("rules", [ALL, ALL.without("w1_begun")])
async def test_a_look_is_as_old_as_its_begin(world: World, rules: Rules) -> None:
    """1. It reads the outbox. 2. It is stopped for 25 s; rows come, and will go 60 s later.
    3. It notes that it looked just now. 4. It is stopped for 29 s more: nobody sees those rows."""
    relay = world.relay(rules)
    await relay.step()
    before = await world.epoch()

    async def stopped() -> None:
        world.outbox.after_waiting = nothing
        world.clock.passes(25)

    world.outbox.after_waiting = stopped
    await relay.step()
    world.clock.passes(6)
    await relay.step()
    assert (await world.epoch() != before) is rules.w1_begun


@pytest.mark.parametrize("rules", [ALL, ALL.without("w1_begun")])
@pytest.mark.parametrize("looks", [Relay.step, Relay.drain])
async def test_so_is_one_that_was_stopped_before_it_read(
    world: World, looks: Callable[[Relay], Awaitable[object]], rules: Rules
) -> None:
    """1. It asks for the epoch, and is stopped before it hears. 2. In another world rows come, are
    published, and go. 3. It reads the outbox, and notes that it looked just now."""
    relay = world.relay(rules)
    await relay.step()
    before = await world.epoch()

    class Late(Store):
        async def relay_begins(self, patience: float) -> Look:
            told = await super().relay_begins(patience)
            world.clock.passes(29)
            return told

    world.clock.passes(2)
    await looks(world.relay(rules, store=Late(world.server)))
    world.clock.passes(2)
    await relay.step()
    assert (await world.epoch() != before) is rules.w1_begun


@pytest.mark.parametrize("looks", [Relay.step, Relay.drain])
@pytest.mark.parametrize("asks_first", [True, False])
async def test_while_the_database_is_away_no_epoch_begins(
    world: World,
    looks: Callable[[Relay], Awaitable[object]],
    asks_first: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody can look at it, and nothing could be loaded: what is cached is all that there is."""
    if not asks_first:
        monkeypatch.setattr(Publisher, "_reach_database", lambda _: nothing())
    relay = world.relay()
    await relay.step()
    before = await world.epoch()

    async def away() -> None:
        raise ConnectionError("the database is away")

    world.outbox.after_waiting = away
    for _ in range(4):
        world.clock.passes(29)
        with pytest.raises(ConnectionError):
            await looks(relay)
    assert (await world.epoch() == before) is asks_first

    world.outbox.after_waiting = nothing
    await looks(relay)
    assert await world.epoch() != before, "rows may have come and gone"


async def test_a_look_that_could_not_publish_does_not_count(world: World) -> None:
    relay = world.relay()
    await world.outbox.add(["product:1"])
    await relay.step()
    world.clock.passes(PATIENCE)
    looked = world.server.looked

    async def away() -> None:
        raise StoreUnavailable("away")

    world.store.before = away
    with pytest.raises(StoreUnavailable):
        await relay.step()
    assert world.server.looked == looked
    world.store.before = nothing
    await relay.step()
    assert world.server.looked == world.clock.now() != looked


@pytest.mark.parametrize("rules", [ALL, ALL.without("w1_left")])
async def test_what_another_world_published_is_not_left_to_its_writer(
    world: World, rules: Rules
) -> None:
    """It may be removed before the next look, which finds nothing, and notes that it looked."""
    relay = world.relay(rules)
    identifier = await world.outbox.add(["product:1"])
    await world.outbox.mark([identifier], Position("the old world's", 9))
    await relay.step()
    assert world.purged("product:1") == (1 if rules.w1_left else 0)


@pytest.mark.parametrize("count", [ROWS - 1, ROWS])
async def test_a_look_that_has_not_read_everything_does_not_count(world: World, count: int) -> None:
    """A full page of new rows, none of them due: what is behind it was not read."""
    relay = world.relay()
    await relay.step()
    looked = world.server.looked
    for number in range(count):
        await world.outbox.add([f"product:{number}"])
    world.clock.passes(LOOK)
    await relay.step()
    assert (world.server.looked == looked) is (count == ROWS)
    await looks(world, relay, DELTA)
    assert world.server.looked == world.clock.now()


async def test_rows_are_removed_a_minute_after_their_publication(world: World) -> None:
    relay = world.relay()
    identifier = await world.outbox.add(["product:1"])
    relay.mark_later(identifier, await world.store.invalidate(["product:1"]))
    await world.passes(LOOK)
    for seconds in (0, 20, 20, 19.5):
        world.clock.passes(seconds)
        await relay.step()
    assert identifier in world.outbox.rows
    world.clock.passes(20)
    unpublished = await world.outbox.add(["product:2"])
    await relay.step()
    assert list(world.outbox.rows) == [unpublished]


# ---- drains ----


async def test_a_drain_publishes_everything_however_new_and_whoever_holds_it(
    world: World,
) -> None:
    relay = world.relay()
    held = await world.outbox.add(["held"])
    world.outbox.stopped = frozenset([held])
    await world.outbox.add(["new"])
    position = await relay.drain()
    look = await world.store.look(["held", "new"])
    assert position == look.head
    assert look.watermarks == {"held": look.head, "new": look.head}


async def test_a_drain_that_leaves_out_what_is_held_is_none(world: World) -> None:
    """The control: another relay has locked the row, and not published it yet."""
    relay = world.relay()
    held = await world.outbox.add(["held"])
    async with world.outbox.unpublished(await world.epoch(), 10) as rows:
        assert [row.id for row in rows] == [held]
        async with world.outbox.unpublished(await world.epoch(), 10) as free:
            assert free == []
        await relay.drain()
        assert world.purged("held") == 1


async def test_a_drain_of_nothing_says_under_which_epoch(world: World) -> None:
    relay = world.relay()
    assert await relay.drain() == (await world.store.look(())).head


async def test_a_drain_does_not_share_what_has_begun(world: World) -> None:
    """1. A's drain has read the outbox. 2. B's row is committed, B drains. 3. A's drain ends."""
    relay = world.relay()
    gate = Gate()
    world.outbox.after_waiting = gate
    first = asyncio.create_task(relay.drain())
    await gate.reached.wait()
    await world.outbox.add(["product:1"])
    second = asyncio.create_task(relay.drain())
    third = asyncio.create_task(relay.drain())
    await settle()
    world.outbox.after_waiting = nothing
    publishing = Gate()
    world.store.before = publishing
    gate.open()
    position = await first
    await publishing.reached.wait()
    assert not second.done()
    publishing.open()
    assert await second == await third != position
    assert world.purged("product:1") == 1
    assert len(world.outbox.pages) == 2


async def test_a_drain_that_fails_fails_only_those_that_shared_it(world: World) -> None:
    relay = world.relay()
    world.store.is_away = True
    first = asyncio.create_task(relay.drain())
    await settle()
    world.store.is_away = False
    with pytest.raises(StoreUnavailable):
        await first
    assert await relay.drain()


async def test_cancelling_one_caller_cancels_no_drain(world: World) -> None:
    relay = world.relay()
    gate = Gate()
    world.outbox.before_waiting = gate
    first, second = asyncio.create_task(relay.drain()), asyncio.create_task(relay.drain())
    await gate.reached.wait()
    first.cancel()
    await settle()
    assert first.cancelled()
    gate.open()
    assert (await second).epoch == await world.epoch()


async def test_an_epoch_that_begins_during_a_drain_begins_it_anew(world: World) -> None:
    relay = world.relay()
    for number in range(3):
        await world.outbox.add([f"{number}:{tag}" for tag in range(400)])
    begun = 0

    async def lose() -> None:
        nonlocal begun
        begun += 1
        if begun <= 2:
            await world.store.renew()

    world.store.before = lose
    position = await relay.drain()
    look = await world.store.look([f"{number}:0" for number in range(3)])
    assert position == look.head
    assert {mark and mark.epoch for mark in look.watermarks.values()} == {look.head.epoch}


async def test_a_drain_gives_up_when_epochs_never_stop_beginning(world: World) -> None:
    relay = world.relay()
    await world.outbox.add(["product:1"])

    async def lose() -> None:
        await world.store.renew()
        await world.outbox.add(["product:2"])

    world.store.before = lose
    with pytest.raises(StoreUnavailable, match="epochs began"):
        await relay.drain()


async def test_a_long_drain_reads_pages(world: World) -> None:
    relay = world.relay()
    rows = [await world.outbox.add([f"product:{number}"]) for number in range(3 * ROWS)]
    await relay.drain()
    assert all(world.purged(f"product:{number}") == 1 for number in range(len(rows)))
    assert max(world.outbox.pages) <= ROWS


async def test_a_drain_ends_although_writers_go_on(world: World) -> None:
    relay = world.relay()

    async def write() -> None:
        await world.outbox.add(["another"])

    world.store.before = write
    await world.outbox.add(["first"])
    await asyncio.wait_for(relay.drain(), 5)
    assert world.purged("another") == 0


async def test_a_full_page_of_own_marks_hides_no_row(world: World) -> None:
    """Its own writers published a page's worth that is not marked yet; behind it is one row."""
    relay = world.relay()
    many = [await world.outbox.add([f"product:{number}"]) for number in range(ROWS)]
    relay.mark_later(many, await world.store.invalidate(["all of them"]))
    await world.outbox.add(["left"])
    await relay.drain()
    assert world.purged("left") == 1


# ---- J5 ----


async def test_ids_become_positions(world: World) -> None:
    relay = world.relay()
    here, new, old = [await world.outbox.add([f"product:{number}"]) for number in range(3)]
    position = await world.store.invalidate(["product:0"])
    await world.outbox.mark([here], position)
    await world.outbox.mark([old], Position("the old world's", 99))
    found = await relay.publish([here, new, old, "gone"])
    head = (await world.store.look(())).head
    assert found == {here: position, new: head, old: head, "gone": None}
    assert (world.purged("product:0"), world.purged("product:1"), world.purged("product:2")) == (
        0,
        1,
        1,
    )
    await world.passes(LOOK)
    assert {world.published(one) for one in (new, old)} == {head}


async def test_what_this_process_published_a_moment_ago_needs_no_second_purge(
    world: World,
) -> None:
    relay = world.relay()
    identifier = await world.outbox.add(["product:1"])
    position = await world.store.invalidate(["product:1"])
    relay.mark_later(identifier, position)
    assert await relay.publish([identifier]) == {identifier: position}
    assert world.purged("product:1") == 0
    # ... under this epoch.
    await world.store.renew()
    assert (await relay.publish([identifier]))[identifier] != position
    assert world.purged("product:1") == 1


async def test_an_epoch_that_began_since_the_row_was_read_is_not_missed(world: World) -> None:
    """1. The row is read: published in e1. 2. e2 begins. 3. e1 is taken for the epoch."""
    relay = world.relay()
    identifier = await world.outbox.add(["product:1"])
    await world.outbox.mark([identifier], await world.store.invalidate(["product:1"]))
    read = world.outbox.read

    async def read_and_lose(ids: Iterable[str]) -> object:
        rows = await read(ids)
        await world.store.renew()
        return rows

    world.outbox.read = read_and_lose  # type: ignore[method-assign,assignment]
    position = (await relay.publish([identifier]))[identifier]
    assert position is not None
    assert position.epoch == await world.epoch()


# ---- marks ----


async def test_marks_are_written_together_and_not_before_their_time(world: World) -> None:
    relay = world.relay()
    rows = [await world.outbox.add([f"product:{number}"]) for number in range(100)]
    positions = [await world.store.invalidate([f"product:{number}"]) for number in range(100)]
    for identifier, position in zip(rows, positions, strict=True):
        relay.mark_later(identifier, position)
    await settle()
    assert world.outbox.marks == []
    await world.passes(LOOK)
    assert world.outbox.marks == [(frozenset(rows), positions[-1])]
    await world.passes(DELTA)
    assert len(world.outbox.marks) == 1


async def test_marks_of_two_epochs_are_not_mixed(world: World) -> None:
    relay = world.relay()
    first, second = await world.outbox.add(["a"]), await world.outbox.add(["b"])
    relay.mark_later(first, Position("e1", 900))
    relay.mark_later(second, Position("e2", 1))
    await world.passes(LOOK)
    assert world.published(first) == Position("e1", 900)
    assert world.published(second) == Position("e2", 1)


async def test_marks_outlive_a_database_that_is_away(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    relay = world.relay()
    identifier = await world.outbox.add(["product:1"])
    position = await world.store.invalidate(["product:1"])
    world.outbox.is_away = True
    relay.mark_later(identifier, position)
    for _ in range(5):
        await world.passes(LOOK)
    assert len([one for one in caplog.records if "marked" in one.message]) == 1
    world.outbox.is_away = False
    await world.passes(LOOK)
    assert world.published(identifier) == position


async def test_marks_are_bounded_and_the_newest_stay(world: World) -> None:
    relay = world.relay()
    relay.mark_later([f"{number:016x}" for number in range(10_500)], Position("e1", 1))
    await world.passes(LOOK)
    [(marked, _)] = world.outbox.marks
    assert len(marked) == 10_000
    assert f"{10_499:016x}" in marked


async def test_closing_writes_the_marks(world: World) -> None:
    relay = world.relay()
    identifier = await world.outbox.add(["product:1"])
    position = await world.store.invalidate(["product:1"])
    relay.mark_later(identifier, position)
    await relay.aclose()
    assert world.published(identifier) == position


async def test_closing_stops_drains_and_cancels_nobody(world: World) -> None:
    relay = world.relay()
    gate = Gate()
    world.outbox.before_waiting = gate
    running, next_one = asyncio.create_task(relay.drain()), None
    await gate.reached.wait()
    next_one = asyncio.create_task(relay.drain())
    await settle()
    await asyncio.wait_for(relay.aclose(), 5)
    # Who waited was not cancelled: a request goes on without caches.
    for task in (running, next_one):
        with pytest.raises(StoreUnavailable, match="closed"):
            await task


# ---- running ----


@asynccontextmanager
async def running(relay: Relay) -> AsyncIterator[None]:
    task = asyncio.create_task(relay.run())
    await settle()
    try:
        yield
    finally:
        assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_it_looks_by_itself_every_eighth_of_delta(world: World) -> None:
    relay = world.relay()
    await world.outbox.add(["product:1"])
    async with running(relay):
        for _ in range(3):
            await world.passes(LOOK)
        assert world.purged("product:1") == 1
        assert len(world.outbox.pages) >= 4


@pytest.mark.parametrize("away", ["store", "database"])
async def test_it_survives_what_is_away_and_says_so_once(
    world: World, away: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    relay = world.relay()
    missing = world.store if away == "store" else world.outbox
    missing.is_away = True
    await world.outbox.add(["product:1"])
    async with running(relay):
        for _ in range(100):
            await world.passes(LOOK)
        assert len([one for one in caplog.records if one.levelno >= logging.WARNING]) == 1
        assert any(isinstance(fact, StoreFailed) for fact in world.facts) == (away == "store")
        missing.is_away = False
        for _ in range(24):  # it had slowed down, to once a second
            await world.passes(LOOK)
        assert world.purged("product:1") == 1
        assert "again" in caplog.records[-1].message
