"""Orders: stock under concurrency, everything or nothing, and what a cancellation gives back."""

import asyncio
from collections.abc import Sequence

import pytest

from models.tables import Order, OrderLine, OrderStatus, Product, User
from resolvers import ordering, stock
from resolvers.context import Viewer
from resolvers.errors import ErrorCode, InvalidArgument, Refused
from resolvers.ordering import LineWanted, cancel_order, place_order, update_order_status
from tests.support.store import LONG_AGO, Store, Worker, context_of


def _viewer(store: Store, name: str) -> Viewer:
    user = store.users[name]
    return Viewer(user.id, user.role)


async def _place(store: Store, name: str, *lines: tuple[str, int], at: Worker | None = None) -> int:
    wanted = [LineWanted(store.products[sku].id, count) for sku, count in lines]
    with context_of(at or store.worker, _viewer(store, name)) as ctx:
        return await place_order(ctx, wanted)


async def _points(store: Store, name: str) -> int:
    return (await User.get(id=store.users[name].id)).loyalty_points


async def _counts(store: Store) -> tuple[int, int, list[tuple[int, int]], list[int]]:
    """Everything that an order changes."""
    products = await Product.all().order_by("id").values_list("stock", "units_sold")
    points = await User.all().order_by("id").values_list("loyalty_points", flat=True)
    return await Order.all().count(), await OrderLine.all().count(), list(products), list(points)


async def test_an_order_moves_everything_that_it_should(store: Store) -> None:
    number = await _place(store, "ada", ("H-1", 3), ("P-1", 1), ("H-1", 2))
    order = await Order.get(id=number)
    assert order.status is OrderStatus.PENDING
    assert order.number == f"FQ-{number:08d}"
    assert order.total_minor == 5 * 1_999 + 50_000
    lines = await OrderLine.filter(order_id=number).order_by("line_no")
    assert [(line.product_id, line.quantity, line.unit_price_minor) for line in lines] == [
        (store.products["H-1"].id, 5, 1_999),
        (store.products["P-1"].id, 1, 50_000),
    ]
    assert await store.stock_of("H-1") == 95
    lamp = await Product.get(id=store.products["H-1"].id)
    assert lamp.units_sold == store.products["H-1"].units_sold + 5
    assert lamp.version == 1
    assert await _points(store, "ada") == 599


async def test_the_price_of_the_moment_stays(store: Store) -> None:
    number = await _place(store, "ada", ("P-1", 1))
    await Product.filter(id=store.products["P-1"].id).update(price_minor=1)
    assert (await OrderLine.get(order_id=number)).unit_price_minor == 50_000


async def test_one_line_too_many_and_nothing_is_written(store: Store) -> None:
    before = await _counts(store)
    with pytest.raises(Refused) as raised:
        await _place(store, "ada", ("P-1", 1), ("S-1", 4), ("A-1", 1), ("H-1", 1))
    assert [(error.code, error.path) for error in raised.value.errors] == [
        (ErrorCode.OUT_OF_STOCK, ("input", "lines", "1", "quantity")),
        (ErrorCode.OUT_OF_STOCK, ("input", "lines", "2", "quantity")),
    ]
    assert "4 of 'Gamma Smart' are wanted and 3 are in stock" in raised.value.errors[0].message
    assert await _counts(store) == before


async def test_an_unknown_product_and_nothing_is_written(store: Store) -> None:
    before = await _counts(store)
    lines = [LineWanted(store.products["P-1"].id, 1), LineWanted(999, 1)]
    with context_of(store.worker, _viewer(store, "ada")) as ctx, pytest.raises(Refused) as raised:
        await place_order(ctx, lines)
    [error] = raised.value.errors
    assert (error.code, error.path) == (
        ErrorCode.NOT_FOUND,
        ("input", "lines", "1", "productId"),
    )
    assert await _counts(store) == before


@pytest.mark.parametrize(
    ("quantities", "argument"),
    [
        ([], "input.lines"),
        ([1] * 101, "input.lines"),
        ([0], "input.lines.0.quantity"),
        ([1, -1], "input.lines.1.quantity"),
        ([1001], "input.lines.0.quantity"),
        ([600, 500], "input.lines.1.quantity"),
    ],
)
async def test_how_much_an_order_may_be(
    store: Store, quantities: Sequence[int], argument: str
) -> None:
    before = await _counts(store)
    with pytest.raises(InvalidArgument) as raised:
        await _place(store, "ada", *(("H-1", count) for count in quantities))
    assert raised.value.argument == argument
    assert await _counts(store) == before


async def _rush(store: Store) -> int:
    """20 orders of 1 lamp and 2 chairs at once, from two workers; how many succeeded."""
    await Product.filter(id=store.products["H-2"].id).update(stock=15)
    orders = [
        _place(
            store,
            "ada" if index % 2 else "bob",
            *([("H-1", 1), ("H-2", 2)] if index % 3 else [("H-2", 2), ("H-1", 1)]),
            at=store.worker if index % 2 else store.other,
        )
        for index in range(20)
    ]
    outcomes = await asyncio.gather(*orders, return_exceptions=True)
    failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert all(isinstance(failure, Refused) for failure in failures), failures
    return len(outcomes) - len(failures)


async def test_stock_never_goes_negative_under_concurrent_orders(store: Store) -> None:
    assert await _rush(store) == 7
    assert await store.stock_of("H-2") == 1
    assert await store.stock_of("H-1") == 93
    assert await Order.all().count() == 7


async def test_without_the_condition_it_does(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: taking without looking oversells."""

    async def take(product: Product, quantity: int) -> bool:
        await stock.give_back(product, -quantity, restocked=True)
        return True

    monkeypatch.setattr(ordering, "take", take)
    assert await _rush(store) == 20
    assert await store.stock_of("H-2") < 0


@pytest.mark.parametrize("status", [OrderStatus.PENDING, OrderStatus.PAID])
async def test_a_cancellation_gives_everything_back(store: Store, status: OrderStatus) -> None:
    before = await _counts(store)
    number = await _place(store, "ada", ("H-1", 3), ("S-1", 3))
    await Order.filter(id=number).update(status=status)
    with context_of(store.other, _viewer(store, "ada")) as ctx:
        assert await cancel_order(ctx, number) == number
    after = await _counts(store)
    assert after[2:] == before[2:]
    assert (await Order.get(id=number)).status is OrderStatus.CANCELLED


async def test_it_is_given_back_once(store: Store) -> None:
    number = await _place(store, "ada", ("H-1", 3))
    cancellations = []
    for worker in (store.worker, store.other):
        for name in ("ada", "staff"):
            ctx = context_of(worker, _viewer(store, name))
            cancellations.append(_cancel_in(ctx, number))
    outcomes = await asyncio.gather(*cancellations, return_exceptions=True)
    assert sum(outcome == number for outcome in outcomes) == 1
    assert all(outcome == number or isinstance(outcome, Refused) for outcome in outcomes)
    assert await store.stock_of("H-1") == 100
    assert await _points(store, "ada") == 0


async def _cancel_in(ctx: object, number: int) -> int:
    with ctx:  # type: ignore[attr-defined]  # a Context
        return await cancel_order(ctx, number)  # type: ignore[arg-type]  # the same


async def test_who_may_cancel(store: Store) -> None:
    number = await _place(store, "ada", ("H-1", 1))
    for viewer, code in ((_viewer(store, "bob"), "NOT_FOUND"), (Viewer(), "UNAUTHENTICATED")):
        with context_of(store.worker, viewer) as ctx, pytest.raises(Refused) as raised:
            await cancel_order(ctx, number)
        assert raised.value.errors[0].code == code
    assert (await Order.get(id=number)).status is OrderStatus.PENDING
    assert await _cancel_in(context_of(store.worker, _viewer(store, "staff")), number) == number


TRANSITIONS = {
    ("PENDING", "PAID"),
    ("PENDING", "CANCELLED"),
    ("PAID", "SHIPPED"),
    ("PAID", "CANCELLED"),
    ("SHIPPED", "DELIVERED"),
}


async def test_every_transition_and_no_other(store: Store) -> None:
    staff = _viewer(store, "staff")
    for before in OrderStatus:
        for after in OrderStatus:
            order = await store.order("ada", {"H-1": 1}, before)
            with context_of(store.worker, staff) as ctx:
                if (before, after) in TRANSITIONS:
                    await update_order_status(ctx, order.id, after)
                    found = await Order.get(id=order.id)
                    assert (found.status, found.version) == (after, 2)
                    continue
                with pytest.raises(Refused) as raised:
                    await update_order_status(ctx, order.id, after)
            [error] = raised.value.errors
            assert error.code is ErrorCode.CONFLICT
            assert error.current_version == 1
            assert f"is {before} and can become" in error.message
            assert (await Order.get(id=order.id)).status is before


async def test_only_staff_moves_orders(store: Store) -> None:
    order = await store.order("ada", {"H-1": 1})
    with context_of(store.worker, _viewer(store, "ada")) as ctx, pytest.raises(Refused) as raised:
        await update_order_status(ctx, order.id, OrderStatus.PAID)
    assert raised.value.errors[0].code is ErrorCode.FORBIDDEN


async def test_cancelling_an_imported_order_gives_no_stock_back(store: Store) -> None:
    """It took none: the files say what was sold, and stock begins when they come in."""
    number = await _place(store, "ada", ("P-1", 3))
    await Order.filter(id=number).update(import_digest="of a file")
    product, points = await Product.get(sku="P-1"), await _points(store, "ada")
    with context_of(store.worker, _viewer(store, "staff")) as ctx:
        await cancel_order(ctx, number)

    after = await Product.get(sku="P-1")
    assert after.stock == product.stock
    assert after.units_sold == product.units_sold - 3
    assert await _points(store, "ada") == points - 1_500


async def test_a_number_that_is_taken_does_not_stop_orders(store: Store) -> None:
    first = await _place(store, "ada", ("P-1", 1))
    taken = await Order.create(
        number=f"FQ-{first + 2:08d}", user=store.users["bob"], placed_at=LONG_AGO, total_minor=0
    )
    assert taken.id == first + 1
    second = await _place(store, "ada", ("P-1", 1))

    assert second == first + 2
    assert (await Order.get(id=second)).number.startswith(f"FQ-{second:08d}-")
