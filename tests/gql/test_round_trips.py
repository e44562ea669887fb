"""What a warm answer costs: no SQL, and few exchanges with Redis.

A worker that follows the log needs at most two from memory (who asks is read strictly, and live
counters are not remembered), at most one for each level from Redis; one that does not follow needs
two for each level.
"""

from collections.abc import AsyncIterator

import pytest

from cache import Cache, CacheSettings
from cache.call import Call
from cache.stores.connection import GuardedRedis, open_redis
from tests.support.counting import SqlCounter
from tests.support.store import Store, Worker

QUERIES = {
    # The levels on which fields ask for something, one below the other; the session is one more.
    "a product": (1, '{ product(sku: "P-1") { name price { amount } } }', None),
    "a product and what belongs to it": (
        3,
        '{ product(sku: "P-1") { stock category { name parent { name } } brand { name }'
        " stats { views unitsSold } } }",
        None,
    ),
    "a page": (
        4,
        "{ products(first: 20) { totalCount edges { node { name price { amount } stock"
        " category { name parent { name } } brand { name } stats { views unitsSold } } } } }",
        None,
    ),
    "a category's page": (
        4,
        '{ category(slug: "electronics") { name products(first: 5, orderBy: PRICE_ASC)'
        " { totalCount edges { node { name brand { name } } } } } }",
        None,
    ),
    "my orders": (
        7,
        "{ me { name email loyaltyPoints orders(first: 20) { totalCount edges { node {"
        " number status customer { name } lines { quantity product { name stock } } } } } } }",
        "ada",
    ),
}


@pytest.fixture
async def wire(redis_url: str) -> AsyncIterator[GuardedRedis]:
    client = open_redis(redis_url, budget=5.0)
    yield client
    await client.aclose()


@pytest.fixture
async def store(database: str, wire: GuardedRedis, key_prefix: str) -> AsyncIterator[Store]:
    made = Store(wire, key_prefix)
    await made.seed()
    for sku in ("P-1", "P-2"):
        await made.worker.ask(
            "mutation ($id: ID!) { placeOrder(input: {lines: [{productId: $id, quantity: 1}]})"
            " { errors { message } } }",
            made.tokens["ada"],
            id=made.id(sku),
        )
    await made.worker.settle()
    yield made
    await made.close()


async def cost(
    worker: Worker, wire: GuardedRedis, query: str, token: str | None
) -> tuple[int, int]:
    """Statements and exchanges of one answer."""
    before = wire.round_trips
    with SqlCounter() as sql:
        await worker.ask(query, token)
    return sql.count, wire.round_trips - before


@pytest.mark.parametrize("name", QUERIES)
async def test_from_memory(store: Store, wire: GuardedRedis, name: str) -> None:
    _, query, who = QUERIES[name]
    token = store.tokens[who] if who else None
    await store.worker.follow()
    await store.worker.ask(query, token)

    statements, exchanges = await cost(store.worker, wire, query, token)

    assert statements == 0
    assert exchanges <= (1 if token else 0) + query.count("stats")


@pytest.mark.parametrize("name", QUERIES)
async def test_from_redis_by_the_log(store: Store, wire: GuardedRedis, name: str) -> None:
    levels, query, who = QUERIES[name]
    token = store.tokens[who] if who else None
    worker = Worker(wire, store.prefix, settings=CacheSettings(memory_bytes=1))
    await worker.follow()
    await worker.ask(query, token)

    statements, exchanges = await cost(worker, wire, query, token)
    await worker.close()

    assert statements == 0
    assert exchanges <= levels + 1


@pytest.mark.parametrize("name", QUERIES)
async def test_the_second_time_runs_no_sql(store: Store, wire: GuardedRedis, name: str) -> None:
    levels, query, who = QUERIES[name]
    token = store.tokens[who] if who else None
    await store.worker.ask(query, token)

    statements, exchanges = await cost(store.worker, wire, query, token)

    assert statements == 0
    assert exchanges <= 2 * levels


async def test_the_counters_see_a_cache_that_does_not_batch(
    store: Store, wire: GuardedRedis
) -> None:
    """The control: a worker that asks for each value by itself, and one that caches nothing."""

    class OneByOne(Cache):
        async def get_or_load(self, call: Call) -> object:
            await self.store.get([call.key])
            await self.store.look(call.tags())
            return await super().get_or_load(call)

    class Nothing(Cache):
        async def get_or_load(self, call: Call) -> object:
            return await call.load()

    levels, query, _ = QUERIES["a page"]
    slow = Worker(wire, store.prefix, OneByOne)
    uncached = Worker(wire, store.prefix, Nothing)
    await slow.ask(query)

    assert (await cost(slow, wire, query, None))[1] > 2 * levels
    assert (await cost(uncached, wire, query, None))[0] > 0
    await slow.close()
    await uncached.close()
