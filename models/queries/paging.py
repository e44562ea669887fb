"""Keyset paging: a page is found by the key of its edge, not by counting rows past it.

The predicate of a lexicographic order over columns with directions of their own is written so
that an index on the columns bounds the scan: ``a >= x AND (a > x OR (a = x AND b > y))``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from tortoise.expressions import Q
from tortoise.models import Model
from tortoise.queryset import QuerySet

M = TypeVar("M", bound=Model)
Key = tuple[Any, ...]
"""The values of an ordering's columns in one row."""


class By(NamedTuple):
    """One column of an ordering."""

    column: str
    descending: bool = False


Ordering = tuple[By, ...]
"""Columns, the last of which makes every row's key unique."""


@dataclass(frozen=True, slots=True)
class Window:
    """Which page: the first ``limit`` rows after ``after`` and before ``before``.

    ``backward``: the last ``limit`` of them instead, in the same order.
    """

    limit: int
    after: Key | None = None
    before: Key | None = None
    backward: bool = False


class Page(NamedTuple):
    """Rows in order, and whether there are more on either side.

    On the side that the page was read from, a row at the given key is taken to exist.
    """

    rows: tuple[tuple[Any, ...], ...]
    has_next: bool
    has_previous: bool


def past(ordering: Ordering, key: Key, *, backward: bool = False) -> Q:
    """The rows that come after ``key`` (``backward``: before it) in ``ordering``."""
    if len(ordering) != len(key):
        columns = ", ".join(by.column for by in ordering)
        raise ValueError(f"A key of {len(ordering)} values ({columns}) was expected, got {key!r}")
    by, value = ordering[0], key[0]
    comparison = "lt" if by.descending != backward else "gt"
    beyond = Q(**{f"{by.column}__{comparison}": value})
    if len(ordering) == 1:
        return beyond
    deeper = past(ordering[1:], key[1:], backward=backward)
    same = Q(**{by.column: value})
    bound = Q(**{f"{by.column}__{comparison}e": value})
    return bound & (beyond | (same & deeper))


def order_by(ordering: Ordering, *, backward: bool = False) -> tuple[str, ...]:
    """``ordering`` as Tortoise's ``order_by`` takes it."""
    return tuple(f"{'-' if by.descending != backward else ''}{by.column}" for by in ordering)


async def page(
    queryset: QuerySet[M], ordering: Ordering, window: Window, columns: Sequence[str]
) -> Page:
    """The rows of ``queryset`` in ``window``, with these columns.

    Rows stay exact when others are added or removed between two pages.
    """
    if window.after is not None:
        queryset = queryset.filter(past(ordering, window.after))
    if window.before is not None:
        queryset = queryset.filter(past(ordering, window.before, backward=True))
    found = await (
        queryset.order_by(*order_by(ordering, backward=window.backward))
        .limit(window.limit + 1)
        .values_list(*columns)
    )
    more = len(found) > window.limit
    rows = tuple(tuple(row) for row in found[: window.limit])
    if window.backward:
        return Page(rows[::-1], has_next=window.before is not None, has_previous=more)
    return Page(rows, has_next=more, has_previous=window.after is not None)
