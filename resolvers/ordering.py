"""Placing, cancelling and moving orders. Each is one transaction: everything or nothing.

Rows are locked in one sequence everywhere: the order, its products by number, the user.
"""

import secrets
from collections.abc import Sequence
from typing import Final

import msgspec
from tortoise.expressions import F

from models.database import locked
from models.tables import Order, OrderLine, OrderStatus, Product, User
from resolvers import clock, inputs, rights, tags
from resolvers.context import Context
from resolvers.errors import Described, ErrorCode, InvalidArgument, Refused, UserError, refused
from resolvers.idempotency import Call, write_once
from resolvers.money import whole_units
from resolvers.stock import give_back, lock_products, moved_tags, take
from resolvers.writing import Change, write

MAX_LINES: Final = 100
MAX_QUANTITY: Final = 1_000

_NEXT: Final = {
    OrderStatus.PENDING: (OrderStatus.PAID, OrderStatus.CANCELLED),
    OrderStatus.PAID: (OrderStatus.SHIPPED, OrderStatus.CANCELLED),
    OrderStatus.SHIPPED: (OrderStatus.DELIVERED,),
    OrderStatus.DELIVERED: (),
    OrderStatus.CANCELLED: (),
}
"""Where an order can go from each status."""


class LineWanted(msgspec.Struct, frozen=True):
    """A line of an order to place; lines of one product are merged."""

    product_id: int
    quantity: int


async def place_order(ctx: Context, lines: Sequence[LineWanted], key: str | None = None) -> int:
    """Order for the viewer and return the order's number in the table.

    `key` is an idempotency key: with the same one a second order is not placed.

    Prices are read, stock taken, units sold and loyalty points counted in one transaction; the
    total is computed here. Refuses with UNAUTHENTICATED, NOT_FOUND or OUT_OF_STOCK (a path leads to
    each line); raises InvalidArgument for too many or too few lines or pieces.
    """
    user_id = rights.logged_in(ctx)
    _merged(lines)

    async def work(change: Change) -> int:
        return await _place(change, user_id, lines)

    return await write_once(ctx, Call("placeOrder", key, lines), work)


async def _place(change: Change, user_id: int, lines: Sequence[LineWanted]) -> int:
    wanted = _merged(lines)
    rows = await lock_products(wanted)
    products = {number: row for number, row in rows.items() if row.deleted_at is None}
    await _take_all(lines, wanted, products)
    total = sum(products[number].price_minor * count for number, count in wanted.items())
    await _add_points(user_id, whole_units(total))
    order_id = await _insert(user_id, total, [(products[it], wanted[it]) for it in wanted])
    change.purges(*await moved_tags(products, wanted, stock=-1))
    change.purges(tags.order(order_id), tags.order_lines(order_id), tags.account(user_id))
    change.purges(tags.orders_of(user_id), tags.orders_of(user_id, OrderStatus.PENDING))
    return order_id


async def cancel_order(ctx: Context, order_id: int) -> int:
    """Cancel a pending or paid order; give stock, units sold and points back.

    For its owner and staff; to anyone else there is no such order. Refuses with UNAUTHENTICATED,
    NOT_FOUND or CONFLICT.
    """
    rights.logged_in(ctx)
    async with write(ctx) as change:
        order = await _lock_order(ctx, order_id)
        await _move(order, OrderStatus.CANCELLED, change, "orderId")
    return order_id


async def update_order_status(ctx: Context, order_id: int, status: OrderStatus) -> int:
    """Move an order on: PENDING, PAID, SHIPPED, DELIVERED; CANCELLED from the first two.

    For staff. Refuses with UNAUTHENTICATED, FORBIDDEN, NOT_FOUND or CONFLICT.
    """
    rights.staff(ctx)
    async with write(ctx) as change:
        order = await _lock_order(ctx, order_id)
        await _move(order, status, change, "status")
    return order_id


def _merged(lines: Sequence[LineWanted]) -> dict[int, int]:
    """Return the pieces wanted of each product, in the order of the lines."""
    if not 1 <= len(lines) <= MAX_LINES:
        expected = f"1 to {MAX_LINES} lines"
        raise InvalidArgument("input.lines", expected, Described(f"{len(lines)} lines"))
    wanted: dict[int, int] = {}
    for index, line in enumerate(lines):
        argument = f"input.lines.{index}.quantity"
        inputs.between(line.quantity, 1, MAX_QUANTITY, argument)
        together = wanted.get(line.product_id, 0) + line.quantity
        wanted[line.product_id] = inputs.between(together, 1, MAX_QUANTITY, argument)
    return wanted


async def _take_all(
    lines: Sequence[LineWanted], wanted: dict[int, int], products: dict[int, Product]
) -> None:
    """Take every product's pieces from stock; refuse with an error for each line at fault."""
    at = {line.product_id: index for index, line in reversed(list(enumerate(lines)))}
    errors = []
    for number in sorted(wanted):
        product = products.get(number)
        if product is None:
            errors.append(_line_error(ErrorCode.NOT_FOUND, "There is no such product.", at[number]))
        elif not await take(product, wanted[number]):
            message = (
                f"{wanted[number]} of {product.name!r} are wanted and {product.stock} are in stock."
            )
            errors.append(_line_error(ErrorCode.OUT_OF_STOCK, message, at[number]))
    if errors:
        raise Refused(*errors)


def _line_error(code: ErrorCode, message: str, index: int) -> UserError:
    field = "quantity" if code is ErrorCode.OUT_OF_STOCK else "productId"
    return UserError(code, message, ("input", "lines", str(index), field))


async def _insert(user_id: int, total: int, lines: list[tuple[Product, int]]) -> int:
    order = await Order.create(
        number=secrets.token_hex(16),  # until the row's own number is known, two lines below
        user_id=user_id,
        status=OrderStatus.PENDING,
        placed_at=clock.now(),
        total_minor=total,
    )
    number = f"FQ-{order.id:08d}"
    # An import brought this number before it refused the form. Without another one every order
    # would fail: on SQLite the next attempt gets the same id.
    if await Order.filter(number=number).exists():
        number = f"{number}-{secrets.token_hex(4)}"
    await Order.filter(id=order.id).update(number=number)
    await OrderLine.bulk_create(
        OrderLine(
            order_id=order.id,
            line_no=line_no,
            product_id=product.id,
            quantity=quantity,
            unit_price_minor=product.price_minor,
        )
        for line_no, (product, quantity) in enumerate(lines, start=1)
    )
    return int(order.id)


async def _lock_order(ctx: Context, order_id: int) -> Order:
    order = await locked(Order.filter(id=order_id)).first()
    if order is None or not ctx.viewer.may_see(order.user_id):
        raise refused(ErrorCode.NOT_FOUND, "There is no such order.", "input", "orderId")
    return order


async def _move(order: Order, status: OrderStatus, change: Change, argument: str) -> None:
    """Give a locked order its next status, and name what that changes."""
    before = order.status
    if status not in _NEXT[before]:
        can = " or ".join(_NEXT[before]) or "nothing else"
        message = f"The order is {before} and can become {can}; asked for was {status}."
        raise refused(ErrorCode.CONFLICT, message, "input", argument, version=order.version)
    order.status = status
    order.version += 1
    await order.save(update_fields=["status", "version"])
    change.purges(
        tags.order(order.id),
        tags.orders_of(order.user_id, before),
        tags.orders_of(order.user_id, status),
    )
    if status is OrderStatus.CANCELLED:
        change.purges(tags.account(order.user_id), *await _give_all_back(order))


async def _give_all_back(order: Order) -> set[str]:
    """Undo what placing the order moved; return the tags.

    An imported order took nothing from stock, and gives nothing back to it.
    """
    restocked = order.import_digest is None
    lines = await OrderLine.filter(order_id=order.id).values_list("product_id", "quantity")
    moved: dict[int, int] = {}
    for number, quantity in lines:
        moved[number] = moved.get(number, 0) + quantity
    products = await lock_products(moved)
    for number in sorted(moved):
        await give_back(products[number], moved[number], restocked=restocked)
    await _add_points(order.user_id, -whole_units(order.total_minor))
    return await moved_tags(products, moved, stock=1 if restocked else 0)


async def _add_points(user_id: int, points: int) -> None:
    await User.filter(id=user_id).update(loyalty_points=F("loyalty_points") + points)
