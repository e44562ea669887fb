"""A write: one transaction with its outbox row, then the purge, then the answer."""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Iterable
from typing import Any

import pytest
from tortoise.backends.asyncpg.client import TransactionWrapper
from tortoise.backends.sqlite.client import SqliteTransactionWrapper

from cache import Cache, Position, StoreUnavailable
from cache.facts import Filled, Hit, Invalidated
from cache.protocol import ALL
from models.database import transaction
from models.tables import Outbox, Product
from resolvers import products, tags, writing
from resolvers.context import Context, Viewer
from resolvers.writing import write
from tests.support.counting import SqlCounter
from tests.support.store import Store, Worker, context_of

NOBODY = Viewer()


async def rename(ctx: Context, number: int, name: str) -> None:
    async with write(ctx) as change:
        await Product.filter(id=number).update(name=name)
        change.purges(tags.product(number))


async def test_the_purge_comes_after_the_commit(store: Store) -> None:
    number = store.products["P-1"].id
    seen: list[str] = []

    class Watching(Cache):
        async def publish(self, identifier: str, tags: Iterable[str]) -> None:
            # A transaction of another connection would not see an open one's row.
            seen.append((await Product.get(id=number)).name)
            await super().publish(identifier, tags)

    worker = Worker(store.redis, store.prefix, Watching)
    with context_of(worker, NOBODY) as ctx:
        async with write(ctx) as change:
            await Product.filter(id=number).update(name="New")
            change.purges(tags.product(number))
            assert seen == []
    assert seen == ["New"]
    await worker.close()


async def test_the_tags_are_the_last_statement_of_the_transaction(store: Store) -> None:
    number = store.products["P-1"].id
    with context_of(store.worker, NOBODY) as ctx:
        with SqlCounter() as sql:
            await rename(ctx, number, "New")
        assert [one.split()[0] for one in sql.statements] == ["UPDATE", "INSERT"]
        assert "outbox" in sql.statements[-1]
    [row] = await Outbox.all()
    assert row.tags == f'["{tags.product(number)}"]'


async def test_the_row_is_marked_a_little_later(store: Store) -> None:
    with context_of(store.worker, NOBODY) as ctx:
        await rename(ctx, store.products["P-1"].id, "New")
    assert (await Outbox.get()).published_epoch is None
    position = store.worker.services.cache.position
    await store.worker.close()
    row = await Outbox.get()
    assert Position(row.published_epoch or "", row.published_position or 0) == position


async def test_an_error_rolls_back_and_purges_nothing(store: Store) -> None:
    number = store.products["P-1"].id

    async def fail(ctx: Context) -> None:
        async with write(ctx) as change:
            await Product.filter(id=number).update(name="New")
            change.purges(tags.product(number))
            raise InterruptedError

    with context_of(store.worker, NOBODY) as ctx:
        with pytest.raises(InterruptedError):
            await fail(ctx)
        assert (await Product.get(id=number)).name == "Alpha Phone"
    assert store.worker.facts.count(Invalidated) == 0
    assert await Outbox.all().count() == 0


async def test_inside_another_transaction_it_is_refused(store: Store) -> None:
    """The purge would come before the commit: of the outer transaction, or of none."""
    number = store.products["P-1"].id
    with context_of(store.worker, NOBODY) as ctx:
        async with transaction():
            with pytest.raises(RuntimeError, match="inside a transaction"):
                await rename(ctx, number, "New")
        async with write(ctx):
            with pytest.raises(RuntimeError, match="inside a transaction"):
                await rename(ctx, number, "New")
    assert (await Product.get(id=number)).name == "Alpha Phone"


# ---- commits that fail ----


Commit = Callable[[Any], Awaitable[None]]


def replace_commit(patch: pytest.MonkeyPatch, replaced: Callable[[Commit, Any], Any]) -> None:
    """Let every commit go through `replaced(commit, connection)`."""
    for wrapper in (SqliteTransactionWrapper, TransactionWrapper):
        original: Commit = wrapper.commit
        patch.setattr(wrapper, "commit", lambda self, it=original: replaced(it, self))


async def test_a_commit_whose_outcome_is_unknown_purges_and_leaves_the_row_to_the_relay(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1. The commit happens, its reply is lost. 2. The purge. 3. Were the row marked, nobody
    would publish what a commit that arrives only now has written."""
    number = store.products["P-1"].id

    async def reply_is_lost(commit: Commit, connection: Any) -> None:
        await commit(connection)
        raise ConnectionResetError

    with context_of(store.worker, NOBODY) as ctx:
        await products.product(ctx, number)
        with monkeypatch.context() as patch:
            replace_commit(patch, reply_is_lost)
            with pytest.raises(ConnectionResetError):
                await rename(ctx, number, "New")
        row = await products.product(ctx, number)
    assert row is not None
    assert row.name == "New"
    relay = store.worker.services.cache.relay
    assert relay is not None
    await relay.aclose()
    written, purged = await Outbox.all().order_by("created_at")
    assert written.tags == purged.tags
    assert {written.published_epoch, purged.published_epoch} > {None}


async def test_a_commit_that_fails_leaves_no_row(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = store.products["P-1"].id

    async def fails(_commit: Commit, _connection: Any) -> None:
        raise ConnectionResetError

    with context_of(store.worker, NOBODY) as ctx:
        with monkeypatch.context() as patch:
            replace_commit(patch, fails)
            with pytest.raises(ConnectionResetError):
                await rename(ctx, number, "New")
        assert (await Product.get(id=number)).name == "Alpha Phone"
    # That of the purge, which nobody could know to be needless.
    assert await Outbox.all().count() == 1


# ---- clients that go away ----


class CancelledAt:
    """Awaits `work`, and cancels the task that does so at its `moment`-th suspension.

    `insists`: and at every one after it. `reached` says whether there were so many.
    """

    def __init__(self, work: Awaitable[None], moment: int, *, insists: bool) -> None:
        self._work = work
        self._moment = moment
        self._insists = insists
        self.reached = False

    def __await__(self) -> Generator[Any, Any, None]:
        steps = self._work.__await__()
        proceed: Callable[[], Any] = lambda: next(steps)  # noqa: E731 - replaced below
        suspensions = 0
        while True:
            try:
                waited = proceed()
            except StopIteration:
                return
            if suspensions == self._moment or (suspensions > self._moment and self._insists):
                self.reached = True
                task = asyncio.current_task()
                assert task is not None
                asyncio.get_running_loop().call_soon(task.cancel)
            suspensions += 1
            try:
                sent = yield waited
            except BaseException as error:  # noqa: BLE001 - handed on, as an await does
                proceed = lambda error=error: steps.throw(error)  # noqa: E731
            else:
                proceed = lambda sent=sent: steps.send(sent)  # noqa: E731


async def stale_after_cancellations(store: Store, *, insists: bool) -> list[int]:
    """Write, cancelled at each await in turn: the moments after which a worker is stale."""
    number = store.products["P-1"].id
    its = store.worker.services.cache.store
    invalidate = its.invalidate

    async def once_connected(tags: Iterable[str]) -> Position:
        await asyncio.sleep(0)  # or else the purge is sent before anybody can be cancelled
        return await invalidate(tags)

    its.invalidate = once_connected  # type: ignore[method-assign]
    stale: list[int] = []
    for moment in range(200):
        with context_of(store.other, NOBODY) as ctx:
            await products.product(ctx, number)
        with context_of(store.worker, NOBODY) as ctx:
            cancelled = CancelledAt(rename(ctx, number, f"Name {moment}"), moment, insists=insists)

            async def run(it: CancelledAt = cancelled) -> None:
                await it

            [outcome] = await asyncio.gather(asyncio.create_task(run()), return_exceptions=True)
            assert outcome is None or isinstance(outcome, asyncio.CancelledError)
        async with transaction():  # the connection is free, and nothing is left open on it
            name = (await Product.get(id=number)).name
        with context_of(store.other, NOBODY) as ctx:
            row = await products.product(ctx, number)
        assert row is not None
        if row.name != name:
            stale.append(moment)
        if not cancelled.reached:
            assert name == f"Name {moment}"
            return stale
    raise AssertionError("the write never ends")


@pytest.mark.parametrize("insists", [False, True])
async def test_a_client_that_goes_away_at_any_moment_leaves_nothing_stale(
    store: Store, insists: bool
) -> None:
    """Without a relay: what is committed is purged by its own writer."""
    assert await stale_after_cancellations(store, insists=insists) == []


async def test_without_the_shields_it_would(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of the last one."""

    async def only_awaited(work: Awaitable[Any]) -> Any:
        return await work

    monkeypatch.setattr(writing, "to_its_end", only_awaited)
    monkeypatch.setattr(store.worker.services.cache._purging, "_shielded", only_awaited)
    assert await stale_after_cancellations(store, insists=True) != []


# ---- while Redis is away ----


@pytest.mark.parametrize("rules", [ALL, ALL.without("w1_outbox")])
async def test_a_write_while_redis_is_away_is_published_by_whoever_reaches_it(
    store: Store, monkeypatch: pytest.MonkeyPatch, rules: Any
) -> None:
    number = store.products["P-1"].id
    cache = store.worker.services.cache
    cache.rules = cache._worker.rules = rules

    async def away(_tags: Iterable[str]) -> Position:
        raise StoreUnavailable("away")

    with context_of(store.other, NOBODY) as ctx:
        await products.product(ctx, number)
    monkeypatch.setattr(cache.store, "invalidate", away)
    with context_of(store.worker, NOBODY) as ctx:
        await rename(ctx, number, "New")
        assert ctx.session.is_unpublished == rules.w1_outbox
    relay = store.other.services.cache.relay
    assert relay is not None
    await relay.drain()
    with context_of(store.other, NOBODY) as ctx:
        row = await products.product(ctx, number)
    assert row is not None
    assert (row.name == "New") == rules.w1_outbox
    monkeypatch.undo()


# ---- what a write does to its own request ----


async def test_nothing_is_looked_up_or_stored_inside(store: Store) -> None:
    number = store.products["P-1"].id
    with context_of(store.worker, NOBODY) as ctx:
        await products.product(ctx, number)
        store.worker.facts.clear()
        async with write(ctx):
            await Product.filter(id=number).update(name="Never committed")
            row = await products.product(ctx, number)
            assert row is not None
            assert row.name == "Never committed"
            await Product.filter(id=number).update(name="Alpha Phone")
        assert store.worker.facts.count(Hit) == 0
        assert store.worker.facts.count(Filled) == 0
        again = await products.product(ctx, number)
        assert again is not None
        assert again.name == "Alpha Phone"


async def test_the_request_reads_anew_afterwards(store: Store) -> None:
    """Loaders remember for the request: a row that they read before the write is not kept (L2)."""
    number = store.products["P-1"].id
    with context_of(store.worker, NOBODY) as ctx:
        assert await ctx.loaders.stock.load(number) == 10
        async with write(ctx) as change:
            await Product.filter(id=number).update(stock=4)
            change.purges(tags.stock(number))
        assert await ctx.loaders.stock.load(number) == 4
        assert await products.stock(ctx, number) == 4


async def test_a_write_without_tags_purges_nothing(store: Store) -> None:
    with context_of(store.worker, NOBODY) as ctx:
        async with write(ctx):
            pass
    assert store.worker.facts.count(Invalidated) == 0
    assert await Outbox.all().count() == 0
