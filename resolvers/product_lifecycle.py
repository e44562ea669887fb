"""`createProduct` and `deleteProduct`: what comes into the catalogue, and what leaves it.

A deleted product keeps its row, because orders show it. It is in no list and no count, cannot be
read by its id or SKU, ordered, edited or viewed; and its SKU is never another product's.
"""

import msgspec
from tortoise.exceptions import IntegrityError

from models.database import locked
from models.tables import Product
from models.text import folded
from resolvers import clock, rights, tags
from resolvers.context import Context
from resolvers.errors import ErrorCode, Refused, refused
from resolvers.idempotency import Call, write_once
from resolvers.scopes import Place, scopes_of
from resolvers.slugs import brand_number, category_number
from resolvers.tags import Aspect
from resolvers.writing import Change, write


class NewProduct(msgspec.Struct, frozen=True):
    """A product to be made, checked already."""

    sku: str
    name: str
    description: str
    price_minor: int
    category_slug: str | None
    brand_slug: str | None
    stock: int


async def create_product(ctx: Context, wanted: NewProduct, key: str | None = None) -> int:
    """Make a product and return its number. For staff. `key` is an idempotency key.

    Refuses with UNAUTHENTICATED, FORBIDDEN, NOT_FOUND (category or brand) or INVALID_INPUT (a SKU
    that is taken).
    """
    rights.staff(ctx)

    async def work(change: Change) -> int:
        return await _create(change, wanted)

    return await write_once(ctx, Call("createProduct", key, wanted), work)


async def delete_product(ctx: Context, product_id: int) -> int:
    """Take a product out of the catalogue and return its number. For staff.

    Refuses with UNAUTHENTICATED, FORBIDDEN or NOT_FOUND, the second time too.
    """
    rights.staff(ctx)
    async with write(ctx) as change:
        product = await locked(Product.filter(id=product_id, deleted_at=None)).first()
        if product is None:
            raise refused(ErrorCode.NOT_FOUND, "There is no such product.", "input", "id")
        product.deleted_at = clock.now()
        product.version += 1
        await product.save(update_fields=["deleted_at", "version"])
        change.purges(tags.product(product_id), tags.sku(product.sku))
        change.purges(*await _members(product))
    return product_id


async def _create(change: Change, wanted: NewProduct) -> int:
    now = clock.now()
    try:
        product = await Product.create(
            sku=wanted.sku,
            name=wanted.name,
            name_key=folded(wanted.name),
            description=wanted.description,
            price_minor=wanted.price_minor,
            category_id=await category_number(wanted.category_slug),
            brand_id=await brand_number(wanted.brand_slug),
            stock=wanted.stock,
            created_at=now,
            updated_at=now,
        )
    except IntegrityError as error:
        raise _taken(wanted.sku) from error
    # That there was none is cached by each of its keys.
    change.purges(tags.product(product.id), tags.sku(wanted.sku))
    change.purges(tags.stock(product.id), tags.sold(product.id))
    change.purges(*await _members(product))
    return int(product.id)


async def _members(product: Product) -> frozenset[str]:
    """Return the tags of every list and count that a product joins or leaves."""
    place = Place(product.category_id, product.brand_id)
    return tags.facets((await scopes_of([place]))[place], (Aspect.MEMBERS,))


def _taken(sku: str) -> Refused:
    message = (
        f"The SKU {sku!r} is, or was, another product's: choose another one, or edit that product."
    )
    return refused(ErrorCode.INVALID_INPUT, message, "input", "sku")
