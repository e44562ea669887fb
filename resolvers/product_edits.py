"""`updateProduct`: staff change a product, unless somebody else did in the meantime."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from models.database import locked
from models.tables import Product
from models.text import folded
from resolvers import clock, rights, tags
from resolvers.context import Context
from resolvers.errors import ErrorCode, refused
from resolvers.scopes import Place, scopes_of
from resolvers.slugs import brand_number, category_number
from resolvers.tags import Aspect
from resolvers.writing import write


class ProductChanges(msgspec.Struct, frozen=True):
    """What to change, checked already; what is not set stays. None takes category or brand away.

    `version` is the one that the change was made from.
    """

    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    price_minor: int | UnsetType = UNSET
    category_slug: str | UnsetType | None = UNSET
    brand_slug: str | UnsetType | None = UNSET
    stock: int | UnsetType = UNSET
    version: int | UnsetType = UNSET


async def update_product(ctx: Context, product_id: int, changes: ProductChanges) -> int:
    """Change a product and return its number. Writing what it already is changes nothing.

    `version` counts edits, not sales: an order does not make an edit conflict. Refuses with
    FORBIDDEN, NOT_FOUND or CONFLICT.
    """
    rights.staff(ctx)
    async with write(ctx) as change:
        product = await locked(Product.filter(id=product_id, deleted_at=None)).first()
        if product is None:
            raise refused(ErrorCode.NOT_FOUND, "There is no such product.", "input", "id")
        _check_version(product, changes)
        before, old = _columns(product), _place(product)
        await _apply(product, changes)
        changed = {column for column, value in _columns(product).items() if value != before[column]}
        if changed:
            product.version += 1
            product.updated_at = clock.now()
            await product.save(update_fields=[*changed, "version", "updated_at"])
            scopes = await scopes_of((old, _place(product)))
            change.purges(*_purged(product, before, scopes[old], scopes[_place(product)]))
    return product_id


def _check_version(product: Product, changes: ProductChanges) -> None:
    if changes.version is not UNSET and changes.version != product.version:
        raise refused(
            ErrorCode.CONFLICT,
            f"The product was changed since version {changes.version}: it is at version "
            f"{product.version}. Read it again and repeat the change.",
            "input",
            "version",
            version=product.version,
        )


async def _apply(product: Product, changes: ProductChanges) -> None:
    if changes.name is not UNSET:
        product.name = changes.name
        product.name_key = folded(changes.name)
    for column in ("description", "price_minor", "stock"):
        value = getattr(changes, column)
        if value is not UNSET:
            setattr(product, column, value)
    if changes.category_slug is not UNSET:
        product.category_id = await category_number(changes.category_slug)
    if changes.brand_slug is not UNSET:
        product.brand_id = await brand_number(changes.brand_slug)


def _columns(product: Product) -> dict[str, Any]:
    return {
        column: getattr(product, column)
        for column in (
            "name",
            "name_key",
            "description",
            "price_minor",
            "category_id",
            "brand_id",
            "stock",
        )
    }


def _place(product: Product) -> Place:
    return Place(product.category_id, product.brand_id)


def _purged(
    product: Product, before: dict[str, Any], old: frozenset[str], new: frozenset[str]
) -> set[str]:
    """Return the tags of an edit: the row, and the aspects that changed wherever it shows.

    Members change only in the scopes that it left or joined: a move below one parent leaves the
    parent's lists as they are.
    """
    aspects = set()
    if before["name_key"] != product.name_key:
        aspects.add(Aspect.NAME)
    if before["price_minor"] != product.price_minor:
        aspects.add(Aspect.PRICE)
    if (before["stock"] > 0) != (product.stock > 0):
        aspects.add(Aspect.STOCK)
    purged = {tags.product(product.id), *tags.facets(old ^ new, (Aspect.MEMBERS,))}
    purged |= tags.facets(old | new, aspects)
    if before["stock"] != product.stock:
        purged.add(tags.stock(product.id))
    return purged
