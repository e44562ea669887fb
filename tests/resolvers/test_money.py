"""Amounts: exact, bounded, and back."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolvers.errors import InvalidArgument
from resolvers.money import MAX_AMOUNT, to_major, to_minor, whole_units


@given(st.integers(0, int(MAX_AMOUNT * 100)))
def test_every_amount_comes_back(minor: int) -> None:
    assert to_minor(to_major(minor), "price") == minor
    assert str(to_major(minor)).partition(".")[2].__len__() == 2


@pytest.mark.parametrize("text", ["-0.01", "0.001", "1.999", "1000000000", "999999999.995"])
def test_others_are_refused_with_the_range(text: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        to_minor(Decimal(text), "input.price")
    expected = (
        "input.price: expected an amount from 0 to 999999999.99 with at most 2 decimal places"
    )
    assert str(raised.value).startswith(expected)
    assert text in str(raised.value)


def test_zeros_behind_the_second_place_are_no_parts_of_a_cent() -> None:
    assert to_minor(Decimal("1.500"), "price") == 150


@pytest.mark.parametrize(("minor", "points"), [(0, 0), (99, 0), (100, 1), (12_399, 123)])
def test_points_are_whole_units(minor: int, points: int) -> None:
    assert whole_units(minor) == points
