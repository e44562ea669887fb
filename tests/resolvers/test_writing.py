"""A write: one transaction, then the purge, then the answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from cache import Cache
from cache.facts import Filled, Hit, Invalidated
from models.database import transaction
from models.tables import Product
from resolvers import products, tags, writing
from resolvers.context import Context, Viewer
from resolvers.writing import write
from tests.support.store import Store, Worker, context_of

NOBODY = Viewer()


async def test_the_purge_comes_after_the_commit(store: Store) -> None:
    number = store.products["P-1"].id
    seen: list[str] = []

    class Watching(Cache):
        async def invalidate(self, tags: object) -> None:
            # A transaction of another connection would not see an open one's row.
            seen.append((await Product.get(id=number)).name)
            await super().invalidate(tags)  # type: ignore[arg-type]  # handed on as it came

    worker = Worker(store.redis, store.prefix, Watching)
    with context_of(worker, NOBODY) as ctx:
        async with write(ctx) as change:
            await Product.filter(id=number).update(name="New")
            change.purges(tags.product(number))
            assert seen == []
    assert seen == ["New"]
    await worker.close()


async def test_an_error_rolls_back_and_purges_nothing(store: Store) -> None:
    number = store.products["P-1"].id

    async def fail(ctx: Context) -> None:
        async with write(ctx) as change:
            await Product.filter(id=number).update(name="New")
            change.purges(tags.product(number))
            raise RuntimeError

    with context_of(store.worker, NOBODY) as ctx:
        with pytest.raises(RuntimeError):
            await fail(ctx)
        assert (await Product.get(id=number)).name == "Alpha Phone"
    assert store.worker.facts.count(Invalidated) == 0


async def test_a_commit_whose_outcome_is_unknown_purges(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit happens and its reply is lost: the caller gets an error, readers the new row."""
    number = store.products["P-1"].id

    @asynccontextmanager
    async def reply_is_lost() -> AsyncIterator[None]:
        async with transaction():
            yield
        raise ConnectionResetError

    async def rename(ctx: Context) -> None:
        async with write(ctx) as change:
            await Product.filter(id=number).update(name="New")
            change.purges(tags.product(number))

    monkeypatch.setattr(writing, "transaction", reply_is_lost)
    with context_of(store.worker, NOBODY) as ctx:
        await products.product(ctx, number)
        with pytest.raises(ConnectionResetError):
            await rename(ctx)
        row = await products.product(ctx, number)

    assert row is not None
    assert row.name == "New"


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
