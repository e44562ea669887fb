"""Reads of categories and brands."""

from collections.abc import Collection
from typing import NamedTuple

from tortoise.expressions import Q

from models.queries.keys import storable
from models.tables import Brand, Category


class CategoryColumns(NamedTuple):
    """A category; ``path`` is what ``within`` and ``ProductFilter`` take."""

    id: int
    slug: str
    name: str
    parent_slug: str | None
    path: str
    version: int


class BrandColumns(NamedTuple):
    """A brand."""

    id: int
    slug: str
    name: str
    version: int


_CATEGORY = ("id", "slug", "name", "parent__slug", "path", "version")
_BRAND = ("id", "slug", "name", "version")


def within(path: str, prefix: str = "") -> Q:
    """The category with ``path`` and all below it; ``prefix`` leads to the category's columns.

    A path is digits between slashes, and ':' is the next character after them: the condition is
    a range of the index.
    """
    return Q(**{f"{prefix}path__gte": path, f"{prefix}path__lt": f"{path}:"})


def child_path(parent_path: str | None, category_id: int) -> str:
    """The ``path`` of a category below the one with ``parent_path`` (None: of a root)."""
    return f"{parent_path or '/'}{category_id}/"


async def categories_by_slug(slugs: Collection[str]) -> dict[str, CategoryColumns]:
    """The categories with these slugs."""
    rows = await Category.filter(slug__in=storable(Category, "slug", slugs)).values_list(*_CATEGORY)
    return {row[1]: CategoryColumns(*row) for row in rows}


async def all_categories() -> tuple[CategoryColumns, ...]:
    """Every category, by name, ties by id."""
    rows = await Category.all().order_by("name", "id").values_list(*_CATEGORY)
    return tuple(CategoryColumns(*row) for row in rows)


async def brands_by_slug(slugs: Collection[str]) -> dict[str, BrandColumns]:
    """The brands with these slugs."""
    rows = await Brand.filter(slug__in=storable(Brand, "slug", slugs)).values_list(*_BRAND)
    return {row[1]: BrandColumns(*row) for row in rows}
