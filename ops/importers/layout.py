"""The four files of a Superstore folder: their columns, and what a row of each says.

The rows are frozen and hold the files' values only; `digest` of one tells whether it changed
since it was last imported.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Final, Generic, TypeVar

import msgspec

from ops.importers.cells import LARGEST_LINE_NUMBER, LARGEST_QUANTITY, Cells
from ops.importers.problems import BadRow

OWN_NUMBER: Final = re.compile(r"FQ-\d+(-[0-9a-f]+)?", re.ASCII)
"""How the store numbers its own orders (`resolvers.ordering`)."""

KEY: Final = 64
NAME: Final = 200


class ProductRow(msgspec.Struct, frozen=True, array_like=True):
    """A row of products.csv. The price is in minor units."""

    sku: str
    name: str
    category: str
    subcategory: str
    brand: str | None
    price_minor: int


class CustomerRow(msgspec.Struct, frozen=True, array_like=True):
    """A row of customers.csv."""

    id: str
    name: str
    segment: str
    city: str
    state: str
    country: str


class OrderRow(msgspec.Struct, frozen=True, array_like=True):
    """A row of orders.csv. `shipped_on` is None for what has not left yet."""

    id: str
    customer_id: str
    placed_on: date
    shipped_on: date | None
    ship_mode: str


class LineRow(msgspec.Struct, frozen=True, array_like=True):
    """A row of order_lines.csv. The price is in minor units."""

    order_id: str
    line: int
    sku: str
    quantity: int
    unit_price_minor: int

    @property
    def total_minor(self) -> int:
        """What the line costs."""
        return self.quantity * self.unit_price_minor


R = TypeVar("R", bound=msgspec.Struct)


@dataclass(frozen=True)
class Layout(Generic[R]):
    """One file: its name, its columns, how a row is read, and what names a row.

    `read` raises `BadRow`. `key_columns` are those that tell one row from another.
    """

    file: str
    columns: tuple[str, ...]
    key_columns: tuple[str, ...]
    read: Callable[[Cells], R]
    key: Callable[[R], str]


def digest(row: msgspec.Struct) -> str:
    """SHA-256 of the row's values, as 64 hex digits."""
    return hashlib.sha256(msgspec.json.encode(row)).hexdigest()


def _product(cells: Cells) -> ProductRow:
    return ProductRow(
        sku=cells.key("sku", KEY),
        name=cells.text("name", NAME),
        category=cells.text("category", NAME).strip(),
        subcategory=cells.text("subcategory", NAME).strip(),
        brand=_stripped(cells.optional_text("brand", NAME)),
        price_minor=cells.amount("price"),
    )


def _customer(cells: Cells) -> CustomerRow:
    return CustomerRow(
        id=cells.key("id", KEY),
        name=cells.text("name", NAME),
        segment=cells.text("segment", NAME),
        city=cells.text("city", NAME),
        state=cells.text("state", NAME),
        country=cells.text("country", NAME),
    )


def _order(cells: Cells) -> OrderRow:
    placed_on = cells.day("placed_on")
    shipped_on = cells.optional_day("shipped_on")
    if shipped_on is not None and shipped_on < placed_on:
        raise BadRow("shipped_on", f"shipped on {shipped_on}, before it was placed: {placed_on}")
    number = cells.key("id", KEY)
    if OWN_NUMBER.fullmatch(number):
        raise BadRow("id", f"{number} is how the store numbers its own orders: rename it")
    return OrderRow(
        id=number,
        customer_id=cells.key("customer_id", KEY),
        placed_on=placed_on,
        shipped_on=shipped_on,
        ship_mode=cells.text("ship_mode", KEY),
    )


def _line(cells: Cells) -> LineRow:
    return LineRow(
        order_id=cells.key("order_id", KEY),
        line=cells.whole("line", LARGEST_LINE_NUMBER),
        sku=cells.key("sku", KEY),
        quantity=cells.whole("quantity", LARGEST_QUANTITY),
        unit_price_minor=cells.amount("unit_price"),
    )


def _stripped(text: str | None) -> str | None:
    return text and text.strip()


PRODUCTS: Final = Layout(
    file="products.csv",
    columns=("sku", "name", "category", "subcategory", "brand", "price"),
    key_columns=("sku",),
    read=_product,
    key=lambda row: row.sku,
)
CUSTOMERS: Final = Layout(
    file="customers.csv",
    columns=("id", "name", "segment", "city", "state", "country"),
    key_columns=("id",),
    read=_customer,
    key=lambda row: row.id,
)
ORDERS: Final = Layout(
    file="orders.csv",
    columns=("id", "customer_id", "placed_on", "shipped_on", "ship_mode"),
    key_columns=("id",),
    read=_order,
    key=lambda row: row.id,
)
LINES: Final = Layout(
    file="order_lines.csv",
    columns=("order_id", "line", "sku", "quantity", "unit_price"),
    key_columns=("order_id", "line"),
    read=_line,
    key=lambda row: f"{row.line}:{row.order_id}",
)
