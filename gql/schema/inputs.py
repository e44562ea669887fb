"""The inputs of the store's mutations, and their checks."""

from collections.abc import Callable
from decimal import Decimal
from typing import TypeVar

import strawberry
from msgspec import UNSET as ABSENT
from msgspec import UnsetType
from strawberry.types.unset import UnsetType as UnsetTypeOfStrawberry

from gql.schema.enums import OrderStatus
from resolvers import inputs, money
from resolvers.accounts import ProfileChanges, Registration
from resolvers.ids import decode_id
from resolvers.ordering import LineWanted
from resolvers.product_edits import ProductChanges

V = TypeVar("V")
C = TypeVar("C")


@strawberry.input(description="A new customer.")
class RegisterInput:
    """Input of `register`."""

    name: str = strawberry.field(description="What they are called: 1 to 200 characters.")
    email: str = strawberry.field(description="The address to log in with; case does not matter.")
    password: str = strawberry.field(description="8 to 1,024 bytes.")

    def checked(self) -> Registration:
        """Return the registration. Raises InvalidArgument."""
        return Registration(
            name=inputs.name(self.name, "input.name"),
            email=inputs.email(self.email, "input.email"),
            password=inputs.password(self.password, "input.password"),
        )


@strawberry.input(description="Who logs in.")
class LoginInput:
    """Input of `login`."""

    email: str = strawberry.field(description="The address of the account.")
    password: str = strawberry.field(description="Its password.")


@strawberry.input(description="Which sessions to end.")
class LogoutInput:
    """Input of `logout`."""

    everywhere: bool = strawberry.field(
        default=False, description="True: all of the user's sessions, not only this one."
    )


@strawberry.input(description="A change of password.")
class ChangePasswordInput:
    """Input of `changePassword`."""

    current: str = strawberry.field(description="The password as it is.")
    new: str = strawberry.field(description="The password as it shall be: 8 to 1,024 bytes.")


@strawberry.input(description="A change of the viewer's profile. What is left out stays.")
class UpdateProfileInput:
    """Input of `updateProfile`."""

    name: str | None = strawberry.field(
        default=strawberry.UNSET, description="1 to 200 characters; null: stays."
    )
    avatar_url: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="An http or https address of at most 2,000 characters; null: none any more.",
    )
    version: int | None = strawberry.field(
        default=strawberry.UNSET,
        description="The version that the change was made from: another one is a CONFLICT.",
    )

    def checked(self) -> ProfileChanges:
        """Return the changes. Raises InvalidArgument."""
        return ProfileChanges(
            name=_given(self.name, inputs.name, "input.name"),
            avatar_url=_nullable(self.avatar_url, inputs.avatar_url, "input.avatarUrl"),
            version=_given(self.version, _as_it_is, "input.version"),
        )


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
            name=_given(self.name, inputs.name, "input.name"),
            description=_given(self.description, inputs.description, "input.description"),
            price_minor=_given(self.price, money.to_minor, "input.price"),
            category_slug=_nullable(self.category_slug, inputs.key_text, "input.categorySlug"),
            brand_slug=_nullable(self.brand_slug, inputs.key_text, "input.brandSlug"),
            stock=_given(self.stock, inputs.stock, "input.stock"),
            version=_given(self.version, _as_it_is, "input.version"),
        )


@strawberry.input(description="Pieces of one product to order.")
class OrderLineInput:
    """A line of `placeOrder`."""

    product_id: strawberry.ID = strawberry.field(description="The product's global id.")
    quantity: int = strawberry.field(description="Pieces, 1 to 1,000 of one product.")


@strawberry.input(description="An order to place.")
class PlaceOrderInput:
    """Input of `placeOrder`."""

    lines: list[OrderLineInput] = strawberry.field(
        description="1 to 100 lines; those of one product are merged."
    )

    def checked(self) -> list[LineWanted]:
        """Return the lines. Raises InvalidArgument."""
        return [
            LineWanted(
                decode_id(line.product_id, "Product", f"input.lines.{index}.productId"),
                line.quantity,
            )
            for index, line in enumerate(self.lines)
        ]


@strawberry.input(description="Where an order is now.")
class UpdateOrderStatusInput:
    """Input of `updateOrderStatus`."""

    order_id: strawberry.ID = strawberry.field(description="The order's global id.")
    status: OrderStatus = strawberry.field(description="The status that it gets.")


@strawberry.input(description="An order to call off.")
class CancelOrderInput:
    """Input of `cancelOrder`."""

    order_id: strawberry.ID = strawberry.field(description="The order's global id.")


@strawberry.input(description="A product that was looked at.")
class RecordProductViewInput:
    """Input of `recordProductView`."""

    product_id: strawberry.ID = strawberry.field(description="The product's global id.")


def _given(
    value: V | UnsetTypeOfStrawberry | None, check: Callable[[V, str], C], argument: str
) -> C | UnsetType:
    """Return the checked value; absent where it was left out or is null."""
    if value is None or isinstance(value, UnsetTypeOfStrawberry):
        return ABSENT
    return check(value, argument)


def _nullable(
    value: V | UnsetTypeOfStrawberry | None, check: Callable[[V, str], C], argument: str
) -> C | UnsetType | None:
    """Return the checked value; absent where it was left out, None where it is null."""
    return None if value is None else _given(value, check, argument)


def _as_it_is(value: int, _argument: str) -> int:
    return value
