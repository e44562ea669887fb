"""Products: rows, stock and units sold. Each is an entry of its own, so a sale purges no row."""

from cache import cached
from resolvers import policies, tags
from resolvers.context import Context
from resolvers.rows import ProductRow


@cached(policies.PRODUCT, tags=lambda ctx, product_id: (tags.product(product_id),))
async def product(ctx: Context, product_id: int) -> ProductRow | None:
    """Return the product with this number, if the store sells it."""
    found = await ctx.loaders.products.load(product_id)
    return found if found is not None and found.deleted_at is None else None


@cached(policies.PRODUCT, tags=lambda ctx, product_id: (tags.product(product_id),))
async def sold_product(ctx: Context, product_id: int) -> ProductRow | None:
    """Return the product with this number, also when it was deleted: what orders show."""
    return await ctx.loaders.products.load(product_id)


@cached(policies.PRODUCT, tags=lambda ctx, sku: (tags.sku(sku),))
async def product_id_of(ctx: Context, sku: str) -> int | None:
    """Return the number of the product with this SKU."""
    return await ctx.loaders.product_ids.load(sku)


@cached(policies.STOCK, tags=lambda ctx, product_id: (tags.stock(product_id),))
async def stock(ctx: Context, product_id: int) -> int | None:
    """Return how many pieces are in stock; None where there is no such product."""
    return await ctx.loaders.stock.load(product_id)


@cached(policies.UNITS_SOLD, tags=lambda ctx, product_id: (tags.sold(product_id),))
async def units_sold(ctx: Context, product_id: int) -> int | None:
    """Return how many units were sold; None where there is no such product."""
    return await ctx.loaders.units_sold.load(product_id)


@cached(policies.PRODUCT, tags=lambda ctx, sku: (tags.sku(sku),))
async def product_by_sku(ctx: Context, sku: str) -> ProductRow | None:
    """Return the product with this SKU: one look-up, made of its number and its row."""
    product_id = await product_id_of(ctx, sku)
    return None if product_id is None else await product(ctx, product_id)
