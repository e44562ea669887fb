"""`Node`: every object with a global id, and how GraphQL types know their rows."""

from collections.abc import Callable
from typing import Any, Final

import strawberry
from graphql import GraphQLResolveInfo

_TYPE_OF_ROW: Final[dict[type, str]] = {}


def _resolve_type(row: object, _info: GraphQLResolveInfo[Any], _interface: Any) -> str | None:
    return _TYPE_OF_ROW.get(type(row))


@strawberry.interface(description="An object that can be fetched by its global id.")
class Node:
    """The interface of every object with a global id."""

    id: strawberry.ID = strawberry.field(
        description="The global id: opaque, the same for as long as the object exists."
    )

    resolve_type = staticmethod(_resolve_type)


def stands_for(row: type, type_name: str) -> Callable[[object, GraphQLResolveInfo[Any]], bool]:
    """Return the `is_type_of` of the GraphQL type `type_name` over rows of class `row`.

    Resolvers return frozen rows; without this, graphql-core takes them for another type.
    """
    _TYPE_OF_ROW[row] = type_name

    def is_type_of(value: object, _info: GraphQLResolveInfo[Any]) -> bool:
        return type(value) is row

    return is_type_of
