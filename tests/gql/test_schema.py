"""The schema as a whole: described, bound to cached functions, printed with its hints."""

from collections.abc import Iterator
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLScalarType,
    specified_scalar_types,
)
from strawberry.types.field import StrawberryField

from cache import CachedFunction, CacheScope
from gql.schema import build_schema, schema
from gql.schema.binding import CACHED, REASON, policy_sentence

UNCACHED = {
    "computed from the row",
    "a mutation",
    "what this mutation came to, a moment ago",
    "part of the page, which is cached",
    "passes on to the cached function of the id's kind",
    "holds live numbers, which are read each by itself",
    "live: every acknowledged view counts",
    "live: read from the sorted set",
    "live",
}
"""The only reasons for which a field's resolver may have no cache of its own."""


def _types() -> list[GraphQLNamedType]:
    found = schema._schema.type_map.values()
    return [it for it in found if it.name[:2] != "__" and it.name not in specified_scalar_types]


def _described() -> Iterator[tuple[str, str | None]]:
    """The name and the description of everything in the schema."""
    for kind in _types():
        yield kind.name, kind.description
        if isinstance(kind, GraphQLEnumType):
            for name, value in kind.values.items():
                yield f"{kind.name}.{name}", value.description
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
            for name, field in kind.fields.items():
                yield f"{kind.name}.{name}", field.description
                for argument, what in getattr(field, "args", {}).items():
                    yield f"{kind.name}.{name}({argument})", what.description


def _fields() -> Iterator[tuple[str, StrawberryField]]:
    for kind in _types():
        if isinstance(kind, GraphQLObjectType):
            for name, field in kind.fields.items():
                yield f"{kind.name}.{name}", field.extensions["strawberry-definition"]


def test_everything_is_described() -> None:
    assert [name for name, text in _described() if not (text or "").strip()] == []


def test_every_description_is_a_sentence() -> None:
    assert [name for name, text in _described() if text and text.strip()[-1] not in ".;"] == []


def test_every_resolver_is_cached_or_says_why_not() -> None:
    reasons = set()
    for name, field in _fields():
        if field.base_resolver is None or name.startswith("Subscription."):
            continue
        cached, reason = field.metadata.get(CACHED), field.metadata.get(REASON)
        assert (cached is None) != (reason is None), f"{name} is neither bound nor says why"
        assert cached is None or isinstance(cached, CachedFunction), name
        reasons |= {reason} if reason else set()
    assert reasons <= UNCACHED


def test_the_description_ends_with_the_policy() -> None:
    bound = [(name, field) for name, field in _fields() if CACHED in field.metadata]
    assert len(bound) > 40
    for name, field in bound:
        sentence = policy_sentence(field.metadata[CACHED].policy)
        assert (field.description or "").endswith(sentence), name


def test_the_hint_is_printed_as_the_policy_has_it() -> None:
    printed = schema.as_str()
    assert "stock: Int! @cacheControl(maxAge: 5, scope: PUBLIC)" in printed
    assert "me: User @cacheControl(maxAge: 3600, scope: PRIVATE)" in printed
    assert "directive @cacheControl(maxAge: Int, scope: CacheControlScope)" in printed
    assert printed.count("@cacheControl(") == 1 + sum(CACHED in it.metadata for _, it in _fields())
    assert "= null" not in [line for line in printed.splitlines() if "@cacheControl" in line]


def test_what_only_one_viewer_may_see_is_private() -> None:
    private = {
        name
        for name, field in _fields()
        if CACHED in field.metadata and field.metadata[CACHED].policy.scope is CacheScope.PRIVATE
    }
    assert private >= {
        "Query.me",
        "Query.order",
        "User.email",
        "User.role",
        "User.loyaltyPoints",
        "User.orders",
        "Order.lines",
        "OrderConnection.edges",
        "OrderConnection.totalCount",
        "PlaceOrderPayload.order",
    }


@pytest.mark.parametrize(
    "line",
    [
        "scalar SafeInt",
        "scalar Decimal",
        "scalar DateTime",
        "type Product implements Node {",
        "type Order implements Node {",
        "type User implements Node {",
        "type Category implements Node {",
        "type Brand implements Node {",
        "  product(\n",
        "  placeOrder(\n",
        "  updateOrderStatus(\n",
        "  currentVersion: Int\n",
        "    orderBy: ProductOrder = NAME_ASC\n",
        "    first: Int\n",
    ],
)
def test_the_names_that_clients_rely_on(line: str) -> None:
    assert line in schema.as_str()


def test_what_does_not_work_yet_is_not_there() -> None:
    printed = schema.as_str()
    assert "RATE_LIMITED" not in printed


def test_scalars_say_what_they_are() -> None:
    kinds: list[Any] = [kind for kind in _types() if isinstance(kind, GraphQLScalarType)]
    assert {kind.name for kind in kinds} == {"SafeInt", "Decimal", "DateTime"}


def test_it_can_be_built_again() -> None:
    assert build_schema().as_str() == schema.as_str()
