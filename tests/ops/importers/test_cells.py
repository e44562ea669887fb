"""What a value of a row may be, and what is said of one that may not."""

from datetime import date

import pytest

from ops.importers.cells import Cells
from ops.importers.layout import LINES, ORDERS, PRODUCTS, digest
from ops.importers.problems import BadRow

GOOD_PRODUCT = {
    "sku": "FUR-1",
    "name": "Chair",
    "category": "Furniture",
    "subcategory": "Chairs",
    "brand": "Hon",
    "price": "1.50",
}
GOOD_ORDER = {
    "id": "CA-1",
    "customer_id": "AA-1",
    "placed_on": "2017-12-29",
    "shipped_on": "2017-12-30",
    "ship_mode": "First Class",
}
GOOD_LINE = {
    "order_id": "CA-1",
    "line": "1",
    "sku": "FUR-1",
    "quantity": "2",
    "unit_price": "3.10",
}


def cells(values: dict[str, str | bytes]) -> Cells:
    fields = [it if isinstance(it, bytes) else it.encode() for it in values.values()]
    return Cells({name: index for index, name in enumerate(values)}, fields)


def test_a_product_is_read() -> None:
    row = PRODUCTS.read(cells({**GOOD_PRODUCT, "brand": " "}))
    assert (row.sku, row.brand, row.price_minor) == ("FUR-1", None, 150)


def test_an_order_that_has_not_left_has_no_day_of_shipping() -> None:
    row = ORDERS.read(cells({**GOOD_ORDER, "shipped_on": ""}))
    assert (row.placed_on, row.shipped_on) == (date(2017, 12, 29), None)


def test_an_order_may_leave_on_the_day_it_was_placed() -> None:
    row = ORDERS.read(cells({**GOOD_ORDER, "shipped_on": "2017-12-29"}))
    assert row.shipped_on == row.placed_on


@pytest.mark.parametrize(
    ("text", "minor"),
    [
        ("0", 0),
        ("0.00", 0),
        ("7", 700),
        ("7.5", 750),
        (" 7.05 ", 705),
        ("007.10", 710),
        ("999999999.99", 99_999_999_999),
    ],
)
def test_amounts(text: str, minor: int) -> None:
    assert PRODUCTS.read(cells({**GOOD_PRODUCT, "price": text})).price_minor == minor


@pytest.mark.parametrize(
    ("change", "column", "reason"),
    [
        ({"sku": ""}, "sku", "it is empty"),
        ({"sku": "x" * 65}, "sku", "it has 65 characters, at most 64 are allowed"),
        ({"sku": "FUR\t1"}, "sku", "it has the control character U[+]0009"),
        ({"name": "  "}, "name", "it is empty"),
        ({"name": "x" * 201}, "name", "it has 201 characters, at most 200 are allowed"),
        ({"name": b"Ch\xe4ir"}, "name", "it is not UTF-8: byte 0xe4, at byte 3 of it"),
        ({"name": b"Chair\xf0\x9f"}, "name", "it is not UTF-8"),
        ({"name": b"\xed\xa0\x80"}, "name", "it is not UTF-8"),
        ({"name": b"Ch\0air"}, "name", "it has a NUL character, at byte 3 of it"),
        ({"name": "Ch\x1bair"}, "name", "it has the control character U[+]001B"),
        ({"category": ""}, "category", "it is empty"),
        ({"subcategory": ""}, "subcategory", "it is empty"),
        ({"brand": "x" * 201}, "brand", "at most 200"),
        ({"price": ""}, "price", "it is empty"),
        ({"price": "NaN"}, "price", "expected an amount as 12.50, got 'NaN'"),
        ({"price": "Infinity"}, "price", "expected an amount"),
        ({"price": "1e3"}, "price", "expected an amount"),
        ({"price": "1,50"}, "price", "expected an amount"),
        ({"price": "+1.50"}, "price", "expected an amount"),
        ({"price": "1."}, "price", "expected an amount"),
        ({"price": "١.50"}, "price", "expected an amount"),
        ({"price": "1.505"}, "price", "an amount has at most 2 decimals, got '1.505'"),
        ({"price": "-1.50"}, "price", "an amount cannot be negative, got '-1.50'"),
        ({"price": "1000000000"}, "price", "an amount is at most 999999999.99"),
        ({"price": "9" * 400}, "price", "an amount is at most 999999999.99"),
    ],
)
def test_a_bad_product_is_refused(change: dict[str, str | bytes], column: str, reason: str) -> None:
    with pytest.raises(BadRow, match=reason) as caught:
        PRODUCTS.read(cells({**GOOD_PRODUCT, **change}))
    assert caught.value.problem.column == column


@pytest.mark.parametrize(
    ("change", "column", "reason"),
    [
        ({"id": "x" * 65}, "id", "at most 64"),
        ({"customer_id": ""}, "customer_id", "it is empty"),
        ({"placed_on": "2017-02-29"}, "placed_on", "expected a day as 2014-01-31"),
        ({"placed_on": "29.12.2017"}, "placed_on", "expected a day"),
        ({"placed_on": "20171229"}, "placed_on", "expected a day"),
        ({"placed_on": "2017-12-29T00:00:00"}, "placed_on", "expected a day"),
        ({"placed_on": "0017-12-29"}, "placed_on", "expected a year from 1900 to 2999"),
        ({"placed_on": ""}, "placed_on", "it is empty"),
        ({"shipped_on": "soon"}, "shipped_on", "expected a day"),
        ({"shipped_on": "2017-12-28"}, "shipped_on", "before it was placed: 2017-12-29"),
        ({"ship_mode": ""}, "ship_mode", "it is empty"),
    ],
)
def test_a_bad_order_is_refused(change: dict[str, str], column: str, reason: str) -> None:
    with pytest.raises(BadRow, match=reason) as caught:
        ORDERS.read(cells({**GOOD_ORDER, **change}))
    assert caught.value.problem.column == column


@pytest.mark.parametrize("column", ["quantity", "line"])
@pytest.mark.parametrize("value", ["0", "-1", "1.5", "", "one", "1e1", "99999999999", "²"])
def test_numbers_of_a_line_are_whole_and_above_zero(column: str, value: str) -> None:
    with pytest.raises(BadRow) as caught:
        LINES.read(cells({**GOOD_LINE, column: value}))
    assert caught.value.problem.column == column


def test_only_values_make_the_digest() -> None:
    def of(**change: str | bytes) -> str:
        return digest(PRODUCTS.read(cells({**GOOD_PRODUCT, **change})))

    assert of() == of(price="1.5") == of(sku=" FUR-1 ")
    assert len({of(), of(name="chair"), of(price="1.51"), of(brand=""), of(brand="HON")}) == 5
    assert of(name="ab", category="c") != of(name="a", category="bc")
    assert len(of()) == 64
