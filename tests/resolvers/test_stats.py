"""Views of products through the resolvers and the API: counted at once, on every worker."""

import asyncio

import pytest
from redis.asyncio import Redis

from cache.breaker import Breaker
from cache.stores.connection import open_redis
from models.tables import ProductStats
from resolvers.context import ANONYMOUS
from resolvers.errors import ErrorCode, Refused
from resolvers.ids import encode_id
from resolvers.stats import record_product_view, views
from tests.support.servers import free_port, valkey
from tests.support.store import Store, Worker, context_of
from tests.support.write_behind import sql_views

VIEWS = "query ($id: ID!) { product(id: $id) { stats { views } } }"
RECORD = """mutation ($id: ID!) { recordProductView(input: {productId: $id}) {
  product { sku stats { views } } errors { code message path } } }"""


async def test_a_view_is_in_its_own_answer_and_on_every_worker_at_once(store: Store) -> None:
    product = store.id("P-1")
    for count in range(1, 4):
        answer = await store.worker.ask(RECORD, id=product)
        assert answer["recordProductView"] == {
            "product": {"sku": "P-1", "stats": {"views": count}},
            "errors": [],
        }
        for worker in (store.worker, store.other):
            seen = await worker.ask(VIEWS, id=product)
            assert seen["product"]["stats"]["views"] == count
    assert await sql_views() == {}
    await store.other.services.views.flusher.flush()
    assert await sql_views() == {store.products["P-1"].id: 3}
    assert (await store.worker.ask(VIEWS, id=product))["product"]["stats"]["views"] == 3


async def test_views_from_both_workers_at_once_are_all_counted(store: Store) -> None:
    product = store.id("H-1")
    workers = [store.worker, store.other] * 20
    await asyncio.gather(*(worker.ask(RECORD, id=product) for worker in workers))
    assert (await store.other.ask(VIEWS, id=product))["product"]["stats"]["views"] == 40


async def test_an_unknown_product_is_not_found_and_counts_nothing(store: Store) -> None:
    answer = await store.worker.ask(RECORD, id=encode_id("Product", 999_999))
    [error] = answer["recordProductView"]["errors"]
    assert error["code"] == "NOT_FOUND"
    assert error["path"] == ["input", "productId"]
    assert answer["recordProductView"]["product"] is None
    assert await store.worker.services.views.flusher.flush() == 0


async def test_a_view_purges_nothing(store: Store) -> None:
    product = store.id("P-1")
    await store.worker.ask(VIEWS, id=product)
    store.worker.facts.clear()
    await store.worker.ask(RECORD, id=product)
    await store.worker.ask(VIEWS, id=product)
    kinds = {type(fact).__name__ for fact in store.worker.facts}
    assert "Hit" in kinds
    assert not kinds & {"Invalidated", "Missed"}


@pytest.mark.usefixtures("database")
async def test_redis_not_reached_means_not_counted_and_reads_come_from_sql(
    store: Store, key_prefix: str
) -> None:
    product = store.products["P-1"].id
    await ProductStats.create(product_id=product, views=7)
    nobody = open_redis(f"redis://127.0.0.1:{free_port()}")
    alone = Worker(nobody, key_prefix)
    with context_of(alone, ANONYMOUS) as context:
        assert await views(context, product) == 7
        with pytest.raises(Refused) as refusal:
            await record_product_view(context, product)
    [error] = refusal.value.errors
    assert error.code is ErrorCode.UNAVAILABLE
    await alone.close()
    await nobody.aclose()


async def test_redis_that_hangs_means_that_nobody_knows(store: Store, key_prefix: str) -> None:
    product = store.products["P-1"].id
    with valkey() as server:
        # Else what is asked before it opens the breaker, and the view is not sent at all.
        redis: Redis = open_redis(server.url, breaker=Breaker(threshold=100))
        worker = Worker(redis, key_prefix)
        with context_of(worker, ANONYMOUS) as context:
            await record_product_view(context, product)
            server.pause()
            try:
                with pytest.raises(Refused) as refusal:
                    await record_product_view(context, product)
            finally:
                server.resume()
        [error] = refusal.value.errors
        assert error.code is ErrorCode.UNAVAILABLE
        assert error.message.startswith("The view may or may not have been counted")
        await worker.close()
        await redis.aclose()
