"""Mistakes that type checkers must find in calls of cached functions, each on its marked line.

Read by mypy and pyright in `test_types.py`, never run.
"""

import msgspec

from cache import CachePolicy, cached

POLICY = CachePolicy(ttl=60)


class Context:
    """What an application hands to its resolvers."""


class Row(msgspec.Struct, frozen=True):
    """A result."""

    id: int


@cached(POLICY, tags=lambda ctx, number, deep=False: (f"row:{number}",))
async def row(ctx: Context, number: int, deep: bool = False) -> Row | None:
    """A cached function."""
    return Row(number)


async def mistakes(ctx: Context) -> None:
    """Each of these lines is wrong."""
    await row(ctx, "1")  # wrong: arg-type reportArgumentType
    await row(ctx)  # wrong: call-arg reportCallIssue
    await row(ctx, 1, True, 2)  # wrong: call-arg reportCallIssue
    await row(ctx, nummer=1)  # wrong: call-arg reportCallIssue
    await row(1, 1)  # wrong: arg-type reportArgumentType
    print((await row(ctx, 1)).id)  # wrong: union-attr reportOptionalMemberAccess
    print(row(ctx, 1).id)  # wrong: attr-defined reportAttributeAccessIssue
    row(ctx, 1)  # wrong: unused-coroutine reportUnusedCoroutine
    found: Row = await row(ctx, 1)  # wrong: assignment reportAssignmentType
    del found
    row.policy.ttl = 1  # wrong: misc reportAttributeAccessIssue


@cached(POLICY)  # wrong: arg-type reportArgumentType
def not_async(number: int) -> int:
    """Only async functions can be cached."""
    return number


@cached(60)  # wrong: arg-type reportArgumentType
async def no_policy(number: int) -> int:
    """A policy is a `CachePolicy`."""
    return number


CachePolicy(ttl="60")  # wrong: arg-type reportArgumentType
CachePolicy(60, scope="PUBLIC")  # wrong: arg-type reportArgumentType
CachePolicy(60, tags="shop")  # wrong: arg-type reportArgumentType
CachePolicy(60, stale=1)  # wrong: call-arg reportCallIssue
