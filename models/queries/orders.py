"""Reads of orders."""

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from tortoise.queryset import QuerySet

from models.queries.paging import By, Ordering, Page, Window, page
from models.tables import Order, OrderLine, OrderStatus

NEWEST_FIRST: Ordering = (By("placed_at", descending=True), By("id", descending=True))
"""The order of a user's orders."""


class OrderColumns(NamedTuple):
    """An order without its lines."""

    id: int
    number: str
    user_id: int
    status: OrderStatus
    placed_at: datetime
    total_minor: int
    version: int


class LineColumns(NamedTuple):
    """One product of an order."""

    product_id: int
    quantity: int
    unit_price_minor: int


_ORDER = ("id", "number", "user_id", "status", "placed_at", "total_minor", "version")


async def orders_by_id(ids: Collection[int]) -> dict[int, OrderColumns]:
    """The orders with these ids."""
    rows = await Order.filter(id__in=list(ids)).values_list(*_ORDER)
    return {row[0]: OrderColumns(*row) for row in rows}


async def order_page(user_id: int, status: OrderStatus | None, window: Window) -> Page:
    """A page of ``(id, placed_at)`` of a user's orders; the keys of ``window`` are the reverse."""
    return await page(_orders(user_id, status), NEWEST_FIRST, window, ("id", "placed_at"))


async def order_count(user_id: int, status: OrderStatus | None) -> int:
    """How many orders a user has."""
    return await _orders(user_id, status).count()


async def lines_by_order(order_ids: Collection[int]) -> dict[int, tuple[LineColumns, ...]]:
    """The lines of these orders, by their numbers."""
    rows = (
        await OrderLine.filter(order_id__in=list(order_ids))
        .order_by("order_id", "line_no")
        .values_list("order_id", "product_id", "quantity", "unit_price_minor")
    )
    lines: defaultdict[int, list[LineColumns]] = defaultdict(list)
    for order_id, *columns in rows:
        lines[order_id].append(LineColumns(*columns))
    return {order_id: tuple(found) for order_id, found in lines.items()}


def _orders(user_id: int, status: OrderStatus | None) -> QuerySet[Order]:
    queryset = Order.filter(user_id=user_id)
    return queryset if status is None else queryset.filter(status=status)
