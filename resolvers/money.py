"""Amounts: decimal numbers outside, minor units (cents) inside. One currency for the store."""

from decimal import Decimal
from typing import Final, Self

from resolvers.errors import InvalidArgument

MAX_AMOUNT: Final = Decimal("999999999.99")
"""The largest price. 100 lines of 1,000 pieces at it still fit a BIGINT of minor units."""

_MINOR_PER_MAJOR: Final = 100


class Unreadable(Decimal):
    """What arrived where an amount was expected, and is none: NaN that remembers it.

    The schema's scalar cannot say which argument it was given for; `to_minor` can.
    """

    arrived: object

    @classmethod
    def of(cls, arrived: object) -> Self:
        """Return NaN in the place of `arrived`."""
        made = cls("NaN")
        made.arrived = arrived
        return made


def to_minor(amount: Decimal, argument: str) -> int:
    """Return `amount` in minor units.

    Raises InvalidArgument, naming `argument`, outside of 0 to MAX_AMOUNT or for parts of a cent.
    """
    expected = f'an amount from 0 to {MAX_AMOUNT} with at most 2 decimal places, such as "12.50"'
    if isinstance(amount, Unreadable):
        raise InvalidArgument(argument, expected, amount.arrived)
    minor = amount * _MINOR_PER_MAJOR
    if not 0 <= amount <= MAX_AMOUNT or minor != int(minor):
        raise InvalidArgument(argument, expected, str(amount))
    return int(minor)


def to_major(minor: int) -> Decimal:
    """Return minor units as an amount with 2 decimal places."""
    return Decimal(minor).scaleb(-2)


def whole_units(minor: int) -> int:
    """Return how many whole major units an amount has: its loyalty points."""
    return minor // _MINOR_PER_MAJOR
