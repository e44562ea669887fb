"""In which lists products show: read inside a write's transaction, to name what it purges.

A category never moves in the tree and no slug ever changes, so categories and brands need no
lock; the product, whose category and brand do change, is locked by the caller.
"""

from collections.abc import Iterable
from typing import NamedTuple

from models.tables import Brand, Category
from resolvers import tags


class Place(NamedTuple):
    """Where a product is in the catalogue."""

    category_id: int | None
    brand_id: int | None


async def scopes_of(places: Iterable[Place]) -> dict[Place, frozenset[str]]:
    """Return the scopes (see `tags`) of products at each of these places: three statements."""
    wanted = set(places)
    paths = await _paths({it.category_id for it in wanted if it.category_id is not None})
    ancestors = {number for numbers in paths.values() for number in numbers}
    slugs = dict(await Category.filter(id__in=list(ancestors)).values_list("id", "slug"))
    brand_ids = [it.brand_id for it in wanted if it.brand_id is not None]
    brands = dict(await Brand.filter(id__in=brand_ids).values_list("id", "slug"))
    return {
        place: tags.scopes(
            [slugs[number] for number in paths.get(place.category_id or 0, ())],
            brands[place.brand_id] if place.brand_id is not None else None,
        )
        for place in wanted
    }


async def _paths(category_ids: set[int]) -> dict[int, tuple[int, ...]]:
    """Return, for each category, the numbers of itself and all of its ancestors."""
    rows = await Category.filter(id__in=list(category_ids)).values_list("id", "path")
    return {number: tuple(map(int, str(path).strip("/").split("/"))) for number, path in rows}
