"""The values that resolvers return and the cache stores: frozen, without behaviour.

Amounts are in minor units (cents), times are aware and in UTC. References are keys (a number, or
a slug), never other rows: each row is an entry of its own, so that a change purges one entry.
"""

from datetime import datetime

import msgspec

from models.tables import Direction, Operator, OrderStatus, Role


class ProductRow(msgspec.Struct, frozen=True):
    """A product, but for its stock, views and units sold, which change without it."""

    id: int
    sku: str
    name: str
    description: str
    price_minor: int
    category_slug: str | None
    brand_slug: str | None
    created_at: datetime
    updated_at: datetime
    version: int
    deleted_at: datetime | None = None


class CategoryRow(msgspec.Struct, frozen=True):
    """A category of the tree; `parent_slug` is None for a root.

    `path` leads from the root to the category, in numbers: descendants' paths begin with it.
    """

    slug: str
    name: str
    parent_slug: str | None
    path: str


class BrandRow(msgspec.Struct, frozen=True):
    """A brand."""

    slug: str
    name: str


class UserRow(msgspec.Struct, frozen=True):
    """What anyone may see of a user."""

    id: int
    name: str
    avatar_url: str | None
    created_at: datetime


class AccountRow(msgspec.Struct, frozen=True):
    """What only the user and staff may see of a user."""

    user_id: int
    email: str | None
    role: Role
    loyalty_points: int
    version: int


class SessionRow(msgspec.Struct, frozen=True):
    """Whom a session token speaks for, and until when."""

    user_id: int
    role: Role
    ends_at: datetime


class OrderRow(msgspec.Struct, frozen=True):
    """An order without its lines."""

    id: int
    number: str
    user_id: int
    status: OrderStatus
    placed_at: datetime
    total_minor: int
    version: int


class OrderLineRow(msgspec.Struct, frozen=True):
    """One product of an order, at the price it was sold for."""

    product_id: int
    quantity: int
    unit_price_minor: int


class ListItem(msgspec.Struct, frozen=True, array_like=True):
    """One position of a list: the row's number, and the key that orders it.

    A key is a folded name, an amount in minor units, a count, or a time in microseconds since
    1970.
    """

    id: int
    key: str | int


class ListPage(msgspec.Struct, frozen=True):
    """One page of a list: positions only, the rows are entries of their own."""

    items: tuple[ListItem, ...]
    has_next: bool
    has_previous: bool


class TieColumnRow(msgspec.Struct, frozen=True):
    """A tie column of a leaderboard: its name, and which values come first."""

    name: str
    order: Direction


class LeaderboardRow(msgspec.Struct, frozen=True):
    """A leaderboard's definition, which never changes; what is on it is live."""

    slug: str
    name: str
    operator: Operator
    order: Direction
    tie_columns: tuple[TieColumnRow, ...]
    self_reported: bool
    created_at: datetime
