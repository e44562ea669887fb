"""Categories and brands. A slug is the identity of each, and never changes."""

from cache import cached
from models.queries import categories as queries
from resolvers import policies, tags
from resolvers.context import Context
from resolvers.loaders import category_row
from resolvers.rows import BrandRow, CategoryRow


@cached(policies.CATALOGUE, tags=lambda ctx, slug: (tags.category(slug),))
async def category(ctx: Context, slug: str) -> CategoryRow | None:
    """Return the category with this slug."""
    return await ctx.loaders.categories.load(slug)


@cached(policies.CATALOGUE, tags=lambda ctx: (tags.CATEGORIES,))
async def all_categories(ctx: Context) -> tuple[CategoryRow, ...]:
    """Return every category, by name."""
    return tuple(map(category_row, await queries.all_categories()))


@cached(policies.CATALOGUE, tags=lambda ctx, slug: (tags.brand(slug),))
async def brand(ctx: Context, slug: str) -> BrandRow | None:
    """Return the brand with this slug."""
    return await ctx.loaders.brands.load(slug)
