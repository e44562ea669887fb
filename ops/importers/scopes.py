"""In which lists of products a product shows."""

from collections.abc import Collection

from models.tables import Product
from resolvers import scopes
from resolvers.scopes import Place


async def scopes_of(product_ids: Collection[int]) -> dict[int, frozenset[str]]:
    """The scopes (`resolvers.tags.scopes`) of each product.

    Call it in a transaction that has the products locked: one that moves to another category
    meanwhile would leave that one's lists stale.
    """
    if not product_ids:
        return {}
    rows = await Product.filter(id__in=list(product_ids)).values_list(
        "id", "category_id", "brand_id"
    )
    places = {product_id: Place(category, brand) for product_id, category, brand in rows}
    found = await scopes.scopes_of(places.values())
    return {product_id: found[place] for product_id, place in places.items()}
