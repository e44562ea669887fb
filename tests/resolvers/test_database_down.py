"""PostgreSQL is stopped for a while: what waits is kept, in order; what cannot wait is refused.

    OUTAGE_SECONDS=30 python -m pytest tests/resolvers/test_database_down.py

is the long form, the same steps: here it is down for as long as it takes to see all of them.
"""

import asyncio
import os
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import pytest
from redis.asyncio import Redis
from tortoise.context import require_context

from cache.writes import NotAcknowledged, WriteBehind, WriteBehindSettings
from cache.writes.journal import Journal
from models.database import connect, disconnect, is_unavailable
from models.tables import Order, Outbox, Product
from tests.support import store as support
from tests.support.polling import eventually
from tests.support.servers import PostgresServer, PostgresTemplate
from tests.support.store import Store, Worker
from tests.support.write_behind import sql_views

SECONDS = float(os.environ.get("OUTAGE_SECONDS", "2"))
LIMIT = 120
"""The high-water mark: views that may wait."""

SKUS = ("P-1", "P-2", "H-1")

ONE_BY_ONE = WriteBehindSettings(batch=1, limit=LIMIT, max_age=0.2, longest_pause=0.5)
"""One operation a transaction, so that SQL shows in which order they were applied."""

_NOTED = """
CREATE TABLE applied (number BIGSERIAL PRIMARY KEY, product_id BIGINT, views BIGINT);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN INSERT INTO applied (product_id, views) VALUES (NEW.product_id, NEW.views);
  RETURN NEW; END $$;
CREATE TRIGGER noted AFTER INSERT OR UPDATE ON product_stats
  FOR EACH ROW EXECUTE FUNCTION note();
"""

ORDER = """mutation($input: PlaceOrderInput!) {
  placeOrder(input: $input) { order { number } errors { code } } }"""
EDIT = """mutation($input: UpdateProductInput!) {
  updateProduct(input: $input) { product { name } errors { code } } }"""
REGISTER = """mutation($input: RegisterInput!) {
  register(input: $input) { user { name } errors { code } } }"""
VIEW = """mutation($input: RecordProductViewInput!) {
  recordProductView(input: $input) { product { name } errors { code message } } }"""


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL that is stopped, and started with its data."""
    with PostgresServer(is_durable=True, outlives_stops=True) as server:
        yield server


@pytest.fixture(scope="module")
def template(postgres: PostgresServer) -> PostgresTemplate:
    return PostgresTemplate(postgres)


@pytest.fixture
async def store(
    template: PostgresTemplate, redis: Redis, key_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Store]:
    """The store there; triggers note each change of a product's views."""
    fresh = template.fresh()
    url = await asyncio.to_thread(fresh.__enter__)
    await connect(url)
    await require_context().db().execute_script(_NOTED)
    monkeypatch.setattr(support, "WriteBehind", partial(WriteBehind, settings=ONE_BY_ONE))
    made = Store(redis, key_prefix)
    await made.seed()
    await made.worker.services.cache.start()
    assert await made.worker.services.cache.catch_up(30.0)
    yield made
    await made.close()
    await disconnect()
    await asyncio.to_thread(fresh.__exit__, None, None, None)


class Appends:
    """Views of three products in turns; each has another amount, so that it can be told apart."""

    def __init__(self, store: Store, views: WriteBehind) -> None:
        self._products = [store.products[sku].id for sku in SKUS]
        self._views = views
        self._next = 0
        self.acknowledged: dict[int, list[int]] = defaultdict(list)
        self.refusals: list[NotAcknowledged] = []

    @property
    def number(self) -> int:
        """How many are acknowledged."""
        return sum(len(amounts) for amounts in self.acknowledged.values())

    async def one(self) -> None:
        """One more."""
        self._next += 1
        product = self._products[self._next % len(self._products)]
        try:
            await self._views.add(str(product), self._next)
        except NotAcknowledged as error:
            self.refusals.append(error)
        else:
            self.acknowledged[product].append(self._next)


async def applied() -> dict[int, list[int]]:
    """The amounts that were added to each product in SQL, in the order of their commits."""
    _, rows = (
        await require_context()
        .db()
        .execute_query("SELECT product_id, views FROM applied ORDER BY number")
    )
    amounts: dict[int, list[int]] = defaultdict(list)
    for row in rows:
        before = sum(amounts[row["product_id"]])
        amounts[row["product_id"]].append(row["views"] - before)
    return amounts


async def is_empty(views: WriteBehind) -> bool:
    """Whether nothing waits to be flushed."""
    return (await views.journal.peek()).operations == 0


def codes(answer: dict[str, Any]) -> set[str]:
    """The codes of what went wrong."""
    found = {error["extensions"]["code"] for error in answer.get("errors", ())}
    for payload in (answer.get("data") or {}).values():
        found |= {error["code"] for error in (payload or {}).get("errors", ())}
    return found


async def written_through(worker: Worker, store: Store) -> list[dict[str, Any]]:
    """Mutations that cannot wait: an order, an edit, a new user."""
    lines = [{"productId": store.id("H-1"), "quantity": 1}]
    user = {"name": "Carl", "email": "carl@example.com", "password": "correct horse"}
    edit = {"id": store.id("P-1"), "name": "Changed"}
    return [
        await worker.post(ORDER, store.tokens["ada"], input={"lines": lines}),
        await worker.post(EDIT, store.tokens["staff"], input=edit),
        await worker.post(REGISTER, None, input=user),
    ]


async def test_what_waits_is_kept_up_to_its_limit_and_what_cannot_wait_is_refused(
    store: Store, postgres: PostgresServer
) -> None:
    views = store.worker.services.views
    views.start()
    appends = Appends(store, views)
    for _ in SKUS:
        await appends.one()
    await eventually(lambda: is_empty(views))
    name = "query($id: ID!) { product(id: $id) { name } }"
    shown = await store.worker.ask(name, id=store.id("P-1"))

    await asyncio.to_thread(postgres.down)
    began = time.monotonic()
    before = appends.number
    while appends.number - before < LIMIT:
        assert appends.refusals == [], "it refused before its limit"
        await appends.one()
    while len(appends.refusals) < 10 or time.monotonic() - began < SECONDS:
        await appends.one()
        for answer in await written_through(store.worker, store):
            assert codes(answer) == {"UNAVAILABLE"}, answer
        assert await store.worker.ask(name, id=store.id("P-1")) == shown, "it was cached"
        one_more = {"productId": store.id("P-1")}
        refused = await store.worker.post(VIEW, None, input=one_more)
        assert codes(refused) == {"UNAVAILABLE"}
        assert "was not counted" in refused["data"]["recordProductView"]["errors"][0]["message"]
    assert appends.number == before + LIMIT
    for error in appends.refusals:
        assert not error.sent
        assert "wait for the database already" in str(error)
    await asyncio.to_thread(postgres.up)
    lasted = time.monotonic() - began

    await eventually(lambda: is_empty(views), patience=120.0)
    print(f"down for {lasted:.1f} s; {appends.number} applied, {len(appends.refusals)} refused")
    assert await applied() == appends.acknowledged, "every one, once, in order for each product"
    counted = {product: sum(amounts) for product, amounts in appends.acknowledged.items()}
    assert await sql_views() == counted
    for worker in (store.worker, store.other):
        keys = [str(product) for product in counted]
        assert await worker.services.views.read(keys) == list(counted.values())
    assert [await Order.all().count(), await Outbox.all().count()] == [0, 0], "of nothing"
    assert (await Product.get(id=store.products["P-1"].id)).name == "Alpha Phone"
    assert (await Product.get(id=store.products["H-1"].id)).stock == 100
    assert [codes(answer) for answer in await written_through(store.worker, store)] == [set()] * 3
    await views.stop(30.0)


async def test_control_a_flusher_that_trims_before_it_commits_loses_what_was_acknowledged(
    store: Store, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Journal.pending

    async def read_and_trimmed(journal: Journal, *arguments: Any) -> Any:
        found = await original(journal, *arguments)
        await journal.trim(found.applied)
        return found

    monkeypatch.setattr(Journal, "pending", read_and_trimmed)
    views = store.worker.services.views
    appends = Appends(store, views)
    await appends.one()
    await views.flusher.flush()  # it has the lease now, and need not ask for it
    for _ in range(5):
        await appends.one()
    await asyncio.to_thread(postgres.down)
    with pytest.raises(Exception, check=is_unavailable):  # noqa: B017 - the check says which
        await views.flusher.flush()
    await asyncio.to_thread(postgres.up)
    views.start()
    await eventually(lambda: is_empty(views), patience=60.0)
    await views.stop(30.0)
    assert await applied() != appends.acknowledged
    assert sum(map(len, (await applied()).values())) == appends.number - 1
