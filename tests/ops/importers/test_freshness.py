"""An import under a warmed server leaves nothing stale, and what it did not touch stays a hit."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from itertools import product as every
from pathlib import Path

import msgspec
import pytest
from redis.asyncio import Redis

from cache.facts import Hit
from models.queries.products import ProductOrder
from models.tables import Category, Order, OrderStatus, Product, Role, User
from ops.importers.superstore import Options, import_superstore
from resolvers import catalogue, orders, product_lists, products, users
from resolvers.context import Viewer
from resolvers.paging import PageSpan
from resolvers.product_lists import Selection
from tests.support.recording import Uncached
from tests.support.store import Worker, context_of
from tests.support.superstore import Purges, generate, write_rows

STAFF = Viewer(user_id=0, role=Role.STAFF)
SELECTIONS = (
    Selection(),
    Selection(category_slug="furniture"),
    Selection(category_slug="phones"),
    Selection(brand_slug="xerox"),
    Selection(category_slug="technology", brand_slug="at-t"),
    Selection(search="no. 1"),
    Selection(min_price=10_000, in_stock=True),
    Selection(category_slug="gadgets"),
    Selection(brand_slug="newcomer"),
)
NUMBERS = range(1, 16)
"""Ids of products, users and orders that are asked for: there, or not there yet."""


async def everything(worker: Worker) -> dict[str, bytes]:
    """What the store answers to every kind of question, each encoded."""
    context = context_of(worker, STAFF)
    found: dict[str, object] = {}
    with context:
        for chosen, by in every(SELECTIONS, ProductOrder):
            page = product_lists.product_page(context, chosen, by, PageSpan(limit=100))
            found[f"page {chosen} {by}"] = await page
        for chosen in SELECTIONS:
            found[f"count {chosen}"] = await product_lists.product_count(context, chosen)
        found["categories"] = await catalogue.all_categories(context)
        for slug in ("furniture", "technology", "phones", "gadgets"):
            found[f"category {slug}"] = await catalogue.category(context, slug)
        for slug in ("xerox", "at-t", "newcomer"):
            found[f"brand {slug}"] = await catalogue.brand(context, slug)
        for number in NUMBERS:
            found[f"product {number}"] = await products.product(context, number)
            found[f"sku {number}"] = await products.product_id_of(context, f"OFF-{number:08}")
            found[f"stock {number}"] = await products.stock(context, number)
            found[f"sold {number}"] = await products.units_sold(context, number)
            found[f"user {number}"] = await users.user(context, number)
            found[f"account {number}"] = await users.account(context, number)
            order = await orders.order(context, number)
            found[f"order {number}"] = order
            owner = order.user_id if order else 0
            found[f"lines {number}"] = await orders.order_lines(context, number, owner)
            for status in (None, *OrderStatus):
                page = orders.order_page(context, number, status, PageSpan(limit=100))
                found[f"orders {number} {status}"] = await page
                counted = orders.order_count(context, number, status)
                found[f"order count {number} {status}"] = await counted
    return {name: msgspec.json.encode(value) for name, value in found.items()}


class Two:
    """A worker that serves, the one through which an import purges, and the truth."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self.serving = Worker(redis, prefix)
        self.importing = Worker(redis, prefix)
        self.truth = Worker(redis, prefix, Uncached)

    async def load(self, folder: Path, rejects: Path, batch_rows: int = 500) -> int:
        options = Options(rejects=rejects, batch_rows=batch_rows)
        return (await import_superstore(folder, self.importing.services.cache, options)).changes

    async def close(self) -> None:
        for worker in (self.serving, self.importing, self.truth):
            await worker.close()


@pytest.fixture
async def workers(database: str, redis: Redis, key_prefix: str) -> AsyncIterator[Two]:
    made = Two(redis, key_prefix)
    yield made
    await made.close()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("fresh"), products=60, customers=35, orders=120)


def differences(cached: dict[str, bytes], true: dict[str, bytes]) -> Iterable[str]:
    return [
        f"{name}: {cached[name]!r}, not {true[name]!r}"
        for name in true
        if cached[name] != true[name]
    ]


@pytest.mark.parametrize("batch_rows", [7, 500])
async def test_what_was_not_there_is_seen_once_it_is(
    workers: Two, folder: Path, tmp_path: Path, batch_rows: int
) -> None:
    empty = await everything(workers.serving)
    workers.serving.facts.clear()
    assert await everything(workers.serving) == empty
    assert workers.serving.facts.hits == len(empty)

    await workers.load(folder, tmp_path / "r.csv", batch_rows)
    true = await everything(workers.truth)
    assert differences(await everything(workers.serving), true) == []
    # The control: most answers did change, so an import that purged nothing would be caught.
    assert len(list(differences(empty, true))) > len(true) / 3


async def test_a_reader_that_never_stops_ends_up_with_the_truth(
    workers: Two, folder: Path, tmp_path: Path
) -> None:
    done = asyncio.Event()

    async def read() -> int:
        rounds = 0
        while not done.is_set():
            await everything(workers.serving)
            rounds += 1
        return rounds

    reader = asyncio.create_task(read())
    await workers.load(folder, tmp_path / "r.csv", batch_rows=10)
    done.set()
    assert await reader > 0
    true = await everything(workers.truth)
    assert differences(await everything(workers.serving), true) == []


async def test_a_small_change_leaves_everything_else_a_hit(
    workers: Two, folder: Path, tmp_path: Path
) -> None:
    await workers.load(folder, tmp_path / "r.csv")
    before = await everything(workers.serving)
    changed = tmp_path / "changed"
    changed.mkdir()
    for file in ("products.csv", "customers.csv", "orders.csv", "order_lines.csv"):
        (changed / file).write_bytes((folder / file).read_bytes())
    one = await Product.get(sku="OFF-00000003").select_related("category__parent")
    columns = [one.category.parent.name, one.category.name, "Newcomer"]
    row = [one.sku, one.name, *columns, "0.01"]
    write_rows(changed, "products.csv", [row])

    assert await workers.load(changed, tmp_path / "r.csv") == 1
    workers.serving.facts.clear()
    after = await everything(workers.serving)
    assert differences(after, await everything(workers.truth)) == []
    different = [name for name in after if after[name] != before[name]]
    assert f"product {one.id}" in different
    assert "brand newcomer" in different
    hits = {fact.key for fact in workers.serving.facts if isinstance(fact, Hit)}
    # Rows of products, users and orders, and everything of users and orders: not one was purged.
    untouched = 4 * len(NUMBERS) - 1 + len(NUMBERS) * (4 + 2 * (1 + len(OrderStatus)))
    assert len(hits) >= untouched


async def test_an_import_of_nothing_new_purges_nothing(
    workers: Two, folder: Path, tmp_path: Path
) -> None:
    await workers.load(folder, tmp_path / "r.csv")
    warm = await everything(workers.serving)
    assert await workers.load(folder, tmp_path / "r.csv") == 0
    workers.serving.facts.clear()
    assert await everything(workers.serving) == warm
    assert workers.serving.facts.hits == len(warm)


async def test_a_new_line_reaches_its_orders_total_and_lines(
    workers: Two, folder: Path, tmp_path: Path
) -> None:
    await workers.load(folder, tmp_path / "r.csv")
    await everything(workers.serving)
    changed = tmp_path / "changed"
    changed.mkdir()
    for file in ("products.csv", "customers.csv", "orders.csv", "order_lines.csv"):
        (changed / file).write_bytes((folder / file).read_bytes())
    order = await Order.get(id=5)
    with (changed / "order_lines.csv").open("a") as file:
        file.write(f"{order.number},77,OFF-00000003,2,1000.00\n")
    points = (await User.get(id=order.user_id)).loyalty_points
    assert await workers.load(changed, tmp_path / "r.csv") == 1
    assert (await User.get(id=order.user_id)).loyalty_points >= points + 2000
    true = await everything(workers.truth)
    assert differences(await everything(workers.serving), true) == []


async def test_a_move_below_one_parent_leaves_the_parents_lists(
    workers: Two, folder: Path, tmp_path: Path
) -> None:
    """Its products are the same ones; and a name that folds alike is in the same place."""
    await workers.load(folder, tmp_path / "r.csv")
    one = await Product.get(sku="OFF-00000003").select_related("category__parent", "brand")
    sibling = await Category.filter(
        parent_id=one.category.parent.id, id__not=one.category.id
    ).first()
    assert sibling is not None
    brand = one.brand.name if one.brand else ""
    changed = tmp_path / "changed"
    changed.mkdir()
    for file in ("customers.csv", "orders.csv", "order_lines.csv"):
        (changed / file).write_bytes((folder / file).read_bytes())
    price = f"{one.price_minor / 100:.2f}"
    row = [one.sku, one.name.upper(), one.category.parent.name, sibling.name, brand, price]
    write_rows(changed, "products.csv", [row])
    purges = Purges()
    await import_superstore(changed, purges, Options(rejects=tmp_path / "r.csv"))

    facets = {name for name in purges.names if name.startswith("products:")}
    slugs = (one.category.slug, sibling.slug)
    assert facets == {f"products:category:{slug}:members" for slug in slugs}
