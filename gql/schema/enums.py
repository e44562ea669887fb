"""The enumerations of the API, described value by value."""

from collections.abc import Mapping
from enum import StrEnum

import strawberry

from models.queries.products import ProductOrder
from models.tables import OrderStatus, Role
from resolvers.errors import ErrorCode


def _describe(enum: type[StrEnum], description: str, values: Mapping[StrEnum, str]) -> None:
    """Make an enumeration of another layer one of the schema, with a text for every value."""
    strawberry.enum(enum, description=description)
    for value in enum.__strawberry_definition__.values:  # type: ignore[attr-defined]  # set above
        value.description = values[enum(value.value)]


_describe(
    Role,
    "What a user may do.",
    {
        Role.CUSTOMER: "Buys.",
        Role.STAFF: "Works for the store: edits products, sees and moves every order.",
        Role.ADMIN: "Runs the store: what staff may, and administration.",
    },
)
_describe(
    OrderStatus,
    "Where an order is: PENDING, PAID, SHIPPED, DELIVERED in turn, or CANCELLED.",
    {
        OrderStatus.PENDING: "Placed, not paid yet.",
        OrderStatus.PAID: "Paid, not sent yet.",
        OrderStatus.SHIPPED: "On its way. It cannot be cancelled any more.",
        OrderStatus.DELIVERED: "With the customer.",
        OrderStatus.CANCELLED: "Called off; stock, points and units sold were given back.",
    },
)
_describe(
    ProductOrder,
    "How a list of products is ordered; ties go by age, older ones first.",
    {
        ProductOrder.NAME_ASC: "By name, from A; case aside.",
        ProductOrder.NAME_DESC: "By name, from Z; case aside.",
        ProductOrder.PRICE_ASC: "The cheapest first.",
        ProductOrder.PRICE_DESC: "The dearest first.",
        ProductOrder.NEWEST: "The newest first.",
        ProductOrder.BEST_SELLING: "Most units sold first.",
    },
)
_describe(
    ErrorCode,
    "Why a mutation was refused.",
    {
        ErrorCode.NOT_FOUND: "Something named in the input does not exist, for this viewer.",
        ErrorCode.INVALID_INPUT: "A value of the input is not allowed; the path leads to it.",
        ErrorCode.UNAUTHENTICATED: "This needs a login, or the login failed.",
        ErrorCode.FORBIDDEN: "The viewer's role does not allow this.",
        ErrorCode.CONFLICT: "It was changed in the meantime: read it again, then decide.",
        ErrorCode.OUT_OF_STOCK: "Fewer pieces are in stock than are wanted.",
        ErrorCode.IDEMPOTENCY_MISMATCH: "The idempotency key was used with other arguments.",
        ErrorCode.UNAVAILABLE: "A part that this needs is away. Try again.",
    },
)

__all__ = ["ErrorCode", "OrderStatus", "ProductOrder", "Role"]
