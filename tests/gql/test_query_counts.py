"""No N+1: a level of the tree is one statement, however many rows; a warm answer runs none."""

import pytest

from cache.policy import namespace_tag
from resolvers.tags import Namespace
from tests.support.counting import SqlCounter
from tests.support.store import Store

PRODUCTS = (
    "query($first: Int) { products(first: $first, orderBy: BEST_SELLING) { totalCount edges { node "
    "{ id name price { amount } stock stats { unitsSold views } brand { name } "
    "category { name parent { name parent { name } } } } } } }"
)
ORDERS = (
    "query($first: Int) { me { name email orders(first: $first) { totalCount edges { node { number "
    "customer { name email } lines { quantity product { name stock brand { name } } } } } } } }"
)
CATEGORIES = (
    "{ categories { name parent { name } products(first: 3) { totalCount edges { node { name "
    "brand { name } } } } } }"
)


async def test_a_list_of_products(store: Store) -> None:
    """The page, its count, the rows; then stock, units, brands, categories, a parent; and for the
    views, which are live values and must all be rebuilt here, three that are of one snapshot."""
    await store.worker.follow()
    await store.worker.ask(PRODUCTS, first=1)  # the counter of views sets itself up once
    await _forget(store)
    with SqlCounter() as few:
        await store.worker.ask(PRODUCTS, first=3)
    await _forget(store)
    with SqlCounter() as many:
        data = await store.worker.ask(PRODUCTS, first=8)
    assert len(data["products"]["edges"]) == 8
    assert many.count == few.count, many.statements
    assert many.count <= 11, many.statements


async def test_a_list_of_orders(store: Store) -> None:
    """Who asks, profile, account; page, count, rows, lines; products, their stock and brands."""
    for sku in ("P-1", "P-2", "H-1", "H-2", "X-1"):
        await store.order("ada", {sku: 1, "A-1": 1})
    token = store.tokens["ada"]
    await store.worker.follow()
    with SqlCounter() as few:
        await store.worker.ask(ORDERS, token, first=2)
    await _forget(store)
    with SqlCounter() as many:
        data = await store.worker.ask(ORDERS, token, first=5)
    assert len(data["me"]["orders"]["edges"]) == 5
    assert many.count == few.count, many.statements
    assert many.count <= 11, many.statements


async def test_categories_with_their_products(store: Store) -> None:
    """Each list is a statement, and each count; the rows of lists that come together are one."""
    with SqlCounter() as sql:
        data = await store.worker.ask(CATEGORIES)
    lists = len(data["categories"])
    # All categories, and by slug as parents and for the lists; lists, counts, rows; brands.
    assert sql.count <= 3 + 3 * lists + 1, sql.statements


async def test_only_columns_that_are_used_are_selected(store: Store) -> None:
    with SqlCounter() as sql:
        await store.worker.ask(PRODUCTS, first=3)
        await store.worker.ask(ORDERS, store.tokens["ada"], first=3)
    text = " ".join(sql.statements)
    assert "SELECT *" not in text
    for column in ("password_hash", "import_digest", "external_id"):
        assert column not in text


@pytest.mark.parametrize("query", [PRODUCTS, ORDERS, CATEGORIES])
async def test_the_second_time_runs_no_sql(store: Store, query: str) -> None:
    """On any worker. What it asks Redis is counted on the wire: `test_round_trips.py`."""
    await store.order("ada", {"P-1": 1, "H-1": 2})
    token = store.tokens["ada"]
    first = await store.worker.post(query, token, first=5)
    for worker in (store.worker, store.other):
        with SqlCounter() as sql:
            assert await worker.post(query, token, first=5) == first
        assert sql.count == 0, sql.statements


async def _forget(store: Store) -> None:
    """Purge everything: the next answer is made from the database."""
    await store.worker.services.cache.invalidate(map(namespace_tag, Namespace))
    await store.worker.settle()
