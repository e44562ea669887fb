"""Names of what entries depend on. Reads declare them, writes purge them; both call these.

`docs/invalidation.md` has the table of writes and their tags.

A list of products depends on *facets*: one aspect (who is in it, names, prices, ...) of one scope
(a category with its descendants, a brand, everything). A write purges the aspects that changed,
in every scope that the product is or was in, and nothing else: a new price leaves lists by name
alone.

A namespace is a tag on every entry of one kind, by its policy (`resolvers/policies.py`): an import
of many rows purges it instead of naming each, and so does `invalidateNamespace`.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from cache.policy import namespace_tag
from models.tables import OrderStatus


class Namespace(StrEnum):
    """The kinds of entries: each policy names the one that its entries are of."""

    PRODUCTS = "products"
    """Rows, SKUs, stock, units sold, lists and counts of products."""
    CATALOGUE = "catalogue"
    """Categories and brands."""
    USERS = "users"
    """Profiles and accounts."""
    ORDERS = "orders"
    """Rows, lines, lists and counts of orders."""
    SESSIONS = "sessions"
    """Whom tokens speak for."""
    LEADERBOARDS = "leaderboards"
    """Definitions of leaderboards, and their list."""


class Aspect(StrEnum):
    """What of a scope's products a list can depend on."""

    MEMBERS = "members"
    """Which products there are."""
    NAME = "name"
    PRICE = "price"
    SOLD = "sold"
    STOCK = "stock"
    """Which of them are in stock, not how many pieces."""


PRODUCTS: Final = namespace_tag(Namespace.PRODUCTS)
"""Every entry about products."""
ORDERS: Final = namespace_tag(Namespace.ORDERS)
"""Every entry about orders."""
USERS: Final = namespace_tag(Namespace.USERS)
"""Every entry about users."""

ALL: Final = "all"
"""The scope of every product."""
CATEGORIES: Final = "categories"
"""The whole tree of categories."""
BRANDS: Final = "brands"
"""The whole list of brands."""

LEADERBOARDS: Final = "leaderboards"
"""The whole list of leaderboards."""


def product(product_id: int) -> str:
    """A product's row: everything but stock, views and units sold."""
    return f"product:{product_id}"


def sku(code: str) -> str:
    """Which product has this SKU, or that none has."""
    return f"sku:{code}"


def stock(product_id: int) -> str:
    """How many pieces of a product there are."""
    return f"stock:{product_id}"


def sold(product_id: int) -> str:
    """How many units of a product were sold."""
    return f"sold:{product_id}"


def category(slug: str) -> str:
    """A category's row, or that there is none."""
    return f"category:{slug}"


def brand(slug: str) -> str:
    """A brand's row, or that there is none."""
    return f"brand:{slug}"


def user(user_id: int) -> str:
    """A user's public profile."""
    return f"user:{user_id}"


def account(user_id: int) -> str:
    """A user's private details: e-mail, role, points."""
    return f"account:{user_id}"


def session(digest: str) -> str:
    """A session, by the SHA-256 of its token."""
    return f"session:{digest}"


def order(order_id: int) -> str:
    """An order's row: its status above all."""
    return f"order:{order_id}"


def order_lines(order_id: int) -> str:
    """An order's lines. Only an import changes them."""
    return f"lines:{order_id}"


def orders_of(user_id: int, status: OrderStatus | None = None) -> str:
    """Which orders a user has; with `status`, which of them have that status."""
    return f"orders:user:{user_id}" + (f":{status}" if status else "")


def category_scope(slug: str) -> str:
    """The products of a category and its descendants."""
    return f"category:{slug}"


def brand_scope(slug: str) -> str:
    """The products of a brand."""
    return f"brand:{slug}"


def facet(scope: str, aspect: Aspect) -> str:
    """One aspect of one scope: `products:category:phones:price`."""
    return f"products:{scope}:{aspect}"


def facets(scopes: Iterable[str], aspects: Iterable[Aspect]) -> frozenset[str]:
    """Every one of the aspects in every one of the scopes."""
    wanted = tuple(aspects)
    return frozenset(facet(scope, aspect) for scope in scopes for aspect in wanted)


def scopes(categories: Iterable[str], brand_slug: str | None) -> frozenset[str]:
    """The scopes of a product: all, its category with every ancestor (slugs), its brand."""
    found = {ALL, *(category_scope(slug) for slug in categories)}
    return frozenset(found | {brand_scope(brand_slug)} if brand_slug else found)


def leaderboard(slug: str) -> str:
    """A leaderboard's definition, or that there is none. Scores are live and have no tag."""
    return f"leaderboard:{slug}"
