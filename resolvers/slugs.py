"""What the slugs in a mutation's input stand for, read inside its transaction."""

from typing import Any

from models.queries.keys import storable
from models.tables import Brand, Category
from resolvers.errors import ErrorCode, refused, shown


async def category_number(slug: str | None) -> int | None:
    """Return the number of the category, None for None; refuse an unknown one with NOT_FOUND."""
    return None if slug is None else await _number(Category, slug, "categorySlug")


async def brand_number(slug: str | None) -> int | None:
    """Return the number of the brand, None for None; refuse an unknown one with NOT_FOUND."""
    return None if slug is None else await _number(Brand, slug, "brandSlug")


async def _number(model: type[Category] | type[Brand], slug: str, argument: str) -> int:
    wanted = storable(model, "slug", [slug])
    number: Any = await model.filter(slug__in=wanted).first().values_list("id", flat=True)
    if number is None:
        message = f"Nothing has the slug {shown(slug)}."
        raise refused(ErrorCode.NOT_FOUND, message, "input", argument)
    return int(number)
