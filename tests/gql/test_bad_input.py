"""Bad input: the error names the argument, what is allowed and what arrived; nothing is written."""

from typing import Any

import pytest

from models.tables import Order, Product, User
from resolvers.ids import encode_id
from resolvers.orders import NEWEST_FIRST
from resolvers.paging import Ordering, cursor
from resolvers.rows import ListItem
from tests.support.store import Store

PRICE_CURSOR = cursor(Ordering("PRICE_ASC", int), ListItem(1, 5))
ORDER_CURSOR = cursor(NEWEST_FIRST, ListItem(1, 5))
USER = encode_id("User", 1)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("{ product { sku } }", ["id, sku", "exactly one of the two", "neither"]),
        (f'{{ product(id: "{USER}", sku: "x") {{ sku }} }}', ["exactly one of the two", "both"]),
        ('{ product(id: "") { sku } }', ["id:", "a global id", "''"]),
        ('{ product(id: "42") { sku } }', ["id:", "a global id", "'42'"]),
        ("{ product(id: 42) { sku } }", ["id:", "a global id", "'42'"]),
        (f'{{ product(id: "{USER}") {{ sku }} }}', ["id:", "a Product", "a User"]),
        (f'{{ order(id: "{USER}") {{ number }} }}', ["id:", "an Order", "a User"]),
        ('{ user(id: "nonsense") { name } }', ["id:", "a global id", "'nonsense'"]),
        ('{ node(id: "nonsense") { id } }', ["id:", "a global id", "'nonsense'"]),
        ('{ product(sku: "a\\u0000b") { sku } }', ["sku:", "at most 400 characters, no NUL"]),
        ('{ category(slug: "\\u0000") { name } }', ["slug:", "at most 400 characters, no NUL"]),
        ("{ products(first: 1000) { totalCount } }", ["first:", "from 1 to 100", "1000"]),
        ("{ products(first: 0) { totalCount } }", ["first:", "from 1 to 100", "0"]),
        ("{ products(last: -1) { totalCount } }", ["last:", "from 1 to 100", "-1"]),
        ("{ products(first: 1, last: 1) { totalCount } }", ["last:", "together with first"]),
        ('{ products(after: "x") { totalCount } }', ["after:", "a cursor of this list", "'x'"]),
        (f'{{ products(before: "{PRICE_CURSOR}") {{ totalCount }} }}', ["before:", "NAME_ASC"]),
        (
            f'{{ products(orderBy: PRICE_ASC, after: "{ORDER_CURSOR}") {{ totalCount }} }}',
            ["after:", "in the order PRICE_ASC"],
        ),
        ('{ products(first: "3") { totalCount } }', ["Int", '"3"']),
        ("{ products(orderBy: CHEAPEST) { totalCount } }", ["CHEAPEST", "ProductOrder"]),
        (
            '{ products(filter: { minPrice: "1.999" }) { totalCount } }',
            ["filter.minPrice:", "0 to 999999999.99 with at most 2 decimal places", "1.999"],
        ),
        (
            '{ products(filter: { maxPrice: "-1" }) { totalCount } }',
            ["filter.maxPrice:", "0 to 999999999.99", "-1"],
        ),
        (
            '{ products(filter: { maxPrice: "1000000000" }) { totalCount } }',
            ["filter.maxPrice:", "999999999.99"],
        ),
        (
            '{ products(filter: { maxPrice: "NaN" }) { totalCount } }',
            ["filter.maxPrice:", "NaN", "0 to 999999999.99"],
        ),
        (
            '{ products(filter: { maxPrice: "1e3" }) { totalCount } }',
            ["filter.maxPrice:", "1e3", 'such as "12.50"'],
        ),
        ("{ products(filter: { maxPrice: 5 }) { totalCount } }", ["filter.maxPrice:", "got 5"]),
        ("{ products(filter: { maxPrice: 1.5 }) { totalCount } }", ["filter.maxPrice:", "got 1.5"]),
        (
            f'{{ products(filter: {{ search: "{"x" * 201}" }}) {{ totalCount }} }}',
            ["filter.search:", "at most 200 characters"],
        ),
        (
            '{ category(slug: "home") { products(filter: { categorySlug: "x" }) { totalCount } } }',
            ["filter.categorySlug:", "the list has one already"],
        ),
        (
            '{ brand(slug: "acme") { products(filter: { brandSlug: "x" }) { totalCount } } }',
            ["filter.brandSlug:", "the list has one already"],
        ),
        ("{ me { orders(first: 101) { totalCount } } }", ["first:", "from 1 to 100", "101"]),
        ('{ me { orders(after: "x") { totalCount } } }', ["after:", "NEWEST", "'x'"]),
        ("{ me { orders(status: LOST) { totalCount } } }", ["LOST", "OrderStatus"]),
        ("{ nothing }", ["nothing", "Query"]),
        ("{ products }", ["products", "ProductConnection"]),
    ],
)
async def test_queries(store: Store, query: str, words: list[str]) -> None:
    answer = await store.worker.post(query, store.tokens["ada"])
    [error] = answer["errors"]
    for word in words:
        assert word in error["message"], error["message"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert len(error["message"]) < 400


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # no row is read
@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"price": "NaN"}, ["filter.maxPrice:", "NaN", "0 to 999999999.99"]),
        ({"price": "Infinity"}, ["filter.maxPrice:", "Infinity", "0 to 999999999.99"]),
        ({"price": "1e5"}, ["filter.maxPrice:", "1e5", "0 to 999999999.99"]),
        ({"price": "１２"}, ["filter.maxPrice:", "１２"]),
        ({"price": 5}, ["filter.maxPrice:", "got 5"]),
        ({"price": True}, ["filter.maxPrice:", "got True"]),
        ({"price": ["5"]}, ["filter.maxPrice:", "['5']"]),
        ({"price": "9" * 40}, ["filter.maxPrice:", "0 to 999999999.99"]),
        ({"first": 2**31}, ["$first", "2147483648", "Int"]),
        ({"first": 1.5}, ["$first", "1.5", "Int"]),
        ({"first": "7"}, ["$first", "7", "Int"]),
    ],
)
async def test_variables(store: Store, variables: dict[str, Any], words: list[str]) -> None:
    query = (
        "query($price: Decimal, $first: Int) "
        "{ products(filter: { maxPrice: $price }, first: $first) { totalCount } }"
    )
    answer = await store.worker.post(query, **variables)
    [error] = answer["errors"]
    for word in words:
        assert word in error["message"], error["message"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"


PRODUCT = "PRODUCT"


@pytest.mark.parametrize(
    ("field", "data", "path", "words"),
    [
        ("updateProduct", {"id": "x"}, "id", ["a global id", "'x'"]),
        ("updateProduct", {"id": USER}, "id", ["the id of a Product", "the id of a User"]),
        ("updateProduct", {"id": PRODUCT, "name": ""}, "name", ["1 to 200 characters"]),
        ("updateProduct", {"id": PRODUCT, "name": "x" * 201}, "name", ["1 to 200 characters"]),
        ("updateProduct", {"id": PRODUCT, "name": "a\0"}, "name", ["control characters"]),
        ("updateProduct", {"id": PRODUCT, "price": "1.234"}, "price", ["2 decimal places"]),
        ("updateProduct", {"id": PRODUCT, "price": "1,5"}, "price", ["'1,5'", "0 to 999999999.99"]),
        ("updateProduct", {"id": PRODUCT, "price": 1.5}, "price", ["got 1.5"]),
        ("updateProduct", {"id": PRODUCT, "price": "-0.01"}, "price", ["0 to 999999999.99"]),
        ("updateProduct", {"id": PRODUCT, "stock": -1}, "stock", ["0 to 100000000", "-1"]),
        ("updateProduct", {"id": PRODUCT, "categorySlug": "\0"}, "categorySlug", ["NUL"]),
        ("updateProfile", {"name": " "}, "name", ["1 to 200 characters"]),
        ("updateProfile", {"avatarUrl": "ftp://x"}, "avatarUrl", ["http or https", "ftp://x"]),
        ("register", {"name": "A", "email": "a", "password": "12345678"}, "email", ["e-mail"]),
        ("register", {"name": "", "email": "a@b.c", "password": "12345678"}, "name", ["1 to 200"]),
        ("register", {"name": "A", "email": "a@b.c", "password": "1"}, "password", ["8 to 1024"]),
        ("changePassword", {"current": "x", "new": "1"}, "new", ["8 to 1024 bytes", "1 bytes"]),
        ("placeOrder", {"lines": []}, "lines", ["1 to 100 lines", "0 lines"]),
        (
            "placeOrder",
            {"lines": [{"productId": PRODUCT, "quantity": 1}] * 101},
            "lines",
            ["1 to 100 lines", "101 lines"],
        ),
        (
            "placeOrder",
            {"lines": [{"productId": PRODUCT, "quantity": 0}]},
            "lines.0.quantity",
            ["from 1 to 1000", "0"],
        ),
        (
            "placeOrder",
            {
                "lines": [
                    {"productId": PRODUCT, "quantity": 1},
                    {"productId": "x", "quantity": 1},
                ]
            },
            "lines.1.productId",
            ["a global id"],
        ),
        ("cancelOrder", {"orderId": "x"}, "orderId", ["a global id"]),
        ("cancelOrder", {"orderId": USER}, "orderId", ["the id of an Order"]),
        ("updateOrderStatus", {"orderId": "", "status": "PAID"}, "orderId", ["a global id"]),
        ("recordProductView", {"productId": USER}, "productId", ["the id of a Product"]),
    ],
)
async def test_mutations_name_the_field_and_write_nothing(
    store: Store, field: str, data: dict[str, Any], path: str, words: list[str]
) -> None:
    before = await _everything()
    kind = f"{field[0].upper()}{field[1:]}Input"
    query = f"mutation($i: {kind}!) {{ {field}(input: $i) {{ errors {{ code message path }} }} }}"
    data = _with_product(data, store.id("P-1"))
    answer = await store.worker.ask(query, store.tokens["staff"], i=data)
    [error] = answer[field]["errors"]
    assert error["code"] == "INVALID_INPUT"
    assert error["path"] == ["input", *path.split(".")]
    for word in words:
        assert word in error["message"], error["message"]
    assert await _everything() == before


async def _everything() -> list[Any]:
    tables: list[Any] = [Product, User, Order]
    return [await table.all().order_by("id").values() for table in tables]


def _with_product(data: Any, number: str) -> Any:
    if isinstance(data, dict):
        return {key: _with_product(value, number) for key, value in data.items()}
    if isinstance(data, list):
        return [_with_product(value, number) for value in data]
    return number if data == PRODUCT else data


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # no row is read
@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, ["required field 'id'"]),
        ({"id": PRODUCT, "stock": 1.5}, ["$input", ".stock", "1.5", "Int"]),
        ({"id": PRODUCT, "stock": 2**31}, ["$input", ".stock", "Int"]),
        ({"id": PRODUCT, "color": "red"}, ["color", "UpdateProductInput"]),
    ],
)
async def test_what_does_not_fit_the_schema(
    store: Store, data: dict[str, Any], words: list[str]
) -> None:
    query = (
        "mutation($input: UpdateProductInput!) "
        "{ updateProduct(input: $input) { product { name } } }"
    )
    answer = await store.worker.post(query, store.tokens["staff"], input=data)
    messages = " ".join(error["message"] for error in answer["errors"])
    for word in words:
        assert word in messages, messages
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"BAD_USER_INPUT"}


@pytest.mark.parametrize("length", [65, 101, 201, 400])
async def test_what_is_longer_than_any_key_is_unknown(store: Store, length: int) -> None:
    """No row can have it, and the database's mapper refuses to look for it."""
    long = "x" * length
    ids = [encode_id(kind, long[:250]) for kind in ("Brand", "Category", "Leaderboard")]
    nodes = " ".join(f'n{at}: node(id: "{node}") {{ id }}' for at, node in enumerate(ids))
    data = await store.worker.ask(
        f'{{ product(sku: "{long}") {{ id }} category(slug: "{long}") {{ id }}'
        f' brand(slug: "{long}") {{ id }} leaderboard(slug: "{long}") {{ id }}'
        f' products(filter: {{ brandSlug: "{long}" }}) {{ totalCount edges {{ cursor }} }}'
        f" {nodes} }}"
    )

    assert data.pop("products") == {"totalCount": 0, "edges": []}
    assert set(data.values()) == {None}


async def test_mutations_refuse_what_is_longer_than_any_key(store: Store) -> None:
    long = "x" * 300
    product = store.id("P-1")
    data = await store.worker.ask(
        f'mutation {{ updateProduct(input: {{id: "{product}", categorySlug: "{long}"}})'
        f" {{ errors {{ code path }} }}"
        f' submitScore(input: {{leaderboard: "{long}", player: "p", score: 1}})'
        f" {{ errors {{ code path }} }}"
        f' login(input: {{email: "{long}@example.com", password: "x"}})'
        f" {{ errors {{ code }} }} }}",
        store.tokens["staff"],
    )

    assert data["login"]["errors"] == [{"code": "UNAUTHENTICATED"}]
    assert data["updateProduct"]["errors"] == [
        {"code": "NOT_FOUND", "path": ["input", "categorySlug"]}
    ]
    assert data["submitScore"]["errors"] == [
        {"code": "NOT_FOUND", "path": ["input", "leaderboard"]}
    ]
