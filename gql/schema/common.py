"""Types that all parts of the schema share: money, expected failures."""

from collections.abc import Awaitable
from decimal import Decimal
from typing import Any, Final, Generic, TypeVar

import msgspec
import strawberry

from cache import StoreUnavailable
from gql.schema.binding import uncached
from gql.schema.context import Info
from gql.schema.enums import ErrorCode
from models.database import is_unavailable
from resolvers import money
from resolvers.errors import InvalidArgument, Refused
from resolvers.errors import UserError as Failure

T = TypeVar("T")


@strawberry.type(description="An amount of money.")
class Money:
    """An amount in the store's currency."""

    amount: Decimal = strawberry.field(description="With 2 decimal places.")
    currency: str = strawberry.field(description="The ISO 4217 code of the store's one currency.")


def money_of(minor: int, info: Info) -> Money:
    """Return an amount in minor units as the schema shows it."""
    return Money(amount=money.to_major(minor), currency=info.context.ctx.currency)


@strawberry.type(description="An expected failure of a mutation, as data.")
class UserError:
    """One reason why a mutation was refused; over `resolvers.errors.UserError`."""

    code: ErrorCode = strawberry.field(description="For programs.")
    message: str = strawberry.field(description="For people.")
    path: list[str] | None = strawberry.field(description="Leads to the argument at fault.")
    current_version: int | None = strawberry.field(
        description="After a CONFLICT: the version that it has now."
    )


class Outcome(msgspec.Struct, Generic[T], frozen=True):
    """What a mutation came to: what a payload's fields read, or why it was refused."""

    value: T | None
    errors: tuple[Failure, ...] = ()


async def outcome_of(work: Awaitable[T]) -> Outcome[T]:
    """Run a mutation; turn expected failures into data. Others are raised, and masked."""
    try:
        return Outcome(await work)
    except Refused as refusal:
        return Outcome(None, refusal.errors)
    except InvalidArgument as error:
        path = tuple(error.argument.split("."))
        return Outcome(None, (Failure(ErrorCode.INVALID_INPUT, str(error), path),))
    except StoreUnavailable:
        return Outcome(None, (_AWAY,))
    except Exception as error:
        if is_unavailable(error):
            return Outcome(None, (_AWAY,))
        raise


_AWAY: Final = Failure(
    ErrorCode.UNAVAILABLE, "A database that this needs is away or too busy. Try again."
)


def _errors(root: Outcome[Any]) -> Any:
    return root.errors


def errors_field() -> Any:
    """Return the `errors` field of a payload over an `Outcome`."""
    return uncached(
        _errors,
        "Why nothing was changed; empty when it was.",
        because="what this mutation came to, a moment ago",
    )
