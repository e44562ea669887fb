"""order_lines.csv into the lines of imported orders, and all that follows from them.

An order's total, its customer's points and its products' units sold are what the lines add up to.
Each batch adds what *its* lines change, in the transaction that writes them: lines of one order may
lie in different batches, an interrupted import can be repeated, and an order that the running store
takes meanwhile is not overwritten. `docs/import.md` has the argument.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tortoise.backends.base.client import BaseDBAsyncClient

from models.database import locked
from models.tables import Order, OrderLine, OrderStatus, Product
from ops.importers.cells import LARGEST_TOTAL
from ops.importers.layout import LineRow
from ops.importers.problems import Problem
from ops.importers.scopes import scopes_of
from ops.importers.target import Entry, Saved, Target, add_points, run_many
from resolvers import tags
from resolvers.money import whole_units
from resolvers.tags import Aspect

_ORDER = ("id", "number", "user_id", "status", "total_minor", "import_digest")
_LINE = ("id", "order_id", "line_no", "product_id", "quantity", "unit_price_minor", "import_digest")

_ADD_TO_TOTAL = (
    "UPDATE orders SET total_minor = total_minor + ?, version = version + 1 WHERE id = ?"
)
_ADD_UNITS = "UPDATE products SET units_sold = units_sold + ? WHERE id = ?"


@dataclass(slots=True)
class _Deltas:
    """What a batch's lines add: to orders' totals (minor units) and to products' units."""

    totals: Counter[int] = field(default_factory=Counter)
    units: Counter[int] = field(default_factory=Counter)


class OrderLines(Target[LineRow]):
    """One batch of order lines."""

    def __init__(self, connection: BaseDBAsyncClient) -> None:
        self._connection = connection
        self._orders: dict[str, Order] = {}
        self._products: dict[str, int] = {}
        self._lines: dict[tuple[int, int], OrderLine] = {}
        self._totals: dict[int, int] = {}

    async def load(self, entries: Sequence[Entry[LineRow]]) -> None:
        """Lock the orders that the rows name; read their products and the lines that are there.

        The orders stay locked until the commit: nobody cancels one between the look at its status
        and the change of its total.
        """
        numbers = list({entry.row.order_id for entry in entries})
        orders = await locked(Order.filter(number__in=numbers).order_by("id")).only(*_ORDER)
        self._orders = {order.number: order for order in orders}
        self._totals = {order.id: order.total_minor for order in orders}
        skus = list({entry.row.sku for entry in entries})
        self._products = dict(await Product.filter(sku__in=skus).values_list("sku", "id"))
        line_numbers = list({entry.row.line for entry in entries})
        lines = await OrderLine.filter(
            order_id__in=list(self._totals), line_no__in=line_numbers
        ).only(*_LINE)
        self._lines = {(line.order_id, line.line_no): line for line in lines}

    def admit(self, entry: Entry[LineRow]) -> Problem | None:
        """A row needs a known, imported order and a known product; its order a total in bounds."""
        row = entry.row
        order = self._orders.get(row.order_id)
        if order is None:
            return Problem("order_id", f"there is no order {row.order_id!r}")
        if order.import_digest is None:
            return Problem(
                "order_id", f"order {row.order_id!r} was placed in the store, not imported"
            )
        if row.sku not in self._products:
            return Problem("sku", f"there is no product {row.sku!r}")
        total = self._totals[order.id] + row.total_minor - _total(self._line(row))
        if total > LARGEST_TOTAL:
            return Problem(
                "unit_price", f"the total of order {row.order_id!r} would pass {LARGEST_TOTAL}"
            )
        self._totals[order.id] = total
        return None

    async def save(self, entries: Sequence[Entry[LineRow]]) -> Saved:
        """Add new lines, update changed ones, and add up what follows from them."""
        new = [entry for entry in entries if self._line(entry.row) is None]
        changed = [entry for entry in entries if self._is_changed(entry)]
        if new:
            await OrderLine.bulk_create([self._new_line(entry) for entry in new])
        await self._update(changed)
        deltas = self._deltas([*new, *changed])
        saved = Saved(added=len(new), changed=len(changed))
        await self._apply(deltas, saved)
        return saved

    def _line(self, row: LineRow) -> OrderLine | None:
        return self._lines.get((self._orders[row.order_id].id, row.line))

    def _is_changed(self, entry: Entry[LineRow]) -> bool:
        line = self._line(entry.row)
        return line is not None and line.import_digest != entry.digest

    def _new_line(self, entry: Entry[LineRow]) -> OrderLine:
        row = entry.row
        return OrderLine(
            order_id=self._orders[row.order_id].id,
            line_no=row.line,
            product_id=self._products[row.sku],
            quantity=row.quantity,
            unit_price_minor=row.unit_price_minor,
            import_digest=entry.digest,
        )

    async def _update(self, entries: Sequence[Entry[LineRow]]) -> None:
        for entry in entries:
            row, order = entry.row, self._orders[entry.row.order_id]
            await OrderLine.filter(order_id=order.id, line_no=row.line).update(
                product_id=self._products[row.sku],
                quantity=row.quantity,
                unit_price_minor=row.unit_price_minor,
                import_digest=entry.digest,
            )

    def _deltas(self, entries: Sequence[Entry[LineRow]]) -> _Deltas:
        deltas = _Deltas()
        for entry in entries:
            row, line, order = entry.row, self._line(entry.row), self._orders[entry.row.order_id]
            deltas.totals[order.id] += row.total_minor - _total(line)
            if order.status is OrderStatus.CANCELLED:
                continue
            deltas.units[self._products[row.sku]] += row.quantity
            if line is not None:
                deltas.units[line.product_id] -= line.quantity
        return deltas

    async def _apply(self, deltas: _Deltas, saved: Saved) -> None:
        """Orders, then products, then users, each by id: the store locks them in this order too."""
        await run_many(
            self._connection,
            _ADD_TO_TOTAL,
            ((delta, order_id) for order_id, delta in sorted(deltas.totals.items())),
        )
        units = {product_id: delta for product_id, delta in deltas.units.items() if delta}
        await run_many(
            self._connection,
            _ADD_UNITS,
            ((delta, product_id) for product_id, delta in sorted(units.items())),
        )
        points: Counter[int] = Counter()
        for order in self._orders.values():
            if order.id in deltas.totals:
                saved.purge.add(tags.ORDERS, tags.order(order.id), tags.order_lines(order.id))
                points[order.user_id] += _points_added(order, deltas.totals[order.id])
        await add_points(self._connection, points)
        saved.purge.add(tags.USERS, *(tags.account(one) for one, delta in points.items() if delta))
        saved.purge.add(tags.PRODUCTS, *map(tags.sold, units))
        for scopes in (await scopes_of(units)).values():
            saved.purge.add(tags.PRODUCTS, *tags.facets(scopes, {Aspect.SOLD}))


def _total(line: OrderLine | None) -> int:
    return 0 if line is None else line.quantity * line.unit_price_minor


def _points_added(order: Order, delta: int) -> int:
    if order.status is OrderStatus.CANCELLED:
        return 0
    return whole_units(order.total_minor + delta) - whole_units(order.total_minor)
