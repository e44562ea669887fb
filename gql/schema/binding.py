"""Fields bound to the cached functions behind them.

`bound` leaves three marks on a field: the cached function in its metadata, where the executor
finds the policy before it runs anything; the `@cacheControl` hint in the printed schema; and a
last sentence in its description, because introspection does not carry directives.

A field whose resolver is not cached says why, with `uncached`.
"""

from collections.abc import Callable
from enum import Enum
from typing import Any, Final, Protocol, TypeVar

import strawberry
from strawberry.schema_directive import Location

from cache import CachePolicy, CacheScope

T = TypeVar("T")

CACHED: Final = "freshql.cached"
"""Metadata key of a field: the cached function that its resolver reads."""
REASON: Final = "freshql.uncached"
"""Metadata key of a field: why its resolver is not cached."""


class CachedFunction(Protocol):
    """What `cache.cached` returns, as far as fields need it."""

    @property
    def policy(self) -> CachePolicy:
        """Return how long values are served, and to whom."""


@strawberry.enum(description="Who may share a cached value.")
class CacheControlScope(Enum):
    """Who may share a cached value."""

    PUBLIC = strawberry.enum_value("PUBLIC", description="Everyone: it is the same for all.")
    PRIVATE = strawberry.enum_value("PRIVATE", description="One viewer only.")


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="cacheControl",
    description="How long a field's value may be served from the cache, and to whom. "
    "A change purges it at once, whatever is left of that time.",
)
class CacheControl:
    """The printed cache hint of a field; an argument that is not set is not printed."""

    max_age: int | None = strawberry.field(
        name="maxAge", description="Seconds.", default=strawberry.UNSET
    )
    scope: CacheControlScope | None = strawberry.field(
        name="scope", description="Who may share it.", default=strawberry.UNSET
    )


def bound(function: CachedFunction, resolver: Callable[..., Any], description: str) -> Any:
    """Return the field that `resolver` answers with values of the cached `function`."""
    policy = function.policy
    hint = CacheControl(max_age=int(policy.ttl), scope=CacheControlScope[policy.scope.name])
    return _optional_arguments(
        strawberry.field(
            resolver=resolver,
            description=f"{description} {policy_sentence(policy)}",
            directives=[hint],
            metadata={CACHED: function},
        )
    )


def uncached(resolver: Callable[..., Any], description: str, because: str) -> Any:
    """Return a field whose resolver reads no cache of its own; `because` is the reason."""
    return _optional_arguments(
        strawberry.field(resolver=resolver, description=description, metadata={REASON: because})
    )


def _optional_arguments(field: Any) -> Any:
    """Print arguments that default to None as optional, instead of as `= null`."""
    for argument in field.arguments:
        if argument.default is None:
            argument.default = strawberry.UNSET
    return field


def optional_fields(input_type: type[T]) -> type[T]:
    """Do the same for the fields of an input; a decorator."""
    for field in input_type.__strawberry_definition__.fields:  # type: ignore[attr-defined]  # input
        if field.default_value is None:
            field.default_value = strawberry.UNSET
    return input_type


def policy_sentence(policy: CachePolicy) -> str:
    """Return the policy in words: `Cached for 5 minutes, for everyone.`."""
    audience = "for everyone" if policy.scope is CacheScope.PUBLIC else "for each viewer apart"
    return f"Cached for {_duration(policy.ttl)}, {audience}."


def _duration(seconds: float) -> str:
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length and seconds % length == 0:
            count = int(seconds // length)
            return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
    return f"{seconds:g} seconds"
