"""Redis is emptied while views wait in it: exactly those are lost, and that is reported."""

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from redis.asyncio import Redis

from cache.stores.connection import open_redis
from models.tables import OrderStatus
from ops.embedded import ValkeyServer
from tests.support.polling import eventually
from tests.support.servers import valkey
from tests.support.store import Store, Worker
from tests.support.write_behind import sql_views

FLUSHED = {"P-1": 5, "P-2": 3, "H-1": 1}
BACKLOG = {"P-1": 4, "H-2": 2}
SINCE = {"P-1": 1, "P-2": 1, "H-2": 1}

SHOWN = """query($id: ID!) {
  product(id: $id) { name stock price { amount } stats { views unitsSold } }
  products(first: 20) { totalCount edges { node { name stock stats { views } } } }
  me { name loyaltyPoints orders(first: 20) { totalCount edges { node { status } } } }
}"""

Emptied = Callable[[ValkeyServer], Awaitable[None]]


async def in_the_same_process(server: ValkeyServer) -> None:
    """As an operator's mistake does it."""
    async with Redis.from_url(server.url) as redis:
        await redis.flushall()


async def with_its_disk(server: ValkeyServer) -> None:
    """The machine is gone, and another one takes its place."""
    await asyncio.to_thread(server.stop, kill=True)
    shutil.rmtree(server.directory)
    await asyncio.to_thread(server.start)


@pytest.fixture
async def server(database: str, key_prefix: str) -> AsyncIterator[tuple[ValkeyServer, Store]]:
    """A Valkey of one's own with the store, whose workers run; no flusher does."""
    with valkey() as server:
        redis = open_redis(server.url, budget=5.0)
        store = Store(redis, key_prefix)
        await store.seed()
        for worker in (store.worker, store.other):
            await worker.services.cache.start()
            assert await worker.services.cache.catch_up(30.0)
        yield server, store
        await store.close()
        await redis.aclose()


async def view(worker: Worker, store: Store, counts: dict[str, int]) -> None:
    """Acknowledged views."""
    for sku, count in counts.items():
        for _ in range(count):
            await worker.services.views.add(str(store.products[sku].id))


async def flush(worker: Worker) -> None:
    """Everything that waits. Whose lease was voided, by a stream that was opened, tries again."""
    views = worker.services.views

    async def is_empty() -> bool:
        await views.flusher.flush()
        return (await views.journal.peek()).operations == 0

    await eventually(is_empty, patience=60.0)


async def shown(worker: Worker, store: Store) -> object:
    """What ada is shown of a product, of the list, and of herself."""
    return await worker.ask(SHOWN, store.tokens["ada"], id=store.id("P-1"))


async def counted(store: Store) -> dict[str, int]:
    """What SQL has counted, by SKU."""
    found = await sql_views()
    skus = {product.id: sku for sku, product in store.products.items()}
    return {skus[number]: views for number, views in found.items()}


@pytest.mark.parametrize("emptied", [in_the_same_process, with_its_disk])
async def test_exactly_the_backlog_is_lost_it_is_reported_and_everything_else_is_right(
    server: tuple[ValkeyServer, Store], caplog: pytest.LogCaptureFixture, emptied: Emptied
) -> None:
    valkey_server, store = server
    await store.order("ada", {"P-1": 1}, OrderStatus.PAID)
    await view(store.worker, store, FLUSHED)
    await flush(store.worker)
    before = [await shown(worker, store) for worker in (store.worker, store.other)]
    await view(store.worker, store, BACKLOG)

    await emptied(valkey_server)

    async def goes_on() -> bool:
        for worker in (store.worker, store.other):
            cache = worker.services.cache
            if not await cache.reaches_store() or not await cache.catch_up(1.0):
                return False
        return True

    with caplog.at_level(logging.WARNING):
        await eventually(goes_on, patience=60.0)
        # All as it was when the last flush ended; a view more or less would be seen here.
        assert [await shown(worker, store) for worker in (store.worker, store.other)] == before
        await view(store.worker, store, SINCE)
    assert "no longer has the stream" in caplog.text
    assert f"last saw {sum(BACKLOG.values())} operations waiting" in caplog.text
    await flush(store.worker)
    skus = FLUSHED.keys() | SINCE.keys()
    kept = {sku: FLUSHED.get(sku, 0) + SINCE.get(sku, 0) for sku in skus}
    assert await counted(store) == kept
    caplog.clear()
    await view(store.other, store, {"H-1": 1})
    await flush(store.worker)
    assert await counted(store) == kept | {"H-1": 2}
    assert "lost" not in caplog.text, "what was reported once is not reported again"


async def test_control_with_its_log_nothing_of_the_backlog_is_lost(
    server: tuple[ValkeyServer, Store], caplog: pytest.LogCaptureFixture
) -> None:
    """The same server, killed and not emptied: the numbers above are those of the loss."""
    valkey_server, store = server
    await view(store.worker, store, FLUSHED)
    await flush(store.worker)
    await view(store.worker, store, BACKLOG)
    await asyncio.to_thread(valkey_server.stop, kill=True)
    await asyncio.to_thread(valkey_server.start)

    async def goes_on() -> bool:
        return await store.worker.services.cache.reaches_store()

    await eventually(goes_on, patience=60.0)
    with caplog.at_level(logging.WARNING):
        await view(store.worker, store, SINCE)
        await flush(store.worker)
    assert "no longer has the stream" not in caplog.text
    skus = FLUSHED.keys() | BACKLOG.keys() | SINCE.keys()
    parts = (FLUSHED, BACKLOG, SINCE)
    assert await counted(store) == {sku: sum(part.get(sku, 0) for part in parts) for sku in skus}
