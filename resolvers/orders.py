"""Orders as their owner and staff see them: rows, lines, lists and counts. All private."""

from datetime import datetime
from typing import Final

from cache import cached
from models.queries import orders as queries
from models.tables import OrderStatus
from resolvers import policies, tags
from resolvers.context import Context
from resolvers.paging import Ordering, PageSpan
from resolvers.rows import ListPage, OrderLineRow, OrderRow

NEWEST_FIRST: Final = Ordering("NEWEST", datetime)
"""The one order of a user's orders."""


@cached(policies.ORDER, tags=lambda ctx, order_id: (tags.order(order_id),))
async def order(ctx: Context, order_id: int) -> OrderRow | None:
    """Return an order; None for anyone but its owner and staff."""
    found = await ctx.loaders.orders.load(order_id)
    return found if found is not None and ctx.viewer.may_see(found.user_id) else None


@cached(policies.ORDER, tags=lambda ctx, order_id, owner_id: (tags.order_lines(order_id),))
async def order_lines(ctx: Context, order_id: int, owner_id: int) -> tuple[OrderLineRow, ...]:
    """Return the lines of an order, by their numbers; none for who may not see them.

    `owner_id` is the order's, from its row: read here, a new status would purge the lines too.
    """
    if not ctx.viewer.may_see(owner_id):
        return ()
    return await ctx.loaders.order_lines.load(order_id) or ()


@cached(policies.ORDER, tags=lambda ctx, user_id, status, span: (tags.orders_of(user_id, status),))
async def order_page(
    ctx: Context, user_id: int, status: OrderStatus | None, span: PageSpan
) -> ListPage:
    """Return one page of a user's orders, newest first; empty for who may not see them."""
    if not ctx.viewer.may_see(user_id):
        return ListPage((), has_next=False, has_previous=False)
    found = await queries.order_page(user_id, status, NEWEST_FIRST.window(span))
    return NEWEST_FIRST.page(found)


@cached(policies.ORDER, tags=lambda ctx, user_id, status: (tags.orders_of(user_id, status),))
async def order_count(ctx: Context, user_id: int, status: OrderStatus | None) -> int:
    """Return how many orders a user has; 0 for who may not see them."""
    if not ctx.viewer.may_see(user_id):
        return 0
    return await queries.order_count(user_id, status)
