"""The mutations of products."""

from typing import Annotated, Any, Final

import strawberry

from gql.schema.binding import bound, uncached
from gql.schema.common import Outcome, UserError, errors_field, outcome_of
from gql.schema.context import Info
from gql.schema.given import checked_key
from gql.schema.product import Product
from gql.schema.product_inputs import (
    CreateProductInput,
    DeleteProductInput,
    RecordProductViewInput,
    UpdateProductInput,
)
from resolvers import product_edits, product_lifecycle, products, stats
from resolvers.ids import decode_id
from resolvers.rows import ProductRow

_IN: Final = strawberry.argument(name="input", description="What to do.")
_WRITES: Final = "a mutation"


async def _product(root: Outcome[int], info: Info) -> ProductRow | None:
    return None if root.value is None else await products.product(info.context.ctx, root.value)


async def _sold_product(root: Outcome[int], info: Info) -> ProductRow | None:
    number = root.value
    return None if number is None else await products.sold_product(info.context.ctx, number)


@strawberry.type(description="What `createProduct` came to.")
class CreateProductPayload:
    """Over `Outcome[int]`."""

    product: Product | None = bound(products.product, _product, "The new product.")
    errors: list[UserError] = errors_field()


@strawberry.type(description="What `updateProduct` came to.")
class UpdateProductPayload:
    """Over `Outcome[int]`."""

    product: Product | None = bound(products.product, _product, "The product as it is now.")
    errors: list[UserError] = errors_field()


@strawberry.type(description="What `deleteProduct` came to.")
class DeleteProductPayload:
    """Over `Outcome[int]`."""

    product: Product | None = bound(
        products.sold_product, _sold_product, "The product as orders still show it."
    )
    errors: list[UserError] = errors_field()


@strawberry.type(description="What `recordProductView` came to.")
class RecordProductViewPayload:
    """Over `Outcome[int]`."""

    product: Product | None = bound(products.product, _product, "The product; see its stats.")
    errors: list[UserError] = errors_field()


async def _create_product(info: Info, data: Annotated[CreateProductInput, _IN]) -> Any:
    async def work() -> int:
        return await product_lifecycle.create_product(
            info.context.ctx, data.checked(), checked_key(data.idempotency_key)
        )

    return await outcome_of(work())


async def _update_product(info: Info, data: Annotated[UpdateProductInput, _IN]) -> Any:
    async def work() -> int:
        ctx = info.context.ctx
        return await product_edits.update_product(ctx, data.product_id(), data.checked())

    return await outcome_of(work())


async def _delete_product(info: Info, data: Annotated[DeleteProductInput, _IN]) -> Any:
    async def work() -> int:
        return await product_lifecycle.delete_product(info.context.ctx, data.product_id())

    return await outcome_of(work())


async def _record_product_view(info: Info, data: Annotated[RecordProductViewInput, _IN]) -> Any:
    async def work() -> int:
        product_id = decode_id(data.product_id, "Product", "input.productId")
        key = checked_key(data.idempotency_key)
        return (await stats.record_product_view(info.context.ctx, product_id, key)).id

    return await outcome_of(work())


@strawberry.type(description="What can be changed.")
class ProductMutation:
    """The mutations of products."""

    create_product: CreateProductPayload = uncached(
        _create_product, "Put a product into the catalogue. For staff.", because=_WRITES
    )
    update_product: UpdateProductPayload = uncached(
        _update_product, "Edit a product. For staff.", because=_WRITES
    )
    delete_product: DeleteProductPayload = uncached(
        _delete_product,
        "Take a product out of the catalogue, for good; orders go on showing it. For staff.",
        because=_WRITES,
    )
    record_product_view: RecordProductViewPayload = uncached(
        _record_product_view, "Count a view of a product. For everyone.", because=_WRITES
    )
