"""The DataLoaders of one request: a level of the tree reads its rows by one statement."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from cache import Loader
from models.queries import categories, leaderboards, orders, products, users
from models.tables import Direction
from resolvers import tags
from resolvers.rows import (
    AccountRow,
    BrandRow,
    CategoryRow,
    LeaderboardRow,
    OrderLineRow,
    OrderRow,
    ProductRow,
    TieColumnRow,
    UserRow,
)

K = TypeVar("K")
C = TypeVar("C")
R = TypeVar("R")


class Loaders:
    """One loader for each kind of row. `clear` after a write: nothing read before it is kept."""

    def __init__(self) -> None:
        """Make them empty."""
        self.products: Loader[int, ProductRow] = Loader(
            _rows(products.products_by_id, lambda found: ProductRow(*found)), _one(tags.product)
        )
        self.product_ids: Loader[str, int] = Loader(products.product_ids_by_sku, _one(tags.sku))
        self.stock: Loader[int, int] = Loader(products.stock_by_id, _one(tags.stock))
        self.units_sold: Loader[int, int] = Loader(products.units_sold_by_id, _one(tags.sold))
        self.categories: Loader[str, CategoryRow] = Loader(
            _rows(categories.categories_by_slug, category_row), _one(tags.category)
        )
        self.brands: Loader[str, BrandRow] = Loader(
            _rows(categories.brands_by_slug, lambda found: BrandRow(found.slug, found.name)),
            _one(tags.brand),
        )
        self.users: Loader[int, UserRow] = Loader(
            _rows(users.profiles_by_id, lambda found: UserRow(*found)), _one(tags.user)
        )
        self.accounts: Loader[int, AccountRow] = Loader(
            _rows(users.accounts_by_id, lambda found: AccountRow(*found)), _one(tags.account)
        )
        self.orders: Loader[int, OrderRow] = Loader(
            _rows(orders.orders_by_id, lambda found: OrderRow(*found)), _one(tags.order)
        )
        self.order_lines: Loader[int, tuple[OrderLineRow, ...]] = Loader(
            _rows(orders.lines_by_order, lambda lines: tuple(OrderLineRow(*it) for it in lines)),
            _one(tags.order_lines),
        )
        self.leaderboards: Loader[str, LeaderboardRow] = Loader(
            _rows(leaderboards.boards_by_slug, leaderboard_row), _one(tags.leaderboard)
        )

    def clear(self) -> None:
        """Forget every row that was read."""
        for loader in vars(self).values():
            loader.clear()


def category_row(found: categories.CategoryColumns) -> CategoryRow:
    """Return the row of a category's columns."""
    return CategoryRow(found.slug, found.name, found.parent_slug, found.path)


def leaderboard_row(found: leaderboards.BoardColumns) -> LeaderboardRow:
    """Return the row of a leaderboard's columns."""
    return LeaderboardRow(
        slug=found.slug,
        name=found.name,
        operator=found.operator,
        order=found.order,
        tie_columns=tuple(
            TieColumnRow(column["name"], Direction(column["order"])) for column in found.tie_columns
        ),
        self_reported=found.self_reported,
        created_at=found.created_at,
    )


def _rows(
    read: Callable[[Sequence[K]], Awaitable[Mapping[K, C]]], row: Callable[[C], R]
) -> Callable[[Sequence[K]], Awaitable[Mapping[K, R]]]:
    """Return a batch function that turns the columns that `read` finds into rows."""

    async def batch(keys: Sequence[K]) -> Mapping[K, R]:
        return {key: row(found) for key, found in (await read(keys)).items()}

    return batch


def _one(tag: Callable[[K], str]) -> Callable[[K], tuple[str]]:
    return lambda key: (tag(key),)
