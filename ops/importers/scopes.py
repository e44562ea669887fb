"""In which lists of products a product shows."""

from collections.abc import Collection

from models.tables import Category, Product
from resolvers import tags


async def scopes_of(product_ids: Collection[int]) -> dict[int, frozenset[str]]:
    """The scopes (`resolvers.tags.scopes`) of each product, as the open transaction sees them."""
    if not product_ids:
        return {}
    rows = await Product.filter(id__in=list(product_ids)).values_list(
        "id", "category__path", "brand__slug"
    )
    above = {path: [int(part) for part in path.split("/") if part] for _, path, _ in rows if path}
    ids = {category_id for ids in above.values() for category_id in ids}
    slugs = dict(await Category.filter(id__in=list(ids)).values_list("id", "slug")) if ids else {}
    return {
        product_id: tags.scopes([slugs[one] for one in above.get(path, ())], brand)
        for product_id, path, brand in rows
    }
