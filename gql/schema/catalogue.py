"""`Category` and `Brand`."""

import strawberry

from gql.schema.binding import bound, uncached
from gql.schema.context import Info
from gql.schema.node import Node, stands_for
from gql.schema.product_list import ProductConnection, list_products
from resolvers.catalogue import category
from resolvers.ids import encode_id
from resolvers.product_lists import product_page
from resolvers.rows import BrandRow, CategoryRow


def _category_id(root: CategoryRow) -> str:
    return encode_id("Category", root.slug)


def _brand_id(root: BrandRow) -> str:
    return encode_id("Brand", root.slug)


async def _parent(root: CategoryRow, info: Info) -> CategoryRow | None:
    slug = root.parent_slug
    return None if slug is None else await category(info.context.ctx, slug)


@strawberry.type(description="A category of products; categories form a tree.")
class Category(Node):
    """A category, over `CategoryRow`."""

    is_type_of = stands_for(CategoryRow, "Category")

    id: strawberry.ID = uncached(_category_id, "The global id.", because="computed from the row")
    slug: str = strawberry.field(description="Its name in addresses; never changes.")
    name: str = strawberry.field(description="What it is called.")
    parent: "Category | None" = bound(category, _parent, "The category that it is part of.")
    products: ProductConnection = bound(
        product_page, list_products, "Its products, those of categories below it included."
    )


@strawberry.type(description="Who makes products.")
class Brand(Node):
    """A brand, over `BrandRow`."""

    is_type_of = stands_for(BrandRow, "Brand")

    id: strawberry.ID = uncached(_brand_id, "The global id.", because="computed from the row")
    slug: str = strawberry.field(description="Its name in addresses; never changes.")
    name: str = strawberry.field(description="What it is called.")
    products: ProductConnection = bound(product_page, list_products, "Its products.")
