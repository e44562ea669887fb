"""Moving pieces between stock and orders, inside the transaction of an order."""

from collections.abc import Iterable, Mapping

from tortoise.expressions import F

from models.database import locked
from models.tables import Product
from resolvers import tags
from resolvers.scopes import Place, scopes_of
from resolvers.tags import Aspect


async def lock_products(product_ids: Iterable[int]) -> dict[int, Product]:
    """Return these products, deleted ones too, locked.

    In the order of their numbers: no two orders deadlock.
    """
    wanted = sorted(set(product_ids))
    found = await locked(Product.filter(id__in=wanted)).order_by("id")
    return {product.id: product for product in found}


async def take(product: Product, quantity: int) -> bool:
    """Move pieces from stock to sold; False, and nothing moves, where there are too few.

    The condition is part of the statement, so stock cannot go below zero whoever else writes.
    """
    enough = Product.filter(id=product.id, stock__gte=quantity)
    moved = await enough.update(stock=F("stock") - quantity, units_sold=F("units_sold") + quantity)
    return moved == 1


async def give_back(product: Product, quantity: int, *, restocked: bool) -> None:
    """Take pieces from sold; back to stock, unless they never came from there."""
    pieces = quantity if restocked else 0
    await Product.filter(id=product.id).update(
        stock=F("stock") + pieces, units_sold=F("units_sold") - quantity
    )


async def moved_tags(
    products: Mapping[int, Product], moved: Mapping[int, int], *, stock: int
) -> set[str]:
    """Return the tags of pieces that were sold, or not after all; `products` as they were before.

    `stock` says what one piece did to the stock: -1 it was taken, 1 given back, 0 nothing. Lists
    by units sold change wherever the product shows; lists by availability only when the last
    piece went, or the first came back.
    """
    scopes = await scopes_of(_place(products[number]) for number in moved)
    purged: set[str] = set()
    for number, quantity in moved.items():
        product = products[number]
        after = product.stock + stock * quantity
        aspects = (
            [Aspect.SOLD, Aspect.STOCK] if (product.stock > 0) != (after > 0) else [Aspect.SOLD]
        )
        purged |= {tags.sold(number)} | ({tags.stock(number)} if stock else set())
        if product.deleted_at is None:
            purged |= tags.facets(scopes[_place(product)], aspects)
    return purged


def _place(product: Product) -> Place:
    return Place(product.category_id, product.brand_id)
