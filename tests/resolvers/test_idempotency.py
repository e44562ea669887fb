"""Idempotency keys of mutations that are written through."""

import asyncio
import hashlib
from collections.abc import Awaitable
from typing import Any

import pytest

from cache import StoreUnavailable
from cache.protocol import ALL
from models.queries import idempotency as queries
from models.tables import IdempotencyKey, Order, Outbox, Product, User
from resolvers import ordering, passwords
from tests.support.store import Answer, Store, Worker
from tests.support.worlds.gate import Gate

GOOD = "correct horse"
ORDER = (
    "mutation($input: PlaceOrderInput!) { placeOrder(input: $input) "
    "{ order { id status lines { product { stock } } } errors { code message path } } }"
)
CREATE = (
    "mutation($input: CreateProductInput!) { createProduct(input: $input) "
    "{ product { id sku } errors { code path } } }"
)
REGISTER = (
    "mutation($input: RegisterInput!) { register(input: $input) "
    "{ user { id name } errors { code path } } }"
)
BOARD = (
    "mutation($input: CreateLeaderboardInput!) { createLeaderboard(input: $input) "
    "{ leaderboard { slug name } errors { code path } } }"
)


async def order(
    store: Store, key: str | None, count: int = 1, user: str = "ada", worker: Worker | None = None
) -> Answer:
    """What `placeOrder` of some P-2 came to."""
    lines = [{"productId": store.id("P-2"), "quantity": count}]
    asked = worker or store.worker
    data = {"lines": lines, "idempotencyKey": key}
    payload: Answer = (await asked.ask(ORDER, store.tokens[user], input=data))["placeOrder"]
    return payload


async def test_the_same_call_again_happens_once_and_its_answer_is_read_anew(store: Store) -> None:
    first = await order(store, "one")
    assert first["order"]["lines"] == [{"product": {"stock": 4}}]
    await Product.filter(id=store.products["P-2"].id).update(stock=3)
    await store.worker.services.cache.invalidate([f"stock:{store.products['P-2'].id}"])
    again = await order(store, "one", worker=store.other)
    assert again["order"]["id"] == first["order"]["id"]
    assert again["order"]["lines"] == [{"product": {"stock": 3}}]
    assert await Order.all().count() == 1
    assert (await User.get(id=store.users["ada"].id)).loyalty_points == 400


async def test_without_a_key_or_with_another_it_happens_again(store: Store) -> None:
    for key in (None, None, "one", "two"):
        assert (await order(store, key))["errors"] == []
    assert await Order.all().count() == 4
    assert await IdempotencyKey.all().count() == 2


async def test_other_arguments_are_refused_and_do_nothing(store: Store) -> None:
    await order(store, "one")
    [error] = (await order(store, "one", 2))["errors"]
    assert (error["code"], error["path"]) == ("IDEMPOTENCY_MISMATCH", ["input", "idempotencyKey"])
    assert "placeOrder" in error["message"]
    assert await Order.all().count() == 1


async def test_a_key_is_its_viewers_and_its_mutations_own(store: Store) -> None:
    first = await order(store, "one")
    other = await order(store, "one", user="bob")
    assert other["errors"] == []
    assert other["order"]["id"] != first["order"]["id"]
    data = {"sku": "N-1", "name": "Nu", "price": "1.00", "idempotencyKey": "one"}
    made = await store.worker.ask(CREATE, store.tokens["staff"], input=data)
    assert made["createProduct"]["errors"] == []


async def test_a_refusal_is_kept_too(store: Store) -> None:
    """The client that asks again wants to know what became of its order, not to order now."""
    first = await order(store, "one", 6)
    assert [error["code"] for error in first["errors"]] == ["OUT_OF_STOCK"]
    await Product.filter(id=store.products["P-2"].id).update(stock=100)
    assert await order(store, "one", 6) == first
    assert await Order.all().count() == await Outbox.all().count() == 0
    assert (await order(store, "two", 6))["errors"] == []


async def test_what_is_refused_before_the_write_claims_no_key(store: Store) -> None:
    lines = [{"productId": store.id("P-2"), "quantity": 1}]
    answer = await store.worker.ask(ORDER, None, input={"lines": lines, "idempotencyKey": "one"})
    assert answer["placeOrder"]["errors"][0]["code"] == "UNAUTHENTICATED"
    assert (await order(store, "one", 0))["errors"][0]["code"] == "INVALID_INPUT"
    for key in ("", "x" * 201, "a\nb"):
        [error] = (await order(store, key))["errors"]
        assert error["path"] == ["input", "idempotencyKey"]
    assert await IdempotencyKey.all().count() == 0
    assert (await order(store, "one"))["errors"] == []


async def test_what_failed_is_tried_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any, **__: Any) -> Any:
        raise TimeoutError("database is locked")

    with monkeypatch.context() as patched:
        patched.setattr(ordering, "moved_tags", away)
        assert (await order(store, "one"))["errors"][0]["code"] == "UNAVAILABLE"
    assert await IdempotencyKey.all().count() == 0
    assert (await order(store, "one"))["errors"] == []


async def test_a_second_at_once_waits_for_the_first(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1. The first has claimed the key. 2. The second comes, on another worker, and waits.
    3. The first commits. 4. The second has the first's outcome."""
    gate, moved_tags = Gate(), ordering.moved_tags

    async def held(*arguments: Any, **named: Any) -> Any:
        await gate()
        return await moved_tags(*arguments, **named)

    monkeypatch.setattr(ordering, "moved_tags", held)
    first = asyncio.create_task(order(store, "one"))
    await gate.reached.wait()
    second = asyncio.create_task(order(store, "one", worker=store.other))
    assert not (await asyncio.wait({second}, timeout=0.3))[0], "it waits"
    gate.open()
    assert (await first)["order"] == (await second)["order"]
    assert await Order.all().count() == 1


async def test_a_password_must_be_the_same_and_no_fast_hash_of_it_is_kept(store: Store) -> None:
    data = {"name": "Carl", "email": "carl@example.com", "password": GOOD, "idempotencyKey": "one"}
    first = (await store.worker.ask(REGISTER, input=data))["register"]
    assert first["errors"] == []
    assert (await store.worker.ask(REGISTER, input=data))["register"] == first
    other = {**data, "password": "battery staple"}
    [error] = (await store.worker.ask(REGISTER, input=other))["register"]["errors"]
    assert error["code"] == "IDEMPOTENCY_MISMATCH"
    kept = await IdempotencyKey.get()
    assert await passwords.matches(kept.secret, GOOD)
    assert hashlib.sha256(GOOD.encode()).hexdigest() != kept.arguments
    taken = {**data, "idempotencyKey": "two"}
    for _ in range(2):
        [error] = (await store.worker.ask(REGISTER, input=taken))["register"]["errors"]
        assert (error["code"], error["path"]) == ("INVALID_INPUT", ["input", "email"])
    assert await User.filter(email="carl@example.com").count() == 1


async def test_products_and_leaderboards_are_made_once(store: Store) -> None:
    product = {"sku": "N-1", "name": "Nu", "price": "1.00", "idempotencyKey": "one"}
    board = {"slug": "new", "name": "New", "idempotencyKey": "one"}
    for query, data in ((CREATE, product), (BOARD, board)):
        first = await store.worker.ask(query, store.tokens["staff"], input=data)
        [payload] = first.values()
        assert payload["errors"] == []
        assert await store.other.ask(query, store.tokens["staff"], input=data) == first
        [payload] = (
            await store.worker.ask(query, store.tokens["staff"], input={**data, "name": "X"})
        ).values()
        assert payload["errors"][0]["code"] == "IDEMPOTENCY_MISMATCH"


async def test_a_key_is_kept_for_a_day_and_new_ones_remove_older(store: Store) -> None:
    await order(store, "one")
    for number in range(queries.PRUNED + 2):
        await order(store, f"old {number}", 6)
    await _age(hours=23)
    assert (await order(store, "one"))["errors"] == []
    assert await Order.all().count() == 1
    await _age(hours=2)
    assert (await order(store, "one", 2))["errors"] == [], "it is as if it were new"
    assert await Order.all().count() == 2
    assert await IdempotencyKey.all().count() == 1 + 2


async def _age(hours: int) -> None:
    """Let so much time pass for all keys."""
    db = IdempotencyKey._meta.db
    older = (
        f"created_at - interval '{hours} hours'"
        if db.capabilities.dialect == "postgres"
        else f"strftime('%Y-%m-%d %H:%M:%f', created_at, '-{hours} hours')"
    )
    await db.execute_query(f"UPDATE idempotency_keys SET created_at = {older}")


# ---- W6 ----

SHOWN = '{{ product(id: "{}") {{ stock stats {{ unitsSold }} }} }}'


async def _shown(store: Store, worker: Worker) -> Any:
    answer = await worker.ask(SHOWN.format(store.id("P-2")))
    return answer["product"]["stock"], answer["product"]["stats"]["unitsSold"]


@pytest.mark.parametrize("rules", [ALL, ALL.without("w6_replay")], ids=["w6", "without"])
async def test_a_repetition_on_another_worker_sees_what_the_first_could_not_publish(
    store: Store, monkeypatch: pytest.MonkeyPatch, rules: Any
) -> None:
    """1. A commits, and does not reach Redis. Its answer is lost on the way. 2. The client, which
    has no token, repeats at B, whose entries are of before."""
    store.other.services.cache.rules = rules
    await store.other.follow()
    before = await _shown(store, store.other)
    with monkeypatch.context() as cut_off:
        _cut_off(store.worker, cut_off)
        await order(store, "one")
    again = await order(store, "one", worker=store.other)
    seen = (await _shown(store, store.other))[0], again["order"]["lines"][0]["product"]["stock"]
    if rules is ALL:
        assert seen == (before[0] - 1, before[0] - 1)
    else:
        assert seen == (before[0], before[0]), "the control: what was acknowledged is not seen"


@pytest.mark.parametrize("rules", [ALL, ALL.without("w6_replay")], ids=["w6", "without"])
async def test_a_second_that_waited_sees_what_the_first_has_not_published(
    store: Store, monkeypatch: pytest.MonkeyPatch, rules: Any
) -> None:
    """1. A commits. 2. B, which waited for the key, goes on. 3. A purges."""
    store.other.services.cache.rules = rules
    await store.other.follow()
    before = await _shown(store, store.other)
    gate, publish = Gate(), store.worker.services.cache.publish

    async def late(*arguments: Any) -> None:
        await gate()
        await publish(*arguments)

    monkeypatch.setattr(store.worker.services.cache, "publish", late)
    first = asyncio.create_task(order(store, "one"))
    await gate.reached.wait()
    second = await order(store, "one", worker=store.other)
    stock = second["order"]["lines"][0]["product"]["stock"]
    assert stock == (before[0] - 1 if rules is ALL else before[0])
    gate.open()
    assert (await first)["order"]["id"] == second["order"]["id"]


def _cut_off(worker: Worker, patch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any, **__: Any) -> Awaitable[Any]:
        raise StoreUnavailable("away")

    patch.setattr(worker.services.cache.store, "invalidate", away)


# ---- written behind ----

VIEW = (
    "mutation($input: RecordProductViewInput!) { recordProductView(input: $input) "
    "{ product { stats { views } } errors { code path } } }"
)


async def test_a_view_with_a_key_counts_once(store: Store) -> None:
    async def view(sku: str, worker: Worker, user: str | None = None) -> Any:
        data = {"productId": store.id(sku), "idempotencyKey": "one"}
        token = store.tokens[user] if user else None
        return (await worker.ask(VIEW, token, input=data))["recordProductView"]

    for worker in (store.worker, store.other):
        payload = await view("P-1", worker)
        assert payload == {"product": {"stats": {"views": 1}}, "errors": []}
    [error] = (await view("P-2", store.worker))["errors"]
    assert error == {"code": "IDEMPOTENCY_MISMATCH", "path": ["input", "idempotencyKey"]}
    assert (await view("P-2", store.worker, "ada"))["product"] == {"stats": {"views": 1}}
