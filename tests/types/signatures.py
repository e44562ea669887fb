"""What type checkers know of cached functions: as much as of the functions themselves.

Read by mypy and pyright in `test_types.py`, never run.
"""

from collections.abc import Awaitable
from typing import assert_type

import msgspec

from cache import CachedFunction, CachePolicy, Consistency, Fragment, Grain, cached

POLICY = CachePolicy(ttl=60, consistency=Consistency.STRICT)


class Context:
    """What an application hands to its resolvers."""


class Row(msgspec.Struct, frozen=True):
    """A result."""

    id: int


@cached(POLICY, tags=lambda ctx, number: (f"row:{number}",))
async def row(ctx: Context, number: int) -> Row | None:
    """A result that may be missing."""
    return Row(number)


@cached(POLICY)
async def rows(ctx: Context, *, first: int = 20, after: str | None = None) -> tuple[Row, ...]:
    """Parameters by name, with defaults; no tags."""
    return ()


@cached(POLICY, result_tags=lambda found: [f"row:{it.id}" for it in found], exclude=())
async def everything() -> tuple[Row, ...]:
    """No parameters at all."""
    return ()


@cached(CachePolicy(ttl=60, grain=Grain.FRAGMENT), tags=lambda number: ())
async def fragment(number: int, /) -> Fragment:
    """Finished JSON, and a parameter by place only."""
    return Fragment.of({"number": number})


async def callers(ctx: Context) -> None:
    """What a caller gets."""
    assert_type(await row(ctx, 1), Row | None)
    assert_type(await row(number=1, ctx=ctx), Row | None)
    assert_type(await rows(ctx, after="x"), tuple[Row, ...])
    assert_type(await everything(), tuple[Row, ...])
    assert_type(await fragment(1), Fragment)
    assert_type(await row.uncached(ctx, 1), Row | None)
    assert_type(row.policy, CachePolicy)
    assert_type(row.name, str)


def takers() -> None:
    """Whoever takes a cached function keeps its signature."""
    taken: CachedFunction[[Context, int], Row | None] = row
    del taken
    assert_type(uses(row), Row | None)


def uses(function: CachedFunction[[Context, int], Row | None]) -> Row | None:
    """Something that is handed a cached function."""
    pending: Awaitable[Row | None] = function(Context(), 1)
    del pending
    return None
