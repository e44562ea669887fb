"""Lists of products and their counts: positions only, and exactly what they depend on."""

from datetime import datetime
from typing import Final

import msgspec

from cache import cached
from models.queries import products as queries
from models.queries.products import ProductFilter, ProductOrder
from models.text import folded
from resolvers import policies, tags
from resolvers.catalogue import category
from resolvers.context import Context
from resolvers.errors import InvalidArgument
from resolvers.paging import Ordering, PageSpan
from resolvers.rows import ListPage
from resolvers.tags import Aspect

ORDERINGS: Final = {
    ProductOrder.NAME_ASC: Ordering("NAME_ASC", str),
    ProductOrder.NAME_DESC: Ordering("NAME_DESC", str),
    ProductOrder.PRICE_ASC: Ordering("PRICE_ASC", int),
    ProductOrder.PRICE_DESC: Ordering("PRICE_DESC", int),
    ProductOrder.NEWEST: Ordering("NEWEST", datetime),
    ProductOrder.BEST_SELLING: Ordering("BEST_SELLING", int),
}
"""How each order's cursors are read."""

MAX_SEARCH: Final = 200

_ORDERED_BY: Final = {
    ProductOrder.NAME_ASC: Aspect.NAME,
    ProductOrder.NAME_DESC: Aspect.NAME,
    ProductOrder.PRICE_ASC: Aspect.PRICE,
    ProductOrder.PRICE_DESC: Aspect.PRICE,
    ProductOrder.NEWEST: Aspect.MEMBERS,
    ProductOrder.BEST_SELLING: Aspect.SOLD,
}


class Selection(msgspec.Struct, frozen=True):
    """Which products: every condition that is set holds. Amounts are in minor units.

    Make it with `selection`, so that spellings of one search are one entry.
    """

    search: str | None = None
    category_slug: str | None = None
    brand_slug: str | None = None
    min_price: int | None = None
    max_price: int | None = None
    in_stock: bool | None = None


def search_text(text: str | None) -> str | None:
    """Return a search as it is compared: folded; None for a blank one, which finds everything."""
    if text is None or not text.strip():
        return None
    if len(text) > MAX_SEARCH or "\0" in text:
        raise InvalidArgument("filter.search", f"at most {MAX_SEARCH} characters, no NUL", text)
    return folded(text)


def facets(chosen: Selection, order: ProductOrder | None) -> frozenset[str]:
    """Return what a list depends on; without `order`, what its count depends on.

    It needs to know of members that come or go in *every* scope that it filters by. Of a change
    inside the product it is enough to hear in *one* of them: a product in the list is in all.
    """
    scopes = [
        *([tags.category_scope(chosen.category_slug)] if chosen.category_slug else ()),
        *([tags.brand_scope(chosen.brand_slug)] if chosen.brand_slug else ()),
    ] or [tags.ALL]
    members = tags.facets(scopes, (Aspect.MEMBERS,))
    inside = tags.facets(scopes[-1:], _aspects(chosen, order))
    return members | inside


def _aspects(chosen: Selection, order: ProductOrder | None) -> set[Aspect]:
    aspects = {_ORDERED_BY[order]} if order is not None else set()
    if chosen.search is not None:
        aspects.add(Aspect.NAME)
    if chosen.min_price is not None or chosen.max_price is not None:
        aspects.add(Aspect.PRICE)
    if chosen.in_stock is not None:
        aspects.add(Aspect.STOCK)
    return aspects


@cached(policies.PRODUCT_LIST, tags=lambda ctx, chosen, order, span: facets(chosen, order))
async def product_page(
    ctx: Context, chosen: Selection, order: ProductOrder, span: PageSpan
) -> ListPage:
    """Return one page of the products chosen."""
    wanted = await _filter(ctx, chosen)
    if wanted is None:
        return ListPage((), has_next=False, has_previous=False)
    ordering = ORDERINGS[order]
    return ordering.page(await queries.product_page(wanted, order, ordering.window(span)))


@cached(policies.PRODUCT_LIST, tags=lambda ctx, chosen: facets(chosen, None))
async def product_count(ctx: Context, chosen: Selection) -> int:
    """Return how many products the selection has."""
    wanted = await _filter(ctx, chosen)
    return 0 if wanted is None else await queries.product_count(wanted)


async def _filter(ctx: Context, chosen: Selection) -> ProductFilter | None:
    """Return the database's filter; None for an unknown category, which has no products."""
    path = None
    if chosen.category_slug is not None:
        found = await category(ctx, chosen.category_slug)
        if found is None:
            return None
        path = found.path
    return ProductFilter(
        search=chosen.search,
        category_path=path,
        brand_slug=chosen.brand_slug,
        min_price_minor=chosen.min_price,
        max_price_minor=chosen.max_price,
        in_stock=chosen.in_stock,
    )
