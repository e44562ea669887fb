"""`Order`, its lines, and lists of orders."""

import asyncio
from dataclasses import dataclass
from datetime import datetime

import strawberry

from gql.schema.binding import bound, uncached
from gql.schema.common import Money, money_of
from gql.schema.connection import Edge, Listing, PageInfo, page_info_field
from gql.schema.context import Info
from gql.schema.enums import OrderStatus
from gql.schema.node import Node, stands_for
from gql.schema.product import Product
from gql.schema.user import User
from resolvers.ids import encode_id
from resolvers.orders import order, order_count, order_lines
from resolvers.products import sold_product
from resolvers.rows import OrderLineRow, OrderRow, ProductRow, UserRow
from resolvers.users import user


@dataclass(frozen=True, slots=True)
class OrderListing(Listing):
    """A page of a user's orders and the list that it is of."""

    user_id: int
    status: OrderStatus | None


async def _product(root: OrderLineRow, info: Info) -> ProductRow | None:
    return await sold_product(info.context.ctx, root.product_id)


def _unit_price(root: OrderLineRow, info: Info) -> Money:
    return money_of(root.unit_price_minor, info)


def _line_total(root: OrderLineRow, info: Info) -> Money:
    return money_of(root.unit_price_minor * root.quantity, info)


@strawberry.type(description="One product of an order.")
class OrderLine:
    """A line, over `OrderLineRow`."""

    product: Product = bound(
        sold_product, _product, "What was bought, as it is today; also when it is no longer sold."
    )
    quantity: int = strawberry.field(description="How many pieces.")
    unit_price: Money = uncached(
        _unit_price, "What a piece cost when it was ordered.", because="computed from the row"
    )
    total: Money = uncached(
        _line_total,
        "What the line cost: unit price times quantity.",
        because="computed from the row",
    )


def _id(root: OrderRow) -> str:
    return encode_id("Order", root.id)


def _total(root: OrderRow, info: Info) -> Money:
    return money_of(root.total_minor, info)


async def _lines(root: OrderRow, info: Info) -> tuple[OrderLineRow, ...]:
    return await order_lines(info.context.ctx, root.id, root.user_id)


async def _customer(root: OrderRow, info: Info) -> UserRow | None:
    return await user(info.context.ctx, root.user_id)


@strawberry.type(description="What a customer bought at one time.")
class Order(Node):
    """An order, over `OrderRow`."""

    is_type_of = stands_for(OrderRow, "Order")

    id: strawberry.ID = uncached(_id, "The global id.", because="computed from the row")
    number: str = strawberry.field(description="The order's number, for people.")
    status: OrderStatus = strawberry.field(description="Where it is.")
    placed_at: datetime = strawberry.field(description="When it was ordered.")
    total: Money = uncached(
        _total, "What it cost: all lines together.", because="computed from the row"
    )
    lines: list[OrderLine] = bound(order_lines, _lines, "What was bought.")
    customer: User = bound(user, _customer, "Who ordered.")


async def _edges(root: OrderListing, info: Info) -> list[Edge[OrderRow]]:
    ctx = info.context.ctx
    return root.edges(await asyncio.gather(*(order(ctx, it.id) for it in root.page.items)))


async def _total_count(root: OrderListing, info: Info) -> int:
    return await order_count(info.context.ctx, root.user_id, root.status)


@strawberry.type(description="An order in a list.")
class OrderEdge:
    """One item of a page."""

    cursor: str = strawberry.field(description="Where it is in the list; opaque.")
    node: Order = strawberry.field(description="The order.")


@strawberry.type(description="A page of a list of orders.")
class OrderConnection:
    """A Relay connection over an `OrderListing`."""

    edges: list[OrderEdge] = bound(order, _edges, "The page's items.")
    page_info: PageInfo = page_info_field()
    total_count: int = bound(order_count, _total_count, "How many orders the list has.")
