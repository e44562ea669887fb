"""The inputs of the mutations of accounts and orders, and their checks."""

import strawberry

from gql.schema.enums import OrderStatus
from gql.schema.given import as_it_is, given, key_field, nullable
from resolvers import inputs
from resolvers.accounts import ProfileChanges, Registration
from resolvers.ids import decode_id
from resolvers.ordering import LineWanted


@strawberry.input(description="A new customer.")
class RegisterInput:
    """Input of `register`."""

    name: str = strawberry.field(description="What they are called: 1 to 200 characters.")
    email: str = strawberry.field(description="The address to log in with; case does not matter.")
    password: str = strawberry.field(description="8 to 1,024 bytes.")
    idempotency_key: str | None = key_field()

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
            name=given(self.name, inputs.name, "input.name"),
            avatar_url=nullable(self.avatar_url, inputs.avatar_url, "input.avatarUrl"),
            version=given(self.version, as_it_is, "input.version"),
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
    idempotency_key: str | None = key_field()

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
