"""Lists of products: arguments, the connection, and its pages."""

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import strawberry
from msgspec.structs import replace

from gql.schema.binding import bound, optional_fields
from gql.schema.connection import (
    After,
    Before,
    Edge,
    First,
    Last,
    Listing,
    PageInfo,
    page_info_field,
)
from gql.schema.context import Info
from gql.schema.enums import ProductOrder
from resolvers import inputs, money
from resolvers.errors import InvalidArgument
from resolvers.paging import PageRequest, span_of
from resolvers.product_lists import (
    ORDERINGS,
    Selection,
    product_count,
    product_page,
    search_text,
)
from resolvers.products import product
from resolvers.rows import BrandRow, CategoryRow, ProductRow

if TYPE_CHECKING:
    from gql.schema.product import Product


@optional_fields
@strawberry.input(description="Which products: every condition that is given holds.")
class ProductFilter:
    """The filter of a product list."""

    search: str | None = strawberry.field(
        default=None, description="A part of the name, case aside; at most 200 characters."
    )
    category_slug: str | None = strawberry.field(
        default=None, description="In this category or one below it."
    )
    brand_slug: str | None = strawberry.field(default=None, description="Of this brand.")
    min_price: Decimal | None = strawberry.field(
        default=None, description="Not cheaper than this; 0 to 999999999.99."
    )
    max_price: Decimal | None = strawberry.field(
        default=None, description="Not dearer than this; 0 to 999999999.99."
    )
    in_stock: bool | None = strawberry.field(
        default=None, description="True: with stock. False: sold out."
    )


@dataclass(frozen=True, slots=True)
class ProductListing(Listing):
    """A page of products and the list that it is of."""

    chosen: Selection


@strawberry.type(description="A product in a list.")
class ProductEdge:
    """One item of a page."""

    cursor: str = strawberry.field(description="Where it is in the list; opaque.")
    node: Annotated["Product", strawberry.lazy("gql.schema.product")] = strawberry.field(
        description="The product."
    )


async def _edges(root: ProductListing, info: Info) -> list[Edge[ProductRow]]:
    ctx = info.context.ctx
    return root.edges(await asyncio.gather(*(product(ctx, it.id) for it in root.page.items)))


async def _total_count(root: ProductListing, info: Info) -> int:
    return await product_count(info.context.ctx, root.chosen)


@strawberry.type(description="A page of a list of products.")
class ProductConnection:
    """A Relay connection over a `ProductListing`."""

    edges: list[ProductEdge] = bound(product, _edges, "The page's items.")
    page_info: PageInfo = page_info_field()
    total_count: int = bound(product_count, _total_count, "How many products the list has.")


Filter = Annotated[
    ProductFilter | None, strawberry.argument(name="filter", description="Which products.")
]
OrderBy = Annotated[
    ProductOrder | None, strawberry.argument(name="orderBy", description="In which order.")
]


async def list_products(  # noqa: PLR0913 - the arguments of the field
    root: object,
    info: Info,
    *,
    where: Filter = None,
    order_by: OrderBy = ProductOrder.NAME_ASC,
    first: First = None,
    after: After = None,
    last: Last = None,
    before: Before = None,
) -> ProductListing:
    """Return a page of products: of all, or of the category or brand that `root` is."""
    order = order_by or ProductOrder.NAME_ASC
    chosen = _within(root, _selection(where or ProductFilter()))
    span = span_of(PageRequest(first, after, last, before), ORDERINGS[order])
    page = await product_page(info.context.ctx, chosen, order, span)
    return ProductListing(ORDERINGS[order], page, chosen)


def _selection(where: ProductFilter) -> Selection:
    return Selection(
        search=search_text(where.search),
        category_slug=_slug(where.category_slug, "filter.categorySlug"),
        brand_slug=_slug(where.brand_slug, "filter.brandSlug"),
        min_price=_amount(where.min_price, "filter.minPrice"),
        max_price=_amount(where.max_price, "filter.maxPrice"),
        in_stock=where.in_stock,
    )


def _within(root: object, chosen: Selection) -> Selection:
    """Return the selection narrowed to the category or brand whose field is asked for."""
    if isinstance(root, CategoryRow):
        _unset("filter.categorySlug", chosen.category_slug)
        return replace(chosen, category_slug=root.slug)
    if isinstance(root, BrandRow):
        _unset("filter.brandSlug", chosen.brand_slug)
        return replace(chosen, brand_slug=root.slug)
    return chosen


def _unset(argument: str, value: str | None) -> None:
    if value is not None:
        raise InvalidArgument(argument, "nothing here: the list has one already", value)


def _slug(value: str | None, argument: str) -> str | None:
    return None if value is None else inputs.key_text(value, argument)


def _amount(value: Decimal | None, argument: str) -> int | None:
    return None if value is None else money.to_minor(value, argument)
