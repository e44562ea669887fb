"""The mutations of accounts and orders: each checks its input, writes, and answers with a payload.

A payload's fields are read after the write was committed and purged, by the same cached functions
as everywhere: the answer is the first to see the change, and fills the cache with it.
"""

from datetime import datetime
from typing import Annotated, Any, Final, TypeVar

import strawberry

from gql.schema.binding import bound, uncached
from gql.schema.common import Outcome, UserError, errors_field, outcome_of
from gql.schema.context import Info
from gql.schema.given import checked_key
from gql.schema.inputs import (
    CancelOrderInput,
    ChangePasswordInput,
    LoginInput,
    LogoutInput,
    PlaceOrderInput,
    RegisterInput,
    UpdateOrderStatusInput,
    UpdateProfileInput,
)
from gql.schema.order import Order
from gql.schema.user import User
from resolvers import accounts, ordering, orders, sessions, users
from resolvers.ids import decode_id
from resolvers.rows import OrderRow, UserRow
from resolvers.sessions import Opened

T = TypeVar("T")
_IN: Final = strawberry.argument(name="input", description="What to do.")
_OPENED: Final = "what this mutation came to, a moment ago"
_WRITES: Final = "a mutation"


async def _user(root: Outcome[int], info: Info) -> UserRow | None:
    return None if root.value is None else await users.user(info.context.ctx, root.value)


async def _order(root: Outcome[int], info: Info) -> OrderRow | None:
    return None if root.value is None else await orders.order(info.context.ctx, root.value)


def _token(root: Outcome[Opened]) -> str | None:
    return root.value.token if root.value else None


def _expires_at(root: Outcome[Opened]) -> datetime | None:
    return root.value.ends_at if root.value else None


async def _opened_user(root: Outcome[Opened], info: Info) -> UserRow | None:
    user_id = root.value.viewer.user_id if root.value else None
    return None if user_id is None else await users.user(info.context.ctx, user_id)


def _done(root: Outcome[Any]) -> bool:
    return not root.errors


@strawberry.type(description="What `register` came to.")
class RegisterPayload:
    """Over `Outcome[int]`."""

    user: User | None = bound(users.user, _user, "The new user, who can log in now.")
    errors: list[UserError] = errors_field()


@strawberry.type(description="What `login` came to.")
class LoginPayload:
    """Over `Outcome[Opened]`."""

    token: str | None = uncached(
        _token,
        "Send it as `Authorization: Bearer TOKEN`. It is shown this once.",
        because=_OPENED,
    )
    expires_at: datetime | None = uncached(
        _expires_at,
        "When the session ends if it is not used; each use moves this to an hour later.",
        because=_OPENED,
    )
    user: User | None = bound(users.user, _opened_user, "Who is logged in.")
    errors: list[UserError] = errors_field()


@strawberry.type(description="What `logout` came to.")
class LogoutPayload:
    """Over `Outcome[None]`."""

    done: bool = uncached(_done, "Whether the session was ended.", because=_OPENED)
    errors: list[UserError] = errors_field()


@strawberry.type(description="What `changePassword` came to.")
class ChangePasswordPayload:
    """Over `Outcome[int]`."""

    user: User | None = bound(users.user, _user, "Whose password was changed.")
    errors: list[UserError] = errors_field()


@strawberry.type(description="What `updateProfile` came to.")
class UpdateProfilePayload:
    """Over `Outcome[int]`."""

    user: User | None = bound(users.user, _user, "The user as they are now.")
    errors: list[UserError] = errors_field()


@strawberry.type(description="What `placeOrder` came to.")
class PlaceOrderPayload:
    """Over `Outcome[int]`."""

    order: Order | None = bound(orders.order, _order, "The order.")
    errors: list[UserError] = errors_field()


@strawberry.type(description="What `updateOrderStatus` came to.")
class UpdateOrderStatusPayload:
    """Over `Outcome[int]`."""

    order: Order | None = bound(orders.order, _order, "The order as it is now.")
    errors: list[UserError] = errors_field()


@strawberry.type(description="What `cancelOrder` came to.")
class CancelOrderPayload:
    """Over `Outcome[int]`."""

    order: Order | None = bound(orders.order, _order, "The order, cancelled.")
    errors: list[UserError] = errors_field()


async def _register(info: Info, data: Annotated[RegisterInput, _IN]) -> Any:
    async def work() -> int:
        return await accounts.register(
            info.context.ctx, data.checked(), checked_key(data.idempotency_key)
        )

    return await outcome_of(work())


async def _login(info: Info, data: Annotated[LoginInput, _IN]) -> Any:
    return await outcome_of(accounts.login(info.context.ctx, data.email, data.password))


async def _logout(info: Info, data: Annotated[LogoutInput | None, _IN] = None) -> Any:
    everywhere = data is not None and data.everywhere
    return await outcome_of(sessions.logout(info.context.ctx, everywhere=everywhere))


async def _change_password(info: Info, data: Annotated[ChangePasswordInput, _IN]) -> Any:
    return await outcome_of(accounts.change_password(info.context.ctx, data.current, data.new))


async def _update_profile(info: Info, data: Annotated[UpdateProfileInput, _IN]) -> Any:
    async def work() -> int:
        return await accounts.update_profile(info.context.ctx, data.checked())

    return await outcome_of(work())


async def _place_order(info: Info, data: Annotated[PlaceOrderInput, _IN]) -> Any:
    async def work() -> int:
        return await ordering.place_order(
            info.context.ctx, data.checked(), checked_key(data.idempotency_key)
        )

    return await outcome_of(work())


async def _update_order_status(info: Info, data: Annotated[UpdateOrderStatusInput, _IN]) -> Any:
    async def work() -> int:
        order_id = decode_id(data.order_id, "Order", "input.orderId")
        return await ordering.update_order_status(info.context.ctx, order_id, data.status)

    return await outcome_of(work())


async def _cancel_order(info: Info, data: Annotated[CancelOrderInput, _IN]) -> Any:
    async def work() -> int:
        order_id = decode_id(data.order_id, "Order", "input.orderId")
        return await ordering.cancel_order(info.context.ctx, order_id)

    return await outcome_of(work())


@strawberry.type(description="What can be changed.")
class StoreMutation:
    """The mutations of accounts and orders."""

    register: RegisterPayload = uncached(
        _register, "Make an account. It does not log in.", because=_WRITES
    )
    login: LoginPayload = uncached(
        _login,
        "Begin a session: its token says who asks in later requests, and this answer is the user's "
        "already.",
        because=_WRITES,
    )
    logout: LogoutPayload = uncached(
        _logout, "End the session of this request's token, at once and everywhere.", because=_WRITES
    )
    change_password: ChangePasswordPayload = uncached(
        _change_password, "Set a new password, and end the user's other sessions.", because=_WRITES
    )
    update_profile: UpdateProfilePayload = uncached(
        _update_profile, "Change the viewer's own profile.", because=_WRITES
    )
    place_order: PlaceOrderPayload = uncached(
        _place_order,
        "Order, for the viewer: all lines or none. The store computes the total.",
        because=_WRITES,
    )
    update_order_status: UpdateOrderStatusPayload = uncached(
        _update_order_status,
        "Move an order on: PENDING, PAID, SHIPPED, DELIVERED in turn; or cancel it. For staff.",
        because=_WRITES,
    )
    cancel_order: CancelOrderPayload = uncached(
        _cancel_order,
        "Call off a pending or paid order; stock, points and units sold are given back. For its "
        "owner and staff.",
        because=_WRITES,
    )
