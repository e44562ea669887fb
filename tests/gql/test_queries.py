"""What can be asked, and what each viewer sees."""

from typing import Any

import pytest

from cache.facts import Defect
from models.tables import OrderStatus, Product
from resolvers.ids import encode_id
from tests.support.shapes import order_shapes, product_shapes, user_shapes
from tests.support.store import Store

LIST = (
    "{ totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor } "
    "edges { cursor node { sku } } }"
)


async def _skus(store: Store, arguments: str) -> list[str]:
    data = await store.worker.ask(f"{{ products({arguments}) {LIST} }}")
    return [edge["node"]["sku"] for edge in data["products"]["edges"]]


async def test_a_product_in_full(store: Store) -> None:
    query = (
        "query($id: ID!) { product(id: $id) { id sku name description version stock createdAt "
        "updatedAt price { amount currency } category { id slug name parent { slug name } } "
        "brand { id slug name } stats { unitsSold views } } }"
    )
    data = await store.worker.ask(query, id=store.id("P-1"))
    assert data["product"] == {
        "id": store.id("P-1"),
        "sku": "P-1",
        "name": "Alpha Phone",
        "description": "The Alpha Phone.",
        "version": 1,
        "stock": 10,
        "createdAt": "2026-01-01T12:00:00Z",
        "updatedAt": "2026-01-01T12:00:00Z",
        "price": {"amount": "500.00", "currency": "EUR"},
        "category": {
            "id": encode_id("Category", "phones"),
            "slug": "phones",
            "name": "Phones",
            "parent": {"slug": "electronics", "name": "Electronics"},
        },
        "brand": {"id": encode_id("Brand", "acme"), "slug": "acme", "name": "Acme"},
        "stats": {"unitsSold": 10, "views": 0},
    }
    by_sku = await store.worker.ask('{ product(sku: "P-1") { id } }')
    assert by_sku == {"product": {"id": store.id("P-1")}}


async def test_what_is_not_there_is_null(store: Store) -> None:
    ids = {
        "p": encode_id("Product", 2**60),
        "o": encode_id("Order", 999),
        "u": encode_id("User", 999),
        "c": encode_id("Category", "none such"),
    }
    data = await store.worker.ask(
        "query($p: ID!, $o: ID!, $u: ID!, $c: ID!) { product(id: $p) { sku } "
        "order(id: $o) { number } user(id: $u) { name } me { id } "
        'category(slug: "none such") { name } brand(slug: "") { name } '
        'sku: product(sku: "none such") { sku } node(id: $c) { id } other: node(id: $p) { id } }',
        **ids,
    )
    assert set(data.values()) == {None}
    empty = await store.worker.ask(
        '{ products(filter: { categorySlug: "none such" }) { totalCount edges { cursor } } }'
    )
    assert empty == {"products": {"totalCount": 0, "edges": []}}


@pytest.mark.parametrize(
    ("arguments", "skus"),
    [
        ("orderBy: NAME_ASC", "P-1 P-2 A-1 H-2 S-1 X-1 H-1 A-2"),
        ("orderBy: NAME_DESC", "A-2 H-1 X-1 S-1 H-2 A-1 P-2 P-1"),
        ("orderBy: PRICE_ASC", "X-1 H-1 H-2 A-1 A-2 P-2 P-1 S-1"),
        ("orderBy: PRICE_DESC", "S-1 P-1 P-2 A-2 A-1 H-2 H-1 X-1"),
        ("orderBy: NEWEST", "X-1 H-2 H-1 A-2 A-1 S-1 P-2 P-1"),
        ("orderBy: BEST_SELLING", "P-1 P-2 S-1 A-1 A-2 H-1 H-2 X-1"),
        ("orderBy: null", "P-1 P-2 A-1 H-2 S-1 X-1 H-1 A-2"),
        ('filter: { categorySlug: "electronics" }', "P-1 P-2 A-1 S-1 A-2"),
        ('filter: { categorySlug: "phones" }', "P-1 P-2 S-1"),
        ('filter: { brandSlug: "acme" }', "P-1 A-1 S-1"),
        ('filter: { brandSlug: "acme", categorySlug: "audio" }', "A-1"),
        ('filter: { search: "SPEAKER" }', "A-1 A-2"),
        ('filter: { search: "É" }', "A-2"),
        ('filter: { search: "E\\u0301psilon" }', "A-2"),
        ('filter: { search: "  " }', "P-1 P-2 A-1 H-2 S-1 X-1 H-1 A-2"),
        ('filter: { search: "%" }', ""),
        ('filter: { search: "_" }', ""),
        ('filter: { minPrice: "400", maxPrice: "500.00" }', "P-1 P-2"),
        ('filter: { minPrice: "500", maxPrice: "400" }', ""),
        ("filter: { inStock: false }", "A-1"),
        ('filter: { inStock: true, categorySlug: "audio" }', "A-2"),
        ("first: 2", "P-1 P-2"),
        ("last: 2", "H-1 A-2"),
    ],
)
async def test_filters_and_orders(store: Store, arguments: str, skus: str) -> None:
    assert await _skus(store, arguments) == skus.split()


@pytest.mark.parametrize(
    "order", ["NAME_ASC", "NAME_DESC", "PRICE_ASC", "PRICE_DESC", "NEWEST", "BEST_SELLING"]
)
async def test_pages_meet_both_ways(store: Store, order: str) -> None:
    everything = await _skus(store, f"orderBy: {order}")
    for size, forward in ((3, True), (3, False), (1, True)):
        found: list[str] = []
        cursor = ""
        while True:
            sides = ("first", "after") if forward else ("last", "before")
            where = f', {sides[1]}: "{cursor}"' if cursor else ""
            data = await store.worker.ask(
                f"{{ products(orderBy: {order}, {sides[0]}: {size}{where}) {LIST} }}"
            )
            page, info = data["products"], data["products"]["pageInfo"]
            skus = [edge["node"]["sku"] for edge in page["edges"]]
            assert page["totalCount"] == 8
            assert info["startCursor"] == page["edges"][0]["cursor"]
            assert info["endCursor"] == page["edges"][-1]["cursor"]
            found = [*found, *skus] if forward else [*skus, *found]
            cursor = info["endCursor" if forward else "startCursor"]
            if not info["hasNextPage" if forward else "hasPreviousPage"]:
                break
        assert found == everything


async def test_a_page_starts_where_the_last_one_ended(store: Store) -> None:
    """Key-set paging: what comes in ahead of the page shifts nothing."""
    first = await store.worker.ask(f"{{ products(orderBy: NAME_ASC, first: 2) {LIST} }}")
    end = first["products"]["pageInfo"]["endCursor"]
    await Product.filter(id=store.products["X-1"].id).update(name="Aa", name_key="aa")
    query = f'{{ products(orderBy: NAME_ASC, first: 2, after: "{end}") {LIST} }}'
    second = await store.other.ask(query)
    assert [edge["node"]["sku"] for edge in second["products"]["edges"]] == ["A-1", "H-2"]


async def test_lists_of_a_category_and_a_brand(store: Store) -> None:
    data = await store.worker.ask(
        '{ category(slug: "electronics") { products(first: 2) { totalCount '
        'edges { node { sku } } } } brand(slug: "globex") { products('
        'filter: { categorySlug: "home" }) { edges { node { sku } } } } '
        "categories { slug parent { slug } } }"
    )
    assert data["category"]["products"] == {
        "totalCount": 5,
        "edges": [{"node": {"sku": "P-1"}}, {"node": {"sku": "P-2"}}],
    }
    assert data["brand"]["products"]["edges"] == [{"node": {"sku": "H-2"}}]
    assert [category["slug"] for category in data["categories"]] == [
        "audio",
        "electronics",
        "home",
        "phones",
        "smart",
    ]


async def test_every_kind_of_node(store: Store) -> None:
    order = await store.order("ada", {"P-1": 1})
    ids = [
        store.id("P-1"),
        store.user_id("ada"),
        encode_id("Category", "phones"),
        encode_id("Brand", "acme"),
        encode_id("Order", order.id),
    ]
    kinds = []
    for number in ids:
        query = "query($id: ID!) { node(id: $id) { __typename id } }"
        data = await store.worker.ask(query, store.tokens["ada"], id=number)
        assert data["node"]["id"] == number
        kinds.append(data["node"]["__typename"])
    assert kinds == ["Product", "User", "Category", "Brand", "Order"]


async def test_private_parts_are_for_the_user_and_staff(store: Store) -> None:
    await store.order("ada", {"P-1": 1})
    query = (
        "query($id: ID!) { user(id: $id) { name email role loyaltyPoints version "
        "orders { totalCount } } }"
    )
    for _ in range(2):  # from the database, then from the cache
        for name, sees in {"ada": True, "bob": False, "staff": True, "admin": True}.items():
            token = store.tokens[name]
            user = (await store.worker.ask(query, token, id=store.user_id("ada")))["user"]
            assert user["name"] == "Ada"
            assert (user["email"] == "ada@example.com") is sees
            assert (user["role"] == "CUSTOMER") is sees
            assert (user["loyaltyPoints"] == 0) is sees
            assert (user["orders"] == {"totalCount": 1}) is sees
            assert sees or user == {"name": "Ada", **dict.fromkeys(list(user)[1:])}
        nobody = (await store.other.ask(query, id=store.user_id("ada")))["user"]
        assert nobody["email"] is nobody["orders"] is None


async def test_an_order_is_for_its_owner_and_staff(store: Store) -> None:
    order = await store.order("ada", {"P-1": 2, "H-1": 1})
    query = (
        "query($id: ID!) { order(id: $id) { number status placedAt total { amount } "
        "customer { name } lines { quantity unitPrice { amount } total { amount } "
        "product { sku } } } node(id: $id) { ... on Order { status } } }"
    )
    expected = {
        "number": order.number,
        "status": "PENDING",
        "placedAt": "2026-01-01T12:00:00Z",
        "total": {"amount": "1019.99"},
        "customer": {"name": "Ada"},
        "lines": [
            {
                "quantity": 2,
                "unitPrice": {"amount": "500.00"},
                "total": {"amount": "1000.00"},
                "product": {"sku": "P-1"},
            },
            {
                "quantity": 1,
                "unitPrice": {"amount": "19.99"},
                "total": {"amount": "19.99"},
                "product": {"sku": "H-1"},
            },
        ],
    }
    number = encode_id("Order", order.id)
    for _ in range(2):
        for name in ("ada", "staff", "admin"):
            data = await store.worker.ask(query, store.tokens[name], id=number)
            assert data == {"order": expected, "node": {"status": "PENDING"}}
        for token in (store.tokens["bob"], None):
            assert await store.worker.ask(query, token, id=number) == {"order": None, "node": None}


async def test_my_orders_newest_first_and_by_status(store: Store) -> None:
    for status in (OrderStatus.PENDING, OrderStatus.PAID, OrderStatus.PENDING):
        await store.order("ada", {"P-1": 1}, status)
    query = (
        "{ me { all: orders { totalCount edges { node { placedAt status } } } "
        "pending: orders(status: PENDING, first: 1) { totalCount pageInfo { hasNextPage } "
        "edges { node { placedAt } } } shipped: orders(status: SHIPPED) { totalCount } } }"
    )
    me = (await store.worker.ask(query, store.tokens["ada"]))["me"]
    times = [edge["node"]["placedAt"] for edge in me["all"]["edges"]]
    assert times == sorted(times, reverse=True)
    assert [edge["node"]["status"] for edge in me["all"]["edges"]] == ["PENDING", "PAID", "PENDING"]
    assert me["pending"]["totalCount"] == 2
    assert me["pending"]["pageInfo"]["hasNextPage"] is True
    assert me["shipped"] == {"totalCount": 0}


async def test_no_shared_load_looks_at_the_viewer(store: Store) -> None:
    """A public function that reads the viewer would be a defect, and the engine says so."""
    order = await store.order("ada", {"P-1": 1})
    shapes = product_shapes(store) | user_shapes(store)
    shapes |= order_shapes(store, {"one": encode_id("Order", order.id)})
    for shape in shapes.values():
        variables: dict[str, Any] = dict(shape.variables or {})
        await store.worker.ask(shape.query, shape.token, **variables)
    assert store.worker.facts.count(Defect) == 0
