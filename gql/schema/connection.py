"""Relay connections over key-set pages: what every list of the schema shares.

A list's resolver returns a `Listing`: positions only. Its rows are read when `edges` are asked
for, each from an entry of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

import strawberry

from gql.schema.binding import uncached
from resolvers.paging import Ordering, cursor
from resolvers.rows import ListPage

R = TypeVar("R")

First = Annotated[
    int | None,
    strawberry.argument(description="The first so many items, 1 to 100. 20 when nothing is said."),
]
Last = Annotated[
    int | None, strawberry.argument(description="The last so many items instead, 1 to 100.")
]
After = Annotated[
    str | None, strawberry.argument(description="Only items behind the one with this cursor.")
]
Before = Annotated[
    str | None, strawberry.argument(description="Only items ahead of the one with this cursor.")
]


@strawberry.type(description="Where a page lies in its list.")
class PageInfo:
    """Relay's page information."""

    has_next_page: bool = strawberry.field(description="Whether more items follow.")
    has_previous_page: bool = strawberry.field(description="Whether items go before.")
    start_cursor: str | None = strawberry.field(description="The cursor of the first item.")
    end_cursor: str | None = strawberry.field(description="The cursor of the last item.")


@dataclass(frozen=True, slots=True)
class Edge(Generic[R]):
    """One item of a page, with its row."""

    cursor: str
    node: R


@dataclass(frozen=True, slots=True)
class Listing:
    """A page and the order of the list that it is of."""

    ordering: Ordering
    page: ListPage

    def edges(self, rows: Sequence[R | None]) -> list[Edge[R]]:
        """Return the items with their rows.

        One whose row is gone was removed after the page was read, and is left out.
        """
        return [
            Edge(cursor(self.ordering, item), row)
            for item, row in zip(self.page.items, rows, strict=True)
            if row is not None
        ]

    def page_info(self) -> PageInfo:
        """Return where the page lies."""
        cursors = [cursor(self.ordering, item) for item in self.page.items]
        return PageInfo(
            has_next_page=self.page.has_next,
            has_previous_page=self.page.has_previous,
            start_cursor=cursors[0] if cursors else None,
            end_cursor=cursors[-1] if cursors else None,
        )


def _page_info(root: Listing) -> PageInfo:
    return root.page_info()


def page_info_field() -> Any:
    """Return the `pageInfo` field of a connection over a `Listing`."""
    return uncached(
        _page_info, "Where the page lies in the list.", because="part of the page, which is cached"
    )
