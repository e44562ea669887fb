"""Each mutation's payload, when it works and when it is refused."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cache import StoreUnavailable
from gql.schema import product_mutations
from models.tables import Category, Order, OrderLine, Product, User
from resolvers import passwords, product_edits, tags
from resolvers.ids import encode_id
from tests.support.store import Answer, Store

GOOD = "correct horse"
ERRORS = "errors { code message path currentVersion }"

FIELDS = {
    "register": ("RegisterInput", "user { id name email }"),
    "login": ("LoginInput", "token expiresAt user { id name email role }"),
    "logout": ("LogoutInput", "done"),
    "changePassword": ("ChangePasswordInput", "user { name }"),
    "updateProfile": ("UpdateProfileInput", "user { name avatarUrl version }"),
    "updateProduct": (
        "UpdateProductInput",
        "product { sku name description version stock price { amount } category { slug } "
        "brand { slug } }",
    ),
    "placeOrder": (
        "PlaceOrderInput",
        "order { id number status total { amount currency } customer { loyaltyPoints } "
        "lines { quantity product { sku stock stats { unitsSold } } } }",
    ),
    "updateOrderStatus": ("UpdateOrderStatusInput", "order { status }"),
    "cancelOrder": (
        "CancelOrderInput",
        "order { status customer { loyaltyPoints } lines { product { stock } } }",
    ),
    "recordProductView": ("RecordProductViewInput", "product { sku stats { views } }"),
    "createProduct": (
        "CreateProductInput",
        "product { id sku name description version stock price { amount } category { slug } "
        "brand { slug } stats { unitsSold views } }",
    ),
    "deleteProduct": ("DeleteProductInput", "product { sku }"),
    "invalidateTags": ("InvalidateTagsInput", "tags"),
    "invalidateNamespace": ("InvalidateNamespaceInput", "namespace"),
}


async def run(store: Store, name: str, user: str | None, /, **data: Any) -> Answer:
    """A mutation's payload."""
    kind, selection = FIELDS[name]
    query = f"mutation($input: {kind}!) {{ {name}(input: $input) {{ {selection} {ERRORS} }} }}"
    token = store.tokens[user] if user else None
    payload: Answer = (await store.worker.ask(query, token, input=data))[name]
    return payload


async def refused(store: Store, name: str, user: str | None, /, **data: Any) -> Answer:
    """The one error of a mutation that must be refused, with nothing else in its payload."""
    payload = await run(store, name, user, **data)
    [error] = payload.pop("errors")
    assert not any(payload.values()), payload
    found: Answer = error
    return found


async def test_an_account_from_beginning_to_end(store: Store) -> None:
    made = await run(store, "register", None, name="Carl", email="Carl@example.com", password=GOOD)
    assert made["errors"] == []
    assert made["user"]["name"] == "Carl"
    assert made["user"]["email"] is None, "who registers is not logged in yet"

    entered = await run(store, "login", None, email="carl@EXAMPLE.com", password=GOOD)
    assert entered["user"] == {
        "id": made["user"]["id"],
        "name": "Carl",
        "email": "carl@example.com",
        "role": "CUSTOMER",
    }
    ends = datetime.fromisoformat(entered["expiresAt"])
    assert timedelta(minutes=59) < ends - datetime.now(UTC) <= timedelta(hours=1)
    store.tokens["carl"] = entered["token"]

    changed = await run(
        store, "updateProfile", "carl", name="Carl F.", avatarUrl="https://example.com/c.png"
    )
    assert changed["user"] == {
        "name": "Carl F.",
        "avatarUrl": "https://example.com/c.png",
        "version": 2,
    }
    changed = await run(store, "updateProfile", "carl", avatarUrl=None, name=None)
    assert changed["user"] == {"name": "Carl F.", "avatarUrl": None, "version": 3}

    new = await run(store, "changePassword", "carl", current=GOOD, new="battery staple")
    assert new == {"user": {"name": "Carl F."}, "errors": []}
    assert (await store.worker.ask("{ me { name } }", entered["token"]))["me"] is not None

    out = await run(store, "logout", "carl")
    assert out == {"done": True, "errors": []}
    for worker in (store.worker, store.other):
        assert await worker.ask("{ me { name } }", entered["token"]) == {"me": None}
    assert (await refused(store, "logout", "carl"))["code"] == "UNAUTHENTICATED"


async def test_after_logout_the_same_request_is_anonymous(store: Store) -> None:
    lines = f'{{ productId: "{store.id("P-1")}", quantity: 1 }}'
    data = await store.worker.ask(
        "mutation { logout { done } "
        f"placeOrder(input: {{ lines: [{lines}] }}) {{ order {{ id }} errors {{ code }} }} }}",
        store.tokens["ada"],
    )
    assert data["logout"] == {"done": True}
    assert data["placeOrder"] == {"order": None, "errors": [{"code": "UNAUTHENTICATED"}]}


async def test_after_login_the_same_request_is_the_user(store: Store) -> None:
    hashed = await passwords.hashed(GOOD)
    await User.filter(id=store.users["ada"].id).update(password_hash=hashed)
    data = await store.worker.ask(
        f'mutation {{ login(input: {{ email: "ada@example.com", password: "{GOOD}" }}) '
        '{ user { email } } updateProfile(input: { name: "Ada L." }) { user { name email } } }'
    )
    assert data["login"]["user"] == {"email": "ada@example.com"}
    assert data["updateProfile"]["user"] == {"name": "Ada L.", "email": "ada@example.com"}
    assert (await store.worker.ask("{ me { name } }")) == {"me": None}


async def test_an_edit_answers_with_what_is_now(store: Store) -> None:
    payload = await run(
        store,
        "updateProduct",
        "staff",
        id=store.id("P-1"),
        name="Omega",
        description="",
        price="0.01",
        categorySlug="home",
        brandSlug=None,
        stock=0,
        version=1,
    )
    assert payload["errors"] == []
    assert payload["product"] == {
        "sku": "P-1",
        "name": "Omega",
        "description": "",
        "version": 2,
        "stock": 0,
        "price": {"amount": "0.01"},
        "category": {"slug": "home"},
        "brand": None,
    }
    kept = await run(store, "updateProduct", "admin", id=store.id("P-1"), name=None, stock=None)
    assert kept["product"] == payload["product"]


async def test_a_conflict_names_the_version_that_is(store: Store) -> None:
    await run(store, "updateProduct", "staff", id=store.id("P-1"), name="Omega", version=1)
    error = await refused(
        store, "updateProduct", "staff", id=store.id("P-1"), price="1.00", version=1
    )
    assert error["code"] == "CONFLICT"
    assert error["currentVersion"] == 2
    assert error["path"] == ["input", "version"]
    error = await refused(store, "updateProfile", "ada", name="X", version=9)
    assert (error["code"], error["currentVersion"]) == ("CONFLICT", 1)


async def test_a_product_from_beginning_to_end(store: Store) -> None:
    made = await run(
        store,
        "createProduct",
        "staff",
        sku=" N-1 ",
        name="Nu Phone",
        description="New.",
        price="12.50",
        categorySlug="smart",
        brandSlug="acme",
        stock=3,
    )
    assert made["errors"] == []
    number = made["product"].pop("id")
    assert made["product"] == {
        "sku": "N-1",
        "name": "Nu Phone",
        "description": "New.",
        "version": 1,
        "stock": 3,
        "price": {"amount": "12.50"},
        "category": {"slug": "smart"},
        "brand": {"slug": "acme"},
        "stats": {"unitsSold": 0, "views": 0},
    }
    plain = await run(store, "createProduct", "admin", sku="N-2", name="Plain", price="0.00")
    assert (plain["product"]["category"], plain["product"]["stock"]) == (None, 0)

    lines = [{"productId": number, "quantity": 2}]
    order = (await run(store, "placeOrder", "ada", lines=lines))["order"]
    gone = await run(store, "deleteProduct", "staff", id=number)
    assert gone == {"product": {"sku": "N-1"}, "errors": []}
    for name, data, user in (
        ("deleteProduct", {"id": number}, "staff"),
        ("updateProduct", {"id": number, "name": "X"}, "staff"),
        ("placeOrder", {"lines": lines}, "ada"),
        ("recordProductView", {"productId": number}, None),
    ):
        assert (await refused(store, name, user, **data))["code"] == "NOT_FOUND", name
    kept = await run(store, "cancelOrder", "ada", orderId=order["id"])
    assert kept["order"]["lines"] == [{"product": {"stock": 3}}], "an order shows what was deleted"
    again = await refused(store, "createProduct", "staff", sku="N-1", name="Other", price="1.00")
    assert (again["code"], again["path"]) == ("INVALID_INPUT", ["input", "sku"])
    assert "is, or was, another product's" in again["message"]


async def test_purges_by_hand(store: Store) -> None:
    """For a database that was edited by other means: here behind the cache's back."""
    ask = f'{{ product(id: "{store.id("P-1")}") {{ name }} category(slug: "home") {{ name }} }}'
    await store.worker.ask(ask)
    await Product.filter(id=store.products["P-1"].id).update(name="Edited")
    await Category.filter(slug="home").update(name="Edited")
    assert (await store.worker.ask(ask))["product"]["name"] == "Alpha Phone"
    tag = tags.product(store.products["P-1"].id)
    payload = await run(store, "invalidateTags", "admin", tags=[tag, tag, "none such"])
    assert payload == {"tags": [tag, "none such"], "errors": []}
    assert (await store.other.ask(ask))["product"]["name"] == "Edited"
    assert (await store.other.ask(ask))["category"]["name"] == "Home"
    payload = await run(store, "invalidateNamespace", "admin", namespace="catalogue")
    assert payload == {"namespace": "catalogue", "errors": []}
    assert (await store.worker.ask(ask))["category"]["name"] == "Edited"


async def test_an_order_and_its_cancellation(store: Store) -> None:
    lines = [
        {"productId": store.id("P-1"), "quantity": 1},
        {"productId": store.id("X-1"), "quantity": 1},
    ]
    payload = await run(store, "placeOrder", "ada", lines=lines)
    assert payload["errors"] == []
    order = payload["order"]
    assert (order["status"], order["total"]) == (
        "PENDING",
        {"amount": "505.00", "currency": "EUR"},
    )
    assert order["customer"] == {"loyaltyPoints": 505}
    assert [line["product"]["stock"] for line in order["lines"]] == [9, 0]
    assert order["lines"][0]["product"]["stats"] == {"unitsSold": 11}

    error = await refused(
        store, "updateOrderStatus", "staff", orderId=order["id"], status="SHIPPED"
    )
    assert error["code"] == "CONFLICT"
    assert "is PENDING and can become PAID or CANCELLED" in error["message"]
    paid = await run(store, "updateOrderStatus", "staff", orderId=order["id"], status="PAID")
    assert paid == {"order": {"status": "PAID"}, "errors": []}

    payload = await run(store, "cancelOrder", "ada", orderId=order["id"])
    assert payload["order"] == {
        "status": "CANCELLED",
        "customer": {"loyaltyPoints": 0},
        "lines": [{"product": {"stock": 10}}, {"product": {"stock": 1}}],
    }
    error = await refused(store, "cancelOrder", "ada", orderId=order["id"])
    assert error["code"] == "CONFLICT"


async def test_too_few_pieces(store: Store) -> None:
    lines = [
        {"productId": store.id("H-1"), "quantity": 1},
        {"productId": store.id("S-1"), "quantity": 4},
    ]
    error = await refused(store, "placeOrder", "ada", lines=lines)
    assert error["code"] == "OUT_OF_STOCK"
    assert error["path"] == ["input", "lines", "1", "quantity"]
    assert await Order.all().count() == await OrderLine.all().count() == 0
    assert await store.stock_of("H-1") == 100


async def test_a_view_counts_at_once(store: Store) -> None:
    for views in (1, 2):
        payload = await run(store, "recordProductView", None, productId=store.id("P-1"))
        assert payload == {"product": {"sku": "P-1", "stats": {"views": views}}, "errors": []}


NOBODY = "UNAUTHENTICATED", None
CUSTOMER = "FORBIDDEN", "ada"
NEW = {"sku": "N-1", "name": "Nu", "price": "1.00"}


@pytest.mark.parametrize(
    ("name", "data", "code", "user"),
    [
        ("logout", {}, *NOBODY),
        ("changePassword", {"current": GOOD, "new": GOOD}, *NOBODY),
        ("updateProfile", {"name": "X"}, *NOBODY),
        ("updateProduct", {"id": "PRODUCT", "name": "X"}, *NOBODY),
        ("updateProduct", {"id": "PRODUCT", "name": "X"}, *CUSTOMER),
        ("placeOrder", {"lines": [{"productId": "PRODUCT", "quantity": 1}]}, *NOBODY),
        ("updateOrderStatus", {"orderId": "ORDER", "status": "PAID"}, *NOBODY),
        ("updateOrderStatus", {"orderId": "ORDER", "status": "PAID"}, *CUSTOMER),
        ("cancelOrder", {"orderId": "ORDER"}, *NOBODY),
        ("cancelOrder", {"orderId": "ORDER"}, "NOT_FOUND", "bob"),
        ("cancelOrder", {"orderId": "NO ORDER"}, "NOT_FOUND", "staff"),
        ("updateOrderStatus", {"orderId": "NO ORDER", "status": "PAID"}, "NOT_FOUND", "staff"),
        ("updateProduct", {"id": "NO PRODUCT", "name": "X"}, "NOT_FOUND", "staff"),
        ("updateProduct", {"id": "PRODUCT", "brandSlug": "none such"}, "NOT_FOUND", "staff"),
        ("recordProductView", {"productId": "NO PRODUCT"}, "NOT_FOUND", None),
        ("createProduct", NEW, *NOBODY),
        ("createProduct", NEW, *CUSTOMER),
        ("createProduct", {**NEW, "sku": "P-1"}, "INVALID_INPUT", "staff"),
        ("createProduct", {**NEW, "sku": "x" * 65}, "INVALID_INPUT", "staff"),
        ("createProduct", {**NEW, "sku": " "}, "INVALID_INPUT", "staff"),
        ("createProduct", {**NEW, "stock": -1}, "INVALID_INPUT", "staff"),
        ("createProduct", {**NEW, "categorySlug": ""}, "NOT_FOUND", "staff"),
        ("createProduct", {**NEW, "brandSlug": "none such"}, "NOT_FOUND", "staff"),
        ("deleteProduct", {"id": "PRODUCT"}, *NOBODY),
        ("deleteProduct", {"id": "PRODUCT"}, *CUSTOMER),
        ("deleteProduct", {"id": "NO PRODUCT"}, "NOT_FOUND", "staff"),
        ("deleteProduct", {"id": "ORDER"}, "INVALID_INPUT", "staff"),
        ("invalidateTags", {"tags": ["products"]}, *NOBODY),
        ("invalidateTags", {"tags": ["products"]}, "FORBIDDEN", "staff"),
        ("invalidateTags", {"tags": []}, "INVALID_INPUT", "admin"),
        ("invalidateTags", {"tags": ["x"] * 101}, "INVALID_INPUT", "admin"),
        ("invalidateTags", {"tags": ["x", ""]}, "INVALID_INPUT", "admin"),
        ("invalidateNamespace", {"namespace": "orders"}, "FORBIDDEN", "staff"),
        ("invalidateNamespace", {"namespace": "everything"}, "INVALID_INPUT", "admin"),
        ("login", {"email": "ada@example.com", "password": "wrong"}, *NOBODY),
        ("login", {"email": "nobody@example.com", "password": "wrong"}, *NOBODY),
        ("changePassword", {"current": "wrong", "new": GOOD}, "INVALID_INPUT", "ada"),
        (
            "register",
            {"name": "A", "email": "ADA@example.com", "password": GOOD},
            "INVALID_INPUT",
            None,
        ),
    ],
)
async def test_refusals_are_data(
    store: Store, name: str, data: dict[str, Any], code: str, user: str | None
) -> None:
    order = await store.order("ada", {"P-1": 1})
    ids = {
        "PRODUCT": store.id("P-1"),
        "ORDER": encode_id("Order", order.id),
        "NO ORDER": encode_id("Order", 999),
        "NO PRODUCT": encode_id("Product", 999),
    }
    error = await refused(store, name, user, **_filled(data, ids))
    assert error["code"] == code
    assert error["message"]


def _filled(data: Any, ids: dict[str, str]) -> Any:
    if isinstance(data, dict):
        return {key: _filled(value, ids) for key, value in data.items()}
    if isinstance(data, list):
        return [_filled(value, ids) for value in data]
    return ids.get(data, data)


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (TimeoutError("database is locked"), "UNAVAILABLE"),
        (ConnectionRefusedError(), "UNAVAILABLE"),
        (StoreUnavailable("Redis is away"), "UNAVAILABLE"),
    ],
)
async def test_a_part_that_is_away_is_data_too(
    store: Store, monkeypatch: pytest.MonkeyPatch, failure: Exception, code: str
) -> None:
    async def fail(*_: Any) -> int:
        raise failure

    monkeypatch.setattr(product_mutations.product_edits, "update_product", fail)
    error = await refused(store, "updateProduct", "staff", id=store.id("P-1"), name="X")
    assert (error["code"], error["path"]) == (code, None)


async def test_a_failure_in_the_middle_writes_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any) -> Any:
        raise TimeoutError("database is locked")

    monkeypatch.setattr(product_edits, "scopes_of", fail)
    error = await refused(store, "updateProduct", "staff", id=store.id("P-1"), name="X")
    assert error["code"] == "UNAVAILABLE"
    assert (await Product.get(id=store.products["P-1"].id)).name == "Alpha Phone"
