"""Keyset paging against a sorted list, in every order, direction and position."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from models.queries.paging import By, Window, order_by, page, past
from models.queries.products import ORDERINGS, ProductFilter, ProductOrder, product_page
from models.tables import Product
from models.text import folded

NOW = datetime(2026, 9, 1, tzinfo=UTC)
NAMES = ("apple", "Apple", "ÄPFEL", "äpfel", "Zebra", "_x", "100%", "日本", "🏪", "apple")


async def products() -> list[Product]:
    """Twenty products with many ties, whose ids follow none of their columns."""
    rows = []
    for number, (name, ties) in enumerate(itertools.product(NAMES, (0, 1))):
        changes = number * 7 % 20
        rows.append(
            Product(
                sku=f"S{number}",
                name=name,
                name_key=folded(name),
                price_minor=100 * (changes % 4),
                units_sold=changes % 3,
                created_at=NOW + timedelta(microseconds=changes // 5 * 500_000),
                updated_at=NOW,
                stock=ties,
            )
        )
    await Product.bulk_create(rows)
    return await Product.all().order_by("id")


def expected(rows: list[Product], order: ProductOrder) -> list[tuple[int, object]]:
    column = ORDERINGS[order][0].column
    value = {
        "name_key": lambda row: row.name_key.encode(),
        "created_at": lambda row: row.created_at.timestamp(),
    }.get(column, lambda row: getattr(row, column))
    # Sorting is stable, also when reversed: ties stay in the order of their ids.
    ordered = sorted(rows, key=value, reverse=ORDERINGS[order][0].descending)
    return [(row.id, getattr(row, column)) for row in ordered]


@pytest.mark.parametrize("order", list(ProductOrder))
async def test_pages_put_together_are_the_whole_list_in_both_directions(database, order):
    whole = expected(await products(), order)
    for size in (1, 3, 20, 21):
        forwards, after = [], None
        while True:
            rows, has_next, has_previous = await product_page(
                ProductFilter(), order, Window(size, after=after)
            )
            assert has_previous == bool(forwards)
            forwards += rows
            assert has_next == (len(forwards) < len(whole))
            if not has_next:
                break
            after = rows[-1][::-1]
        assert forwards == whole
        backwards, before = [], None
        while True:
            rows, has_next, has_previous = await product_page(
                ProductFilter(), order, Window(size, before=before, backward=True)
            )
            assert has_next == bool(backwards)
            backwards = [*rows, *backwards]
            assert has_previous == (len(backwards) < len(whole))
            if not has_previous:
                break
            before = rows[0][::-1]
        assert backwards == whole


@pytest.mark.parametrize("order", list(ProductOrder))
async def test_after_and_before_together_bound_a_page(database, order):
    whole = expected(await products(), order)
    window = Window(10, after=whole[3][::-1], before=whole[8][::-1])
    assert list((await product_page(ProductFilter(), order, window)).rows) == whole[4:8]
    window = Window(2, after=whole[3][::-1], before=whole[8][::-1], backward=True)
    assert list((await product_page(ProductFilter(), order, window)).rows) == whole[6:8]


async def test_a_page_goes_on_exactly_when_rows_come_and_go(database):
    rows = await products()
    whole = expected(rows, ProductOrder.PRICE_ASC)
    first = await product_page(ProductFilter(), ProductOrder.PRICE_ASC, Window(5))
    await Product.filter(id=first.rows[-1][0]).delete()
    await Product.filter(id=first.rows[0][0]).update(price_minor=10_000)
    after = first.rows[-1][::-1]
    rest = await product_page(ProductFilter(), ProductOrder.PRICE_ASC, Window(100, after=after))
    assert list(rest.rows) == [*whole[5:], (first.rows[0][0], 10_000)]


async def test_orderings_of_many_columns_in_mixed_directions(database):
    rows = await products()
    ordering = (By("units_sold", descending=True), By("price_minor"), By("id", descending=True))
    whole = sorted(rows, key=lambda row: (-row.units_sold, row.price_minor, -row.id))
    for position, row in enumerate(whole):
        key = (row.units_sold, row.price_minor, row.id)
        found = await page(Product.all(), ordering, Window(100, after=key), ("id",))
        assert [one for (one,) in found.rows] == [each.id for each in whole[position + 1 :]]
        found = await page(Product.all(), ordering, Window(100, before=key), ("id",))
        assert [one for (one,) in found.rows] == [each.id for each in whole[:position]]


def test_a_key_of_another_ordering_is_refused():
    with pytest.raises(ValueError, match=r"A key of 2 values \(name_key, id\) was expected"):
        past(ORDERINGS[ProductOrder.NAME_ASC], ("a",))


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("order", list(ProductOrder))
async def test_a_page_is_read_from_an_index_and_not_by_a_scan(sqlite_database, order, backward):
    ordering = ORDERINGS[order]
    value = NOW if order is ProductOrder.NEWEST else 1
    rows = Product.filter(past(ordering, (value, 7), backward=backward))
    plan = await rows.order_by(*order_by(ordering, backward=backward)).only("id").explain()
    steps = [step["detail"] for step in plan]
    assert "SEARCH products USING COVERING INDEX" in steps[0]
    # At most the ties of one value are sorted ("FOR RIGHT PART", "FOR LAST TERM"), not the list.
    assert "USE TEMP B-TREE FOR ORDER BY" not in steps
