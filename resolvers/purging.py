"""`invalidateTags` and `invalidateNamespace`: purges by hand, for who runs the store.

Nothing needs them while all changes go through mutations and imports. They are for a database that
was edited by other means: what was read from it before is then not served any more.
"""

from collections.abc import Sequence
from typing import Final

from resolvers import rights
from resolvers.context import Context
from resolvers.errors import Described, InvalidArgument
from resolvers.tags import Namespace

MAX_TAGS: Final = 100
MAX_TAG: Final = 500
"""Characters: the longest that a read depends on has some 450."""


async def invalidate_tags(ctx: Context, wanted: Sequence[str]) -> tuple[str, ...]:
    """Purge everything that depends on one of these tags; return them, each once. For admins.

    A tag on which nothing depends is no error: that cannot be known, and costs nothing. Refuses
    with UNAUTHENTICATED or FORBIDDEN; raises InvalidArgument.
    """
    rights.admin(ctx)
    found = _checked(wanted)
    await ctx.cache.invalidate(found)
    ctx.loaders.clear()
    return found


async def invalidate_namespace(ctx: Context, name: str) -> Namespace:
    """Purge every entry of one kind, in constant time; return the namespace. For admins.

    Refuses with UNAUTHENTICATED or FORBIDDEN; raises InvalidArgument for an unknown one.
    """
    rights.admin(ctx)
    if name not in set(Namespace):
        raise InvalidArgument("input.namespace", f"one of {', '.join(Namespace)}", name)
    await ctx.cache.invalidate_namespace(name)
    ctx.loaders.clear()
    return Namespace(name)


def _checked(wanted: Sequence[str]) -> tuple[str, ...]:
    if not 1 <= len(wanted) <= MAX_TAGS:
        got = Described(f"{len(wanted)} tags")
        raise InvalidArgument("input.tags", f"1 to {MAX_TAGS} tags", got)
    for index, tag in enumerate(wanted):
        if not 1 <= len(tag) <= MAX_TAG or "\0" in tag:
            expected = f"1 to {MAX_TAG} characters, no NUL"
            raise InvalidArgument(f"input.tags.{index}", expected, tag)
    return tuple(dict.fromkeys(wanted))
