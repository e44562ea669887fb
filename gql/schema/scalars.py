"""The scalars: strict on the way in, exact on the way out.

Each says in its error what it expects and what arrived; graphql-core adds where it was found.
"""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, NewType

import strawberry
from graphql import GraphQLError
from graphql.language import IntValueNode, StringValueNode, ValueNode
from graphql.language.printer import print_ast
from strawberry.types.scalar import ScalarDefinition

from resolvers.errors import Described, shown
from resolvers.money import Unreadable

SafeInt = NewType("SafeInt", int)
"""An integer that every JSON reader keeps exactly."""

MAX_SAFE_INT: Final = 2**53 - 1

_PLAIN_DECIMAL: Final = re.compile(r"-?[0-9]{1,16}(\.[0-9]{1,8})?", re.ASCII)
_SAFE_INT: Final = f"a JSON integer from {-MAX_SAFE_INT} to {MAX_SAFE_INT}"
_TIME: Final = 'a JSON string of an ISO 8601 time with its offset, such as "2026-09-01T12:00:00Z"'


def parse_decimal(value: object) -> Decimal:
    """Return a plain, finite decimal number, or `Unreadable` for anything else.

    NaN, infinities, exponents and JSON numbers are refused where the amount is used: only there it
    is known which argument it was given for.
    """
    text = _text(value)
    if text is not None and _PLAIN_DECIMAL.fullmatch(text):
        return Decimal(text)
    return Unreadable.of(value)


def parse_safe_int(value: object) -> SafeInt:
    """Return an integer of at most 53 bits; 1.9, "7" and true are refused."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAX_SAFE_INT:
        return SafeInt(value)
    raise _refused(_SAFE_INT, value)


def parse_time(value: object) -> datetime:
    """Return an aware time in UTC; one without an offset is refused."""
    text = _text(value)
    try:
        time = datetime.fromisoformat(text) if text is not None else None
        if time is not None and time.tzinfo is not None:
            return time.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _refused(_TIME, value) from error
    raise _refused(_TIME, value)


def format_time(value: datetime) -> str:
    """Return `value` as ISO 8601 in UTC, with `Z`."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _text(value: object) -> str | None:
    """Return a JSON string's text; None for any other value."""
    return value if isinstance(value, str) and not isinstance(value, Described) else None


def _serialize_safe_int(value: int) -> int:
    return parse_safe_int(value)


def _string_literal(node: ValueNode, _variables: Any = None) -> object:
    """Return the text of a string literal; of any other literal its source, to be refused."""
    return node.value if isinstance(node, StringValueNode) else Described(print_ast(node))


def _decimal_literal(node: ValueNode, variables: Any = None) -> Decimal:
    return parse_decimal(_string_literal(node, variables))


def _time_literal(node: ValueNode, variables: Any = None) -> datetime:
    return parse_time(_string_literal(node, variables))


def _safe_int_literal(node: ValueNode, _variables: Any = None) -> SafeInt:
    if isinstance(node, IntValueNode) and len(node.value) <= 17:
        return parse_safe_int(int(node.value))
    raise _refused(_SAFE_INT, Described(print_ast(node)))


def _refused(expected: str, value: object) -> GraphQLError:
    return GraphQLError(f"expected {expected}; got {shown(value)}")


SCALARS: Final[dict[object, ScalarDefinition]] = {
    Decimal: strawberry.scalar(
        name="Decimal",
        description="An exact decimal number, as a JSON string. Amounts have at most 2 places. "
        "NaN, infinities and exponents are refused.",
        serialize=str,
        parse_value=parse_decimal,
        parse_literal=_decimal_literal,
    ),
    SafeInt: strawberry.scalar(
        name="SafeInt",
        description="A JSON integer that every client keeps exactly: |n| <= 2^53-1. "
        'Fractions, strings and booleans (1.9, "7", true) are refused.',
        serialize=_serialize_safe_int,
        parse_value=parse_safe_int,
        parse_literal=_safe_int_literal,
    ),
    datetime: strawberry.scalar(
        name="DateTime",
        description="A moment, as ISO 8601 in UTC: 2026-09-01T12:00:00Z.",
        serialize=format_time,
        parse_value=parse_time,
        parse_literal=_time_literal,
    ),
}
"""What the schema's configuration maps Python types to."""
