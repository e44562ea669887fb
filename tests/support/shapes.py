"""Every shape of query that shows something of the store: what the purge matrix warms and reads.

Shapes of one kind share a request, under aliases: it is the cached functions behind them that are
looked up, each by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.store import Store

PRODUCT = (
    "id sku name description price { amount } version updatedAt stock stats { unitsSold views } "
    "category { slug } brand { slug }"
)
PAGE = "{ totalCount pageInfo { startCursor endCursor } edges { node { sku name } } }"
ORDER = (
    "id number status total { amount } customer { name avatarUrl } "
    "lines { quantity unitPrice { amount } product { sku name stock } }"
)
ORDERS = f"{{ totalCount edges {{ node {{ {ORDER} }} }} }}"

EVERY = ("NAME_ASC", "NAME_DESC", "PRICE_ASC", "PRICE_DESC", "NEWEST", "BEST_SELLING")
SOME = ("NAME_ASC", "PRICE_DESC", "BEST_SELLING")

LISTS = {
    "": EVERY,
    'categorySlug: "electronics"': EVERY,
    'categorySlug: "phones"': SOME,
    'categorySlug: "smart"': SOME,
    'categorySlug: "audio"': SOME,
    'categorySlug: "home"': SOME,
    'brandSlug: "acme"': SOME,
    'brandSlug: "globex"': SOME,
    'categorySlug: "electronics", brandSlug: "acme"': SOME,
    'search: "phone"': ("NAME_ASC", "NEWEST"),
    'search: "speaker", categorySlug: "audio"': ("NEWEST",),
    'minPrice: "300.00"': ("NEWEST", "NAME_ASC"),
    'maxPrice: "300.00", brandSlug: "globex"': ("NEWEST",),
    "inStock: true": ("NEWEST",),
    'inStock: false, categorySlug: "electronics"': ("NEWEST", "PRICE_ASC"),
    'inStock: true, categorySlug: "home"': ("BEST_SELLING",),
}
"""Filters, and the orders that each is asked in."""

STATUSES = {"all": "", "pending": "(status: PENDING)", "paid": "(status: PAID, last: 5)"}


@dataclass(frozen=True)
class Shape:
    """A query, who asks it, and its variables."""

    query: str
    token: str | None = None
    variables: Mapping[str, Any] | None = None


def product_shapes(store: Store) -> dict[str, Shape]:
    """Products by id, SKU and node; every list in every order; category and brand pages."""
    shapes = {"categories": Shape("{ categories { id slug name parent { name } } }")}
    for sku in store.products:
        number = store.id(sku)
        shapes[f"product {sku}"] = Shape(
            f'{{ byId: product(id: "{number}") {{ {PRODUCT} }} '
            f'bySku: product(sku: "{sku}") {{ sku }} '
            f'node(id: "{number}") {{ id ... on Product {{ {PRODUCT} }} }} }}'
        )
    for chosen, orders in LISTS.items():
        fields = (
            f"{order}: products(filter: {{ {chosen} }}, orderBy: {order}, first: 50) {PAGE}"
            for order in orders
        )
        shapes[f"lists [{chosen}]"] = Shape(f"{{ {' '.join(fields)} }}")
    for slug in store.categories:
        query = (
            f'{{ category(slug: "{slug}") {{ name parent {{ slug }} products(last: 3) {PAGE} }} }}'
        )
        shapes[f"category {slug}"] = Shape(query)
    for slug in store.brands:
        query = f'{{ brand(slug: "{slug}") {{ name products(orderBy: NEWEST) {PAGE} }} }}'
        shapes[f"brand {slug}"] = Shape(query)
    return shapes


def user_shapes(store: Store) -> dict[str, Shape]:
    """Profiles, accounts and ada's orders, as each viewer sees them."""
    orders = " ".join(f"{label}: orders{asked} {ORDERS}" for label, asked in STATUSES.items())
    query = (
        "query($id: ID!) { me { id name avatarUrl email loyaltyPoints role } "
        "user(id: $id) { name avatarUrl email version loyaltyPoints } "
        f"node(id: $id) {{ ... on User {{ name {orders} }} }} }}"
    )
    who = {"id": store.user_id("ada")}
    everyone = {**store.tokens, "nobody": None}
    return {f"user for {name}": Shape(query, token, who) for name, token in everyone.items()}


def order_shapes(store: Store, numbers: Mapping[str, str]) -> dict[str, Shape]:
    """Orders (label to global id) by id and as nodes, for the owner, staff and others."""
    query = (
        f"query($id: ID!) {{ order(id: $id) {{ {ORDER} }} "
        f"node(id: $id) {{ id ... on Order {{ {ORDER} }} }} }}"
    )
    return {
        f"order {label} for {name}": Shape(query, store.tokens[name], {"id": number})
        for label, number in numbers.items()
        for name in ("ada", "bob", "staff")
    }
