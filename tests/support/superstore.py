"""Superstore folders for tests: the real one where it is, and generated ones of any size."""

import csv
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final

from models.tables import Order, OrderLine, Product, User

REAL: Final = Path(__file__).resolve().parents[3] / "shared" / "data" / "superstore"
"""Beside the repository; not everybody has it."""

HEADERS: Final = {
    "products.csv": ("sku", "name", "category", "subcategory", "brand", "price"),
    "customers.csv": ("id", "name", "segment", "city", "state", "country"),
    "orders.csv": ("id", "customer_id", "placed_on", "shipped_on", "ship_mode"),
    "order_lines.csv": ("order_id", "line", "sku", "quantity", "unit_price"),
}

_TREE: Final = {
    "Furniture": ("Bookcases", "Chairs", "Tables"),
    "Office Supplies": ("Art", "Binders", "Supplies"),
    "Technology": ("Accessories", "Phones"),
}
_BRANDS: Final = ("", "", "Xerox", "O'Sullivan", "AT&T", "Wilson Jones", "4009")
_FIRST_DAY: Final = date(2014, 1, 3)
_DAYS: Final = 1457


class Purges:
    """Stands in for the cache, and for its outbox: keeps what is purged."""

    def __init__(self) -> None:
        self.answers = True
        self.batches: list[frozenset[str]] = []

    @property
    def outbox(self) -> "Purges":
        return self

    async def add(self, tags: Iterable[str]) -> str:
        return "0123456789abcdef"

    async def reaches_store(self) -> bool:
        return self.answers

    async def publish(self, identifier: str, tags: Iterable[str]) -> None:
        await self.invalidate(tags)

    async def invalidate(self, tags: Iterable[str]) -> None:
        self.batches.append(frozenset(tags))

    @property
    def names(self) -> frozenset[str]:
        """Everything that was purged."""
        return frozenset().union(*self.batches)


@dataclass(frozen=True)
class Facts:
    """What a folder holds, counted from its files with nothing of ours."""

    products: int
    customers: int
    orders: int
    lines: int
    total: Decimal


def write_rows(directory: Path, file: str, rows: Iterable[Sequence[object]]) -> None:
    """Write one file with its header."""
    with (directory / file).open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerow(HEADERS[file])
        writer.writerows(rows)


def generate(directory: Path, *, products: int, customers: int, orders: int, seed: int = 1) -> Path:
    """Write a folder with so many rows, and some two lines for each order."""
    chance = random.Random(seed)
    directory.mkdir(parents=True, exist_ok=True)
    write_rows(directory, "products.csv", _products(chance, products))
    write_rows(directory, "customers.csv", _customers(chance, customers))
    write_rows(directory, "orders.csv", _orders(chance, orders, customers))
    write_rows(directory, "order_lines.csv", _lines(chance, orders, products))
    return directory


def facts_of(directory: Path) -> Facts:
    """Count a folder's rows, and add up its lines."""
    counts = [
        len(_read(directory, file)) for file in ("products.csv", "customers.csv", "orders.csv")
    ]
    lines = _read(directory, "order_lines.csv")
    amounts = (int(line["quantity"]) * Decimal(line["unit_price"]) for line in lines)
    total = sum(amounts, Decimal(0))
    return Facts(*counts, len(lines), total)


def _read(directory: Path, file: str) -> list[dict[str, str]]:
    with (directory / file).open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


def _products(chance: random.Random, count: int) -> Iterator[Sequence[object]]:
    for number in range(count):
        category = chance.choice(list(_TREE))
        subcategory, brand = chance.choice(_TREE[category]), chance.choice(_BRANDS)
        name = f'{brand} Chair No. {number}, "Größe" {chance.randrange(99)}'.strip()
        yield _sku(number), name, category, subcategory, brand, _price(chance)


def _customers(chance: random.Random, count: int) -> Iterator[Sequence[object]]:
    for number in range(count):
        segment = chance.choice(("Consumer", "Corporate", "Home Office"))
        yield _customer(number), f"Customer {number}", segment, "Leipzig", "Saxony", "Germany"


def _orders(chance: random.Random, count: int, customers: int) -> Iterator[Sequence[object]]:
    for number in range(count):
        placed = _FIRST_DAY + timedelta(days=number * _DAYS // max(1, count - 1))
        shipped = placed + timedelta(days=chance.randrange(8))
        yield _order(number), _customer(chance.randrange(customers)), placed, shipped, "First Class"


def _lines(chance: random.Random, orders: int, products: int) -> Iterator[Sequence[object]]:
    for number in range(orders):
        for line in range(1, chance.choice((1, 1, 2, 4)) + 1):
            sku = _sku(chance.randrange(products))
            yield _order(number), line, sku, chance.randint(1, 9), _price(chance)


def _price(chance: random.Random) -> str:
    return f"{chance.randrange(400)}.{chance.randrange(100):02}"


def _sku(number: int) -> str:
    return f"OFF-{number:08}"


def _customer(number: int) -> str:
    return f"CU-{number:07}"


def _order(number: int) -> str:
    return f"CA-{number:08}"


async def snapshot() -> dict[str, list[tuple[object, ...]]]:
    """Everything that an import writes in the connected database, without ids and times."""
    products = await Product.all().order_by("sku").values_list(
        "sku", "name", "name_key", "price_minor", "category__slug",
        "category__parent__slug", "brand__slug", "stock", "units_sold", "version", "import_digest",
    )  # fmt: skip
    users = await User.all().order_by("external_id", "name").values_list(
        "external_id", "name", "email", "password_hash", "role", "loyalty_points", "version",
        "segment", "city", "state", "country", "import_digest",
    )  # fmt: skip
    orders = await Order.all().order_by("number").values_list(
        "number", "user__external_id", "status", "placed_at", "total_minor", "version",
        "shipped_on", "ship_mode", "import_digest",
    )  # fmt: skip
    lines = await OrderLine.all().order_by("order__number", "line_no").values_list(
        "order__number", "line_no", "product__sku", "quantity", "unit_price_minor",
        "import_digest",
    )  # fmt: skip
    return {"products": products, "users": users, "orders": orders, "lines": lines}
