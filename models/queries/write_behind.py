"""Product views, as their write-behind puts them into the database and reads them."""

from collections.abc import Mapping, Sequence

from tortoise.backends.base.client import BaseDBAsyncClient

from models.tables import Product, ProductStats


async def add_views(connection: BaseDBAsyncClient, views: Mapping[int, int]) -> frozenset[int]:
    """Add `views` (product to number) in an open transaction.

    Returns the products that do not exist: their views are not added.
    """
    wanted = Product.filter(id__in=list(views)).using_db(connection)
    found = await wanted.order_by("id").values_list("id")
    known = {int(number): views[number] for (number,) in found}
    await _add(connection, known)
    return frozenset(views.keys() - known.keys())


async def _add(connection: BaseDBAsyncClient, views: Mapping[int, int]) -> None:
    if not views:
        return
    marks = _marks(connection, 2 * len(views))
    rows = ", ".join(f"({one}, {two})" for one, two in zip(marks[::2], marks[1::2], strict=True))
    await connection.execute_query(
        f"INSERT INTO product_stats (product_id, views) VALUES {rows} "  # noqa: S608 - place-holders
        "ON CONFLICT (product_id) DO UPDATE SET views = product_stats.views + excluded.views",
        [part for item in views.items() for part in item],
    )


async def views_of(connection: BaseDBAsyncClient, product_ids: Sequence[int]) -> dict[int, int]:
    """The views of these products, where there are any."""
    wanted = ProductStats.filter(product_id__in=list(product_ids)).using_db(connection)
    return {
        int(number): int(views) for number, views in await wanted.values_list("product_id", "views")
    }


def _marks(connection: BaseDBAsyncClient, count: int) -> list[str]:
    """Place-holders for so many values."""
    if connection.capabilities.dialect == "postgres":
        return [f"${number}" for number in range(1, count + 1)]
    return ["?"] * count
