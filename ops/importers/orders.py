"""orders.csv into orders without lines; order_lines.csv brings these."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, time

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.expressions import F

from models.database import locked
from models.tables import Order, OrderStatus, User
from ops.importers.layout import OrderRow
from ops.importers.problems import Problem
from ops.importers.status import derived_status
from ops.importers.target import Entry, Saved, Target, add_points
from resolvers import tags
from resolvers.money import whole_units


class Orders(Target[OrderRow]):
    """One batch of orders. `as_of` is the day by which their status is derived."""

    def __init__(self, connection: BaseDBAsyncClient, as_of: date) -> None:
        self._connection = connection
        self._as_of = as_of
        self._users: dict[str, int] = {}
        self._digests: dict[str, str | None] = {}

    async def load(self, entries: Sequence[Entry[OrderRow]]) -> None:
        """Read the customers that the rows name, and which of the orders are there."""
        customers = list({entry.row.customer_id for entry in entries})
        users = await User.filter(external_id__in=customers).values_list("external_id", "id")
        self._users = dict(users)
        numbers = [entry.key for entry in entries]
        found = await Order.filter(number__in=numbers).values_list("number", "import_digest")
        self._digests = dict(found)

    def admit(self, entry: Entry[OrderRow]) -> Problem | None:
        """A row needs a known customer, and must not take over an order placed in the store."""
        if entry.row.customer_id not in self._users:
            return Problem("customer_id", f"there is no customer {entry.row.customer_id!r}")
        if self._digests.get(entry.key, "") is None:
            return Problem("id", f"order {entry.key!r} was placed in the store, not imported")
        return None

    async def save(self, entries: Sequence[Entry[OrderRow]]) -> Saved:
        """Add new orders, and update changed ones."""
        new = [entry for entry in entries if entry.key not in self._digests]
        changed = [
            entry for entry in entries if self._digests.get(entry.key, entry.digest) != entry.digest
        ]
        saved = Saved(added=len(new), changed=len(changed))
        await self._add(new, saved)
        await self._update(changed, saved)
        return saved

    async def _add(self, entries: Sequence[Entry[OrderRow]], saved: Saved) -> None:
        if not entries:
            return
        orders = [self._order(entry) for entry in entries]
        await Order.bulk_create(orders)
        numbers = [order.number for order in orders]
        ids = [one for (one,) in await Order.filter(number__in=numbers).values_list("id")]
        # The ids too: somebody may have asked for one before it was there.
        for order_id in ids:
            saved.purge.add(tags.ORDERS, tags.order(order_id), tags.order_lines(order_id))
        for order in orders:
            saved.purge.add(tags.ORDERS, *_lists(order.user_id, order.status))

    def _order(self, entry: Entry[OrderRow]) -> Order:
        return Order(
            number=entry.key,
            status=derived_status(entry.row.shipped_on, self._as_of),
            total_minor=0,
            **self._columns(entry),
        )

    def _columns(self, entry: Entry[OrderRow]) -> dict[str, object]:
        row = entry.row
        return {
            "user_id": self._users[row.customer_id],
            "placed_at": datetime.combine(row.placed_on, time.min, UTC),
            "shipped_on": row.shipped_on,
            "ship_mode": row.ship_mode,
            "import_digest": entry.digest,
        }

    async def _update(self, entries: Sequence[Entry[OrderRow]], saved: Saved) -> None:
        if not entries:
            return
        numbers = [entry.key for entry in entries]
        rows = await locked(Order.filter(number__in=numbers).order_by("id"))
        before = {row.number: row for row in rows}
        points: Counter[int] = Counter()
        for entry in entries:
            row, columns = before[entry.key], self._columns(entry)
            await Order.filter(id=row.id).update(**columns, version=F("version") + 1)
            user_id = self._users[entry.row.customer_id]
            if row.status is not OrderStatus.CANCELLED and user_id != row.user_id:
                points[row.user_id] -= whole_units(row.total_minor)
                points[user_id] += whole_units(row.total_minor)
            for one in {row.user_id, user_id}:
                saved.purge.add(tags.ORDERS, tags.order(row.id), *_lists(one, row.status))
        await add_points(self._connection, points)
        saved.purge.add(tags.USERS, *map(tags.account, points))


def _lists(user_id: int, status: OrderStatus) -> set[str]:
    return {tags.orders_of(user_id), tags.orders_of(user_id, status)}
