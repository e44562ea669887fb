"""Loads the sample store into an empty database, by the rules that the API's own writes follow."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from models.database import locked, transaction
from models.queries.categories import child_path
from models.tables import (
    Brand,
    Category,
    Order,
    OrderLine,
    OrderStatus,
    Product,
    ProductStats,
    StoreIdentity,
    User,
)
from models.text import folded, slug
from ops.sample.boards import load_board
from ops.sample.data import Sample, SampleOrder, SampleProduct, SampleUser, read_sample
from resolvers.money import to_minor, whole_units
from resolvers.passwords import hashed

SHIPPING = timedelta(days=2)
"""From placed to shipped, of the sample's orders."""


@dataclass(frozen=True, slots=True)
class _Loading:
    """One load: its moment, and the rows that later ones refer to by name."""

    now: datetime
    users: dict[str, User] = field(default_factory=dict)
    categories: dict[str, Category] = field(default_factory=dict)
    brands: dict[str, Brand] = field(default_factory=dict)
    products: dict[str, Product] = field(default_factory=dict)


async def load_sample() -> bool:
    """Load the sample store into the connected database, in one transaction.

    Returns whether it did: a database that has any user or product is left as it is. Its logins
    have passwords that everybody knows, so it is for development only.
    """
    if not await _is_empty():
        return False
    sample = read_sample()
    # Ahead of the transaction: hashing is slow by design.
    hashes = {user.name: await hashed(user.password) for user in sample.users if user.password}
    async with transaction():
        # The lock lets a second process that loads at once see what the first one did.
        await locked(StoreIdentity.filter(id=1)).get()
        if not await _is_empty():
            return False
        await _load(sample, hashes, _Loading(datetime.now(UTC)))
    return True


async def _is_empty() -> bool:
    return not await User.exists() and not await Product.exists()


async def _load(sample: Sample, hashes: Mapping[str, str], loading: _Loading) -> None:
    for user in sample.users:
        loading.users[user.name] = await _load_user(user, hashes.get(user.name), loading)
    for root, below in sample.categories.items():
        loading.categories[root] = parent = await _load_category(root, None)
        for name in below:
            loading.categories[name] = await _load_category(name, parent)
    for name in sorted({product.brand for product in sample.products}):
        loading.brands[name] = await Brand.create(name=name, slug=slug(name))
    for product in sample.products:
        loading.products[product.sku] = await _load_product(product, loading)
    for order in sample.orders:
        await _load_order(order, loading)
    await _count_orders(sample.orders, loading)
    players = {name: user.id for name, user in loading.users.items()}
    for board in sample.leaderboards:
        await load_board(board, players, loading.now)


async def _load_user(user: SampleUser, password_hash: str | None, loading: _Loading) -> User:
    return await User.create(
        name=user.name,
        email=user.email,
        password_hash=password_hash,
        role=user.role,
        created_at=loading.now - timedelta(days=user.days_ago),
    )


async def _load_category(name: str, parent: Category | None) -> Category:
    category = await Category.create(name=name, slug=slug(name), parent=parent)
    category.path = child_path(parent.path if parent else None, category.id)
    await category.save(update_fields=["path"])
    return category


async def _load_product(product: SampleProduct, loading: _Loading) -> Product:
    created_at = loading.now - timedelta(days=product.days_ago)
    row = await Product.create(
        sku=product.sku,
        name=product.name,
        name_key=folded(product.name),
        description=product.description,
        price_minor=to_minor(product.price, "price"),
        category=loading.categories[product.category],
        brand=loading.brands[product.brand],
        stock=product.stock,
        created_at=created_at,
        updated_at=created_at,
    )
    await ProductStats.create(product=row)
    return row


async def _load_order(order: SampleOrder, loading: _Loading) -> None:
    placed_at = loading.now - timedelta(days=order.days_ago)
    shipped = order.status in {OrderStatus.SHIPPED, OrderStatus.DELIVERED}
    row = await Order.create(
        number=order.number,
        user=loading.users[order.user],
        status=order.status,
        placed_at=placed_at,
        total_minor=_total_minor(order, loading),
        shipped_on=(placed_at + SHIPPING).date() if shipped else None,
    )
    for line_no, line in enumerate(order.lines, start=1):
        product = loading.products[line.sku]
        await OrderLine.create(
            order=row,
            line_no=line_no,
            product=product,
            quantity=line.quantity,
            unit_price_minor=product.price_minor,
        )


def _total_minor(order: SampleOrder, loading: _Loading) -> int:
    return sum(line.quantity * loading.products[line.sku].price_minor for line in order.lines)


async def _count_orders(orders: list[SampleOrder], loading: _Loading) -> None:
    """Units sold and loyalty points: of every order that was not cancelled."""
    sold: Counter[str] = Counter()
    points: Counter[str] = Counter()
    for order in orders:
        if order.status is not OrderStatus.CANCELLED:
            points[order.user] += whole_units(_total_minor(order, loading))
            sold.update({line.sku: line.quantity for line in order.lines})
    for sku, units in sold.items():
        await Product.filter(id=loading.products[sku].id).update(units_sold=units)
    for name, earned in points.items():
        await User.filter(id=loading.users[name].id).update(loyalty_points=earned)
