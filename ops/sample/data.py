"""The shapes of the sample store's files, which lie beside this module.

Ages (``days_ago``, ``hours_ago``) are counted back from the moment of loading, so that a sample
store looks lived in whenever it is made.
"""

from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from models.tables import Direction, Operator, OrderStatus, Role

T = TypeVar("T")


class SampleUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A user; one without a password cannot log in."""

    name: str
    role: Role
    days_ago: int
    email: str | None = None
    password: str | None = None


class SampleProduct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A product, with the stock that is left after the sample's orders."""

    sku: str
    name: str
    brand: str
    category: str
    price: Decimal
    stock: int
    days_ago: int
    description: str


class SampleLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """So many of one product, at its price."""

    sku: str
    quantity: int


class SampleOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An order of the user with that name."""

    number: str
    user: str
    status: OrderStatus
    days_ago: float
    lines: list[SampleLine]


class SampleTie(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tie column."""

    name: str
    order: Direction


class SampleSubmission(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the user with that name submitted; the files list submissions as they arrived."""

    player: str
    score: int
    hours_ago: int
    ties: list[int] = []


class SampleBoard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A leaderboard, and how it came about."""

    slug: str
    name: str
    operator: Operator
    order: Direction
    self_reported: bool
    tie_columns: list[SampleTie]
    days_ago: int
    submissions: list[SampleSubmission]


class Sample(msgspec.Struct, frozen=True):
    """All of the sample store. ``categories``: names of the roots, each with those below it."""

    users: list[SampleUser]
    categories: dict[str, list[str]]
    products: list[SampleProduct]
    orders: list[SampleOrder]
    leaderboards: list[SampleBoard]


def read_sample() -> Sample:
    """The files, checked against the shapes above."""
    fields: dict[str, Any] = {
        field.name: _read(field.name, field.type) for field in msgspec.structs.fields(Sample)
    }
    return Sample(**fields)


def _read(name: str, shape: type[T]) -> T:
    return msgspec.json.decode(Path(__file__).with_name(f"{name}.json").read_bytes(), type=shape)
