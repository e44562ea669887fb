"""The store's queries."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

import strawberry

from gql.schema.binding import bound, uncached
from gql.schema.catalogue import Brand, Category
from gql.schema.context import Info
from gql.schema.node import Node
from gql.schema.order import Order
from gql.schema.product import Product
from gql.schema.product_list import ProductConnection, list_products
from gql.schema.user import User
from resolvers import catalogue, inputs, orders, products, users
from resolvers.context import Context
from resolvers.errors import Described, InvalidArgument
from resolvers.ids import decode_id, split_id
from resolvers.product_lists import product_page
from resolvers.rows import BrandRow, CategoryRow, OrderRow, ProductRow, UserRow

Id = Annotated[strawberry.ID, strawberry.argument(description="A global id, as this API gave it.")]
Slug = Annotated[str, strawberry.argument(description="The name in addresses.")]

NODES: Final[dict[str, Callable[[Context, Any], Awaitable[object]]]] = {
    "Product": products.product,
    "Category": catalogue.category,
    "Brand": catalogue.brand,
    "User": users.user,
    "Order": orders.order,
}
"""How an object is read by its id. Other parts of the schema add their kinds."""


async def _node(info: Info, id: Id) -> object:  # noqa: A002 - the argument's name
    kind, key = split_id(id)
    read = NODES.get(kind)
    if read is None:
        raise InvalidArgument("id", f"the id of one of {', '.join(sorted(NODES))}", kind)
    return await read(info.context.ctx, key)


async def _me(info: Info) -> UserRow | None:
    return await users.me(info.context.ctx)


OptionalId = Annotated[
    strawberry.ID | None, strawberry.argument(description="The product's global id, or its SKU.")
]
OptionalSku = Annotated[
    str | None, strawberry.argument(description="The product's SKU, or its global id.")
]


async def _product(
    info: Info,
    id: OptionalId = None,  # noqa: A002 - the argument's name
    sku: OptionalSku = None,
) -> ProductRow | None:
    ctx = info.context.ctx
    if id is not None and sku is None:
        return await products.product(ctx, decode_id(id, "Product"))
    if sku is not None and id is None:
        return await products.product_by_sku(ctx, inputs.key_text(sku, "sku"))
    given = Described("neither" if id is None else "both")
    raise InvalidArgument("id, sku", "exactly one of the two", given)


async def _category(info: Info, slug: Slug) -> CategoryRow | None:
    return await catalogue.category(info.context.ctx, inputs.key_text(slug, "slug"))


async def _categories(info: Info) -> tuple[CategoryRow, ...]:
    return await catalogue.all_categories(info.context.ctx)


async def _brand(info: Info, slug: Slug) -> BrandRow | None:
    return await catalogue.brand(info.context.ctx, inputs.key_text(slug, "slug"))


async def _order(info: Info, id: Id) -> OrderRow | None:  # noqa: A002 - the argument's name
    return await orders.order(info.context.ctx, decode_id(id, "Order"))


async def _user(info: Info, id: Id) -> UserRow | None:  # noqa: A002 - the argument's name
    return await users.user(info.context.ctx, decode_id(id, "User"))


@strawberry.type(description="What can be asked.")
class StoreQuery:
    """The queries of catalogue, users and orders."""

    node: Node | None = uncached(
        _node,
        "Any object, by its global id. Null where there is none, or none for this viewer.",
        because="passes on to the cached function of the id's kind",
    )
    me: User | None = bound(users.me, _me, "Who asks. Null when nobody is logged in.")
    product: Product | None = bound(
        products.product, _product, "A product, by exactly one of `id` and `sku`."
    )
    products: ProductConnection = bound(product_page, list_products, "A list of products.")
    category: Category | None = bound(catalogue.category, _category, "A category, by its slug.")
    categories: list[Category] = bound(
        catalogue.all_categories, _categories, "Every category, by name."
    )
    brand: Brand | None = bound(catalogue.brand, _brand, "A brand, by its slug.")
    order: Order | None = bound(
        orders.order, _order, "An order of the viewer's; any order, for staff. Else null."
    )
    user: User | None = bound(users.user, _user, "A user's public profile.")
