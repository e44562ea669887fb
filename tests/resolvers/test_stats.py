"""Views of products through the resolvers and the API: counted at once, on every worker."""

import asyncio

import pytest
from redis.asyncio import Redis

from cache import StoreUnavailable
from cache.breaker import Breaker
from cache.stores.connection import open_redis
from models.tables import Outbox, ProductStats
from resolvers.context import ANONYMOUS
from resolvers.errors import ErrorCode, Refused
from resolvers.ids import encode_id
from resolvers.stats import record_product_view, views
from tests.support.clients import Client, without_redis
from tests.support.polling import eventually
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


async def test_redis_not_reached_means_that_a_view_goes_to_the_database_at_once(
    store: Store, key_prefix: str
) -> None:
    product = store.products["P-1"].id
    await ProductStats.create(product_id=product, views=7)
    nobody = open_redis(f"redis://127.0.0.1:{free_port()}")
    alone = Worker(nobody, key_prefix)
    with context_of(alone, ANONYMOUS) as context:
        assert await views(context, product) == 7
        await record_product_view(context, product)
        assert await views(context, product) == 8
    assert await sql_views() == {product: 8}
    assert alone.services.views.counts.direct == 1
    await alone.close()
    await nobody.aclose()


async def test_with_an_idempotency_key_it_is_refused(store: Store, key_prefix: str) -> None:
    """The key is kept in Redis: the view may be there already."""
    product = store.products["P-1"].id
    async with without_redis(store) as alone:
        with context_of(alone, ANONYMOUS) as context, pytest.raises(Refused) as refusal:
            await record_product_view(context, product, "a-key")
    [error] = refusal.value.errors
    assert error.code is ErrorCode.UNAVAILABLE
    assert error.message.startswith("The view was not counted")
    assert await sql_views() == {}


# ---- one worker is cut off from Redis, the others are not ----


async def seen(client: Client, worker: Worker, store: Store) -> int:
    """The views of the product, as this client is told by this worker."""
    data = await client.ask(worker, VIEWS, id=store.id("P-1"))
    return int(data["product"]["stats"]["views"])


async def viewed_while_cut_off(store: Store, me: Client) -> None:
    """2 views at a worker, live at both · 1 more at one that cannot reach Redis, acknowledged."""
    for _ in range(2):
        await store.worker.ask(RECORD, id=store.id("P-1"))
    assert await seen(Client(), store.other, store) == 2
    async with without_redis(store) as cut_off:
        answer = (await me.post(cut_off, RECORD, id=store.id("P-1"))).json()
    recorded = answer["data"]["recordProductView"]
    # The two that wait in Redis are not known there.
    assert recorded == {"product": {"sku": "P-1", "stats": {"views": 1}}, "errors": []}
    assert await seen(Client(), store.other, store) == 2, "nobody has published it yet"


@pytest.mark.parametrize("client", ["header", "cookies"])
async def test_who_viewed_at_a_worker_that_is_cut_off_sees_it_at_the_next(
    store: Store, client: str
) -> None:
    me = Client(**{client: True})  # type: ignore[arg-type] # one of its two switches
    await viewed_while_cut_off(store, me)
    assert await seen(me, store.other, store) == 3
    assert await seen(Client(), store.worker, store) == 3, "it was published for all"
    await store.worker.services.views.flusher.flush()
    assert await sql_views() == {store.products["P-1"].id: 3}
    for worker in (store.worker, store.other):
        assert await seen(me, worker, store) == 3


async def test_everybody_sees_it_after_a_relays_look(store: Store) -> None:
    await viewed_while_cut_off(store, Client())
    await relayed(store)
    for worker in (store.worker, store.other):
        assert await seen(Client(), worker, store) == 3


async def relayed(store: Store) -> None:
    """A worker's relay looks until nothing waits."""
    relay = store.other.services.cache.relay
    assert relay is not None

    async def is_published() -> bool:
        await relay.step()
        return not await Outbox.filter(published_epoch=None).exists()

    await eventually(is_published)


async def test_control_who_only_publishes_the_row_leaves_live_values_as_they_are(
    store: Store,
) -> None:
    store.other.services.cache._beforehand._work.clear()
    me = Client(header=True)
    await viewed_while_cut_off(store, me)
    await relayed(store)
    assert await seen(me, store.other, store) == 2
    assert await seen(Client(), store.worker, store) == 2


async def test_who_cannot_make_live_values_invalid_does_not_publish_the_row(
    store: Store,
) -> None:
    async def fails() -> None:
        raise StoreUnavailable("not now")

    me = Client(header=True)
    await viewed_while_cut_off(store, me)
    cache, behind = store.other.services.cache, store.other.services.views
    cache.before_purge(behind.tag, fails)
    assert await seen(me, store.other, store) == 3, "read anew: it cannot be published"
    relay = cache.relay
    assert relay is not None

    async def is_refused() -> bool:
        try:
            await relay.step()
        except StoreUnavailable:
            return True
        return False

    await eventually(is_refused)
    assert await Outbox.filter(published_epoch=None).count() == 1
    cache.before_purge(behind.tag, behind.settle)
    await relayed(store)
    assert await seen(Client(), store.worker, store) == 3


async def test_many_views_at_once_at_workers_of_which_one_is_cut_off(store: Store) -> None:
    product, me = store.id("P-1"), Client(header=True)
    async with without_redis(store) as cut_off:
        workers = [store.worker, cut_off, store.other] * 10
        answers = await asyncio.gather(*(me.post(worker, RECORD, id=product) for worker in workers))
    assert not [each for each in answers if each.json()["data"]["recordProductView"]["errors"]]
    assert await seen(me, store.other, store) == 30
    await store.other.services.views.flusher.flush()
    assert await sql_views() == {store.products["P-1"].id: 30}
    assert await seen(me, store.worker, store) == 30


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
