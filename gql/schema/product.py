"""`Product` and its live numbers."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

from gql.schema.binding import bound, uncached
from gql.schema.common import Money, money_of
from gql.schema.context import Info
from gql.schema.node import Node, stands_for
from gql.schema.scalars import SafeInt
from resolvers.catalogue import brand, category
from resolvers.ids import encode_id
from resolvers.products import stock, units_sold
from resolvers.rows import BrandRow, CategoryRow, ProductRow
from resolvers.stats import views

if TYPE_CHECKING:
    from gql.schema.catalogue import Brand, Category


@dataclass(frozen=True, slots=True)
class ProductNumbers:
    """Stands for a product's live numbers, each of which is read by itself."""

    product_id: int


async def _views(root: ProductNumbers, info: Info) -> int:
    return await views(info.context.ctx, root.product_id)


async def _units_sold(root: ProductNumbers, info: Info) -> int:
    return await units_sold(info.context.ctx, root.product_id) or 0


@strawberry.type(description="What is counted of a product.")
class ProductStats:
    """Live numbers, over `ProductNumbers`: never part of a stored product."""

    views: SafeInt = uncached(
        _views, "How often it was viewed. Live.", because="live: every acknowledged view counts"
    )
    units_sold: SafeInt = bound(units_sold, _units_sold, "Units in orders that were not cancelled.")


def _id(root: ProductRow) -> str:
    return encode_id("Product", root.id)


def _price(root: ProductRow, info: Info) -> Money:
    return money_of(root.price_minor, info)


async def _category(root: ProductRow, info: Info) -> CategoryRow | None:
    slug = root.category_slug
    return None if slug is None else await category(info.context.ctx, slug)


async def _brand(root: ProductRow, info: Info) -> BrandRow | None:
    slug = root.brand_slug
    return None if slug is None else await brand(info.context.ctx, slug)


async def _stock(root: ProductRow, info: Info) -> int:
    return await stock(info.context.ctx, root.id) or 0


def _stats(root: ProductRow) -> ProductNumbers:
    return ProductNumbers(root.id)


@strawberry.type(description="Something that the store sells.")
class Product(Node):
    """A product, over `ProductRow`."""

    is_type_of = stands_for(ProductRow, "Product")

    id: strawberry.ID = uncached(
        _id, "The global id: opaque, and never another product's.", because="computed from the row"
    )
    sku: str = strawberry.field(description="The stock keeping unit: the store's own number.")
    name: str = strawberry.field(description="What it is called.")
    description: str = strawberry.field(description="What it is; may be empty.")
    price: Money = uncached(_price, "What one piece costs.", because="computed from the row")
    category: Annotated["Category", strawberry.lazy("gql.schema.catalogue")] | None = bound(
        category, _category, "Where it is in the catalogue."
    )
    brand: Annotated["Brand", strawberry.lazy("gql.schema.catalogue")] | None = bound(
        brand, _brand, "Who makes it."
    )
    stock: int = bound(stock, _stock, "Pieces in stock.")
    stats: ProductStats = uncached(
        _stats,
        "What is counted of it.",
        because="holds live numbers, which are read each by itself",
    )
    created_at: datetime = strawberry.field(description="Since when it is sold.")
    updated_at: datetime = strawberry.field(description="When it was last edited.")
    version: int = strawberry.field(
        description="Counts edits. Send it with an update to be told of edits in between."
    )
