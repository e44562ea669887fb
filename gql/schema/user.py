"""`User`: the public profile, and what only the user and staff may see."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

import strawberry

from gql.schema.binding import bound, uncached
from gql.schema.connection import After, Before, First, Last
from gql.schema.context import Info
from gql.schema.enums import OrderStatus, Role
from gql.schema.node import Node, stands_for
from resolvers.ids import encode_id
from resolvers.orders import NEWEST_FIRST, order_page
from resolvers.paging import PageRequest, span_of
from resolvers.rows import UserRow
from resolvers.users import account

if TYPE_CHECKING:
    from gql.schema.order import OrderConnection, OrderListing

MAX_INT: Final = 2**31 - 1
_PRIVATELY: Final = "Null for anyone but the user and staff."


def _id(root: UserRow) -> str:
    return encode_id("User", root.id)


async def _email(root: UserRow, info: Info) -> str | None:
    found = await account(info.context.ctx, root.id)
    return found.email if found else None


async def _role(root: UserRow, info: Info) -> Role | None:
    found = await account(info.context.ctx, root.id)
    return found.role if found else None


async def _loyalty_points(root: UserRow, info: Info) -> int | None:
    found = await account(info.context.ctx, root.id)
    return min(found.loyalty_points, MAX_INT) if found else None


async def _version(root: UserRow, info: Info) -> int | None:
    found = await account(info.context.ctx, root.id)
    return found.version if found else None


Status = Annotated[
    OrderStatus | None, strawberry.argument(description="Only orders with this status.")
]


async def _orders(  # noqa: PLR0913 - the arguments of the field
    root: UserRow,
    info: Info,
    *,
    status: Status = None,
    first: First = None,
    after: After = None,
    last: Last = None,
    before: Before = None,
) -> "OrderListing | None":
    from gql.schema.order import OrderListing  # noqa: PLC0415 - the two types name each other

    ctx = info.context.ctx
    span = span_of(PageRequest(first, after, last, before), NEWEST_FIRST)
    if not ctx.viewer.may_see(root.id):
        return None
    page = await order_page(ctx, root.id, status, span)
    return OrderListing(NEWEST_FIRST, page, root.id, status)


@strawberry.type(description="Someone with an account, or a customer of the past.")
class User(Node):
    """A user, over `UserRow`."""

    is_type_of = stands_for(UserRow, "User")

    id: strawberry.ID = uncached(_id, "The global id.", because="computed from the row")
    name: str = strawberry.field(description="What they are called.")
    avatar_url: str | None = strawberry.field(description="Where their picture is.")
    created_at: datetime = strawberry.field(description="Since when they are known.")
    email: str | None = bound(account, _email, f"The address that they log in with. {_PRIVATELY}")
    role: Role | None = bound(account, _role, f"What they may do. {_PRIVATELY}")
    loyalty_points: int | None = bound(
        account,
        _loyalty_points,
        "One for each whole unit of their orders' totals, cancelled ones aside; "
        f"{MAX_INT} stands for that or more. {_PRIVATELY}",
    )
    version: int | None = bound(
        account,
        _version,
        "Counts edits of the profile. Send it with an update to be told of edits in between. "
        f"{_PRIVATELY}",
    )
    orders: Annotated["OrderConnection", strawberry.lazy("gql.schema.order")] | None = bound(
        order_page, _orders, f"Their orders, newest first. {_PRIVATELY}"
    )
