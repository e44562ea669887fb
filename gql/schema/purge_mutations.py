"""`invalidateTags` and `invalidateNamespace`."""

from typing import Annotated, Any, Final

import strawberry

from gql.schema.binding import uncached
from gql.schema.common import Outcome, UserError, errors_field, outcome_of
from gql.schema.context import Info
from resolvers import purging
from resolvers.tags import Namespace

_IN: Final = strawberry.argument(name="input", description="What to do.")
_WRITES: Final = "a mutation"
_DONE: Final = "what this mutation came to, a moment ago"
_KINDS: Final = ", ".join(f"`{name}`" for name in Namespace)


@strawberry.input(description="What to purge from the cache, by tags.")
class InvalidateTagsInput:
    """Input of `invalidateTags`."""

    tags: list[str] = strawberry.field(
        description="1 to 100 names of what entries depend on, such as `product:42`."
    )


@strawberry.input(description="What to purge from the cache, by kind.")
class InvalidateNamespaceInput:
    """Input of `invalidateNamespace`."""

    namespace: str = strawberry.field(description=f"One of {_KINDS}.")


def _tags(root: Outcome[tuple[str, ...]]) -> list[str] | None:
    return None if root.value is None else list(root.value)


def _namespace(root: Outcome[Namespace]) -> str | None:
    return root.value


@strawberry.type(description="What `invalidateTags` came to.")
class InvalidateTagsPayload:
    """Over `Outcome[tuple[str, ...]]`."""

    tags: list[str] | None = uncached(_tags, "What was purged, each tag once.", because=_DONE)
    errors: list[UserError] = errors_field()


@strawberry.type(description="What `invalidateNamespace` came to.")
class InvalidateNamespacePayload:
    """Over `Outcome[Namespace]`."""

    namespace: str | None = uncached(_namespace, "What was purged.", because=_DONE)
    errors: list[UserError] = errors_field()


async def _invalidate_tags(info: Info, data: Annotated[InvalidateTagsInput, _IN]) -> Any:
    return await outcome_of(purging.invalidate_tags(info.context.ctx, data.tags))


async def _invalidate_namespace(info: Info, data: Annotated[InvalidateNamespaceInput, _IN]) -> Any:
    return await outcome_of(purging.invalidate_namespace(info.context.ctx, data.namespace))


@strawberry.type(description="What can be changed.")
class PurgeMutation:
    """Purges by hand."""

    invalidate_tags: InvalidateTagsPayload = uncached(
        _invalidate_tags,
        "Purge from the cache what depends on these tags, after the database was changed by other "
        "means than this API. For admins.",
        because=_WRITES,
    )
    invalidate_namespace: InvalidateNamespacePayload = uncached(
        _invalidate_namespace,
        "Purge all of one kind from the cache, at once. For admins.",
        because=_WRITES,
    )
