"""Reads of products."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from tortoise.queryset import QuerySet

from models.queries.categories import within
from models.queries.keys import storable
from models.queries.paging import By, Ordering, Page, Window, page
from models.tables import Brand, Product
from models.text import folded


class ProductOrder(StrEnum):
    """How a list of products is ordered. Ties go by id, upwards."""

    NAME_ASC = "NAME_ASC"
    NAME_DESC = "NAME_DESC"
    PRICE_ASC = "PRICE_ASC"
    PRICE_DESC = "PRICE_DESC"
    NEWEST = "NEWEST"
    BEST_SELLING = "BEST_SELLING"


ORDERINGS: dict[ProductOrder, Ordering] = {
    ProductOrder.NAME_ASC: (By("name_key"), By("id")),
    ProductOrder.NAME_DESC: (By("name_key", descending=True), By("id")),
    ProductOrder.PRICE_ASC: (By("price_minor"), By("id")),
    ProductOrder.PRICE_DESC: (By("price_minor", descending=True), By("id")),
    ProductOrder.NEWEST: (By("created_at", descending=True), By("id")),
    ProductOrder.BEST_SELLING: (By("units_sold", descending=True), By("id")),
}


@dataclass(frozen=True, slots=True)
class ProductFilter:
    """Which products: every condition that is set holds.

    ``search`` is a substring of the name, case and composition aside. ``category_path`` is a
    category's ``path``: its descendants are included. Prices are in minor units, both included.
    ``in_stock``: True for those with stock, False for those without.
    """

    search: str | None = None
    category_path: str | None = None
    brand_slug: str | None = None
    min_price_minor: int | None = None
    max_price_minor: int | None = None
    in_stock: bool | None = None


class ProductColumns(NamedTuple):
    """What is read of a product, but for what changes without it."""

    id: int
    sku: str
    name: str
    description: str
    price_minor: int
    category_slug: str | None
    brand_slug: str | None
    created_at: datetime
    updated_at: datetime
    version: int
    deleted_at: datetime | None


_COLUMNS = (
    "id",
    "sku",
    "name",
    "description",
    "price_minor",
    "category__slug",
    "brand__slug",
    "created_at",
    "updated_at",
    "version",
    "deleted_at",
)


async def products_by_id(ids: Collection[int]) -> dict[int, ProductColumns]:
    """The products with these ids, deleted ones too."""
    rows = await Product.filter(id__in=list(ids)).values_list(*_COLUMNS)
    return {row[0]: ProductColumns(*row) for row in rows}


async def product_ids_by_sku(skus: Collection[str]) -> dict[str, int]:
    """The ids of the products with these SKUs."""
    wanted = storable(Product, "sku", skus)
    return dict(await Product.filter(sku__in=wanted, deleted_at=None).values_list("sku", "id"))


async def product_page(wanted: ProductFilter, order: ProductOrder, window: Window) -> Page:
    """A page of ``(id, value of the ordering's column)``; the keys of ``window`` are the reverse.

    A key is ``(value, id)``: a folded name, a price in minor units, a time or a count, by
    ``order``.
    """
    ordering = ORDERINGS[order]
    return await page(_filtered(wanted), ordering, window, ("id", ordering[0].column))


async def product_count(wanted: ProductFilter) -> int:
    """How many products there are."""
    return await _filtered(wanted).count()


async def stock_by_id(ids: Collection[int]) -> dict[int, int]:
    """Pieces in stock of the products with these ids."""
    return dict(await Product.filter(id__in=list(ids)).values_list("id", "stock"))


async def units_sold_by_id(ids: Collection[int]) -> dict[int, int]:
    """Pieces sold of the products with these ids."""
    return dict(await Product.filter(id__in=list(ids)).values_list("id", "units_sold"))


def _filtered(wanted: ProductFilter) -> QuerySet[Product]:
    queryset = Product.filter(deleted_at=None)
    if wanted.search:
        queryset = queryset.filter(name_key__contains=folded(wanted.search))
    if wanted.category_path is not None:
        queryset = queryset.filter(within(wanted.category_path, prefix="category__"))
    if wanted.brand_slug is not None:
        queryset = queryset.filter(brand__slug__in=storable(Brand, "slug", [wanted.brand_slug]))
    if wanted.min_price_minor is not None:
        queryset = queryset.filter(price_minor__gte=wanted.min_price_minor)
    if wanted.max_price_minor is not None:
        queryset = queryset.filter(price_minor__lte=wanted.max_price_minor)
    if wanted.in_stock is not None:
        queryset = queryset.filter(**{"stock__gt" if wanted.in_stock else "stock__lte": 0})
    return queryset
