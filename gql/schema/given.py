"""Fields of inputs that may be left out, or be null."""

from collections.abc import Callable
from typing import Any, TypeVar

import strawberry
from msgspec import UNSET as ABSENT
from msgspec import UnsetType
from strawberry.types.unset import UnsetType as UnsetTypeOfStrawberry

from resolvers import inputs

V = TypeVar("V")
C = TypeVar("C")


def given(
    value: V | UnsetTypeOfStrawberry | None, check: Callable[[V, str], C], argument: str
) -> C | UnsetType:
    """Return the checked value; absent where it was left out or is null."""
    if value is None or isinstance(value, UnsetTypeOfStrawberry):
        return ABSENT
    return check(value, argument)


def nullable(
    value: V | UnsetTypeOfStrawberry | None, check: Callable[[V, str], C], argument: str
) -> C | UnsetType | None:
    """Return the checked value; absent where it was left out, None where it is null."""
    return None if value is None else given(value, check, argument)


def as_it_is(value: int, _argument: str) -> int:
    """Return the value: any is allowed."""
    return value


def key_field() -> Any:
    """Return the field of an input for an idempotency key."""
    return strawberry.field(
        default=strawberry.UNSET,
        description="Any name for this one call, such as a UUID: sent again within a day it is not "
        "done again, and comes to the same.",
    )


def checked_key(value: str | UnsetTypeOfStrawberry | None) -> str | None:
    """Return an input's idempotency key. Raises InvalidArgument."""
    return optional(value, inputs.idempotency_key, "input.idempotencyKey")


def optional(
    value: V | UnsetTypeOfStrawberry | None, check: Callable[[V, str], C], argument: str
) -> C | None:
    """Return the checked value; None where it was left out or is null."""
    found = given(value, check, argument)
    return None if isinstance(found, UnsetType) else found
