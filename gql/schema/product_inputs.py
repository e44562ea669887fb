"""The inputs of the mutations of products, and their checks."""

from decimal import Decimal

import strawberry

from gql.schema.given import as_it_is, given, key_field, nullable, optional
from resolvers import inputs, money
from resolvers.ids import decode_id
from resolvers.product_edits import ProductChanges
from resolvers.product_lifecycle import NewProduct


@strawberry.input(description="A new product.")
class CreateProductInput:
    """Input of `createProduct`."""

    sku: str = strawberry.field(
        description="The store's own number, for ever: 1 to 64 characters, never another product's."
    )
    name: str = strawberry.field(description="1 to 200 characters.")
    price: Decimal = strawberry.field(description="0 to 999999999.99, at most 2 decimal places.")
    description: str = strawberry.field(default="", description="At most 10,000 characters.")
    category_slug: str | None = strawberry.field(
        default=strawberry.UNSET, description="The slug of a category; null: none."
    )
    brand_slug: str | None = strawberry.field(
        default=strawberry.UNSET, description="The slug of a brand; null: none."
    )
    stock: int = strawberry.field(default=0, description="Pieces in stock, 0 to 100000000.")
    idempotency_key: str | None = key_field()

    def checked(self) -> NewProduct:
        """Return the product. Raises InvalidArgument."""
        return NewProduct(
            sku=inputs.sku(self.sku, "input.sku"),
            name=inputs.name(self.name, "input.name"),
            description=inputs.description(self.description, "input.description"),
            price_minor=money.to_minor(self.price, "input.price"),
            category_slug=optional(self.category_slug, inputs.key_text, "input.categorySlug"),
            brand_slug=optional(self.brand_slug, inputs.key_text, "input.brandSlug"),
            stock=inputs.stock(self.stock, "input.stock"),
        )


@strawberry.input(description="A product to take out of the catalogue.")
class DeleteProductInput:
    """Input of `deleteProduct`."""

    id: strawberry.ID = strawberry.field(description="The product's global id.")

    def product_id(self) -> int:
        """Return the number of the product. Raises InvalidArgument."""
        return decode_id(self.id, "Product", "input.id")


@strawberry.input(description="An edit of a product. What is left out stays.")
class UpdateProductInput:
    """Input of `updateProduct`."""

    id: strawberry.ID = strawberry.field(description="The product's global id.")
    name: str | None = strawberry.field(
        default=strawberry.UNSET, description="1 to 200 characters; null: stays."
    )
    description: str | None = strawberry.field(
        default=strawberry.UNSET, description="At most 10,000 characters; null: stays."
    )
    price: Decimal | None = strawberry.field(
        default=strawberry.UNSET,
        description="0 to 999999999.99, at most 2 decimal places; null: stays.",
    )
    category_slug: str | None = strawberry.field(
        default=strawberry.UNSET, description="The slug of a category; null: none any more."
    )
    brand_slug: str | None = strawberry.field(
        default=strawberry.UNSET, description="The slug of a brand; null: none any more."
    )
    stock: int | None = strawberry.field(
        default=strawberry.UNSET, description="Pieces in stock, 0 to 100000000; null: stays."
    )
    version: int | None = strawberry.field(
        default=strawberry.UNSET,
        description="The version that the edit was made from: another one is a CONFLICT.",
    )

    def product_id(self) -> int:
        """Return the number of the product. Raises InvalidArgument."""
        return decode_id(self.id, "Product", "input.id")

    def checked(self) -> ProductChanges:
        """Return the changes. Raises InvalidArgument."""
        return ProductChanges(
            name=given(self.name, inputs.name, "input.name"),
            description=given(self.description, inputs.description, "input.description"),
            price_minor=given(self.price, money.to_minor, "input.price"),
            category_slug=nullable(self.category_slug, inputs.key_text, "input.categorySlug"),
            brand_slug=nullable(self.brand_slug, inputs.key_text, "input.brandSlug"),
            stock=given(self.stock, inputs.stock, "input.stock"),
            version=given(self.version, as_it_is, "input.version"),
        )


@strawberry.input(description="A product that was looked at.")
class RecordProductViewInput:
    """Input of `recordProductView`."""

    product_id: strawberry.ID = strawberry.field(description="The product's global id.")
    idempotency_key: str | None = key_field()
