"""The sample store: consistent totals, working logins, real boards; loaded once."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from cache.leaderboard import Board, Operator, Order
from models import tables
from models.queries.categories import within
from models.tables import (
    Category,
    Leaderboard,
    OrderLine,
    OrderStatus,
    Product,
    ProductStats,
    Role,
    Score,
    User,
)
from models.text import folded
from ops.sample import load_sample
from ops.sample.data import read_sample
from resolvers.passwords import matches
from resolvers.score_source import SqlScores


@pytest.fixture
async def sample(database):
    assert await load_sample() is True
    return read_sample()


async def everything() -> dict[str, list[dict[str, object]]]:
    names = ("User", "Category", "Brand", "Product", "Order", "OrderLine", "Leaderboard", "Score")
    return {name: await getattr(tables, name).all().order_by("id").values() for name in names}


async def test_it_is_loaded_once(sample):
    before = await everything()
    assert await load_sample() is False
    assert await everything() == before
    assert len(before["Product"]) >= 60
    assert len(before["Order"]) >= 12


@pytest.mark.parametrize("table", [User, Product])
async def test_a_database_in_use_is_left_alone(sample, table):
    for name in ("Score", "Leaderboard", "OrderLine", "Order", "ProductStats", "Product", "User"):
        if name != table.__name__:
            await getattr(tables, name).all().delete()
    before = await everything()
    assert await load_sample() is False
    assert await everything() == before


async def test_processes_that_load_at_once_load_once(database):
    code = (
        "import asyncio, sys\n"
        "from models.database import connect, disconnect\n"
        "from ops.sample import load_sample\n"
        "async def main():\n"
        "    await connect(sys.argv[1])\n"
        "    print(await load_sample())\n"
        "    await disconnect()\n"
        "asyncio.run(main())\n"
    )
    command = [sys.executable, "-c", code, database]
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220 (tiny)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=60)[0].strip() for process in started]
    assert sorted(said) == ["False", "True"]


async def test_the_three_logins_work(sample):
    for word, role in (("admin", Role.ADMIN), ("staff", Role.STAFF), ("customer", Role.CUSTOMER)):
        user = await User.get(email=f"{word}@example.com")
        assert user.role is role
        assert await matches(user.password_hash, word)
        assert not await matches(user.password_hash, f"{word}1")
    assert await User.filter(password_hash__isnull=False).count() == 3


async def test_totals_units_and_points_add_up(sample):
    prices = {row.id: row for row in await Product.all()}
    totals: Counter[int] = Counter()
    sold: Counter[int] = Counter()
    points: Counter[int] = Counter()
    for line in await OrderLine.all().select_related("order"):
        assert line.unit_price_minor == prices[line.product_id].price_minor
        totals[line.order_id] += line.quantity * line.unit_price_minor
        if line.order.status is not OrderStatus.CANCELLED:
            sold[line.product_id] += line.quantity
    for order in await tables.Order.all():
        assert order.total_minor == totals[order.id] > 0
        if order.status is not OrderStatus.CANCELLED:
            points[order.user_id] += order.total_minor // 100
    for product in prices.values():
        assert product.units_sold == sold[product.id]
        assert product.name_key == folded(product.name)
    for user in await User.all():
        assert user.loyalty_points == points[user.id]
    assert await ProductStats.filter(views=0).count() == len(prices)


async def test_the_customer_has_orders_in_every_status(sample):
    customer = await User.get(email="customer@example.com")
    statuses = await tables.Order.filter(user=customer).values_list("status", flat=True)
    assert set(statuses) == set(OrderStatus)


async def test_the_categories_are_a_tree_with_products_in_its_leaves(sample):
    for root in await Category.filter(parent=None):
        below = await Category.filter(within(root.path)).exclude(id=root.id)
        assert {row.parent_id for row in below} == {root.id}
        for leaf in below:
            assert await Product.filter(category=leaf).exists()
    assert not await Product.filter(category__parent=None).exists()


async def test_the_boards_are_what_their_submissions_make(sample):
    for described in sample.leaderboards:
        board = await Leaderboard.get(slug=described.slug)
        rows = await Score.filter(leaderboard=board)
        assert len(rows) >= 14
        assert max(row.version for row in rows) == board.version <= len(described.submissions)
        assert all(1 <= row.sequence <= row.version for row in rows)
        assert len({row.sequence for row in rows}) == len(rows)
        assert all(row.achieved_at > board.created_at for row in rows)


async def test_a_best_board_keeps_the_best_and_an_increment_board_the_sums(sample):
    best, sums = sample.leaderboards
    expected: dict[str, int] = {}
    for one in best.submissions:
        expected[one.player] = max(one.score, expected.get(one.player, 0))
    rules = Board(best.slug, Operator(best.operator), Order(best.order))
    whole = await SqlScores().scan(rules, None, 100)
    assert sorted(row.points[0] for row in whole) == sorted(expected.values())
    added: dict[str, list[int]] = {}
    for one in sums.submissions:
        held = added.get(one.player, [0, 0, 0])
        added[one.player] = [a + b for a, b in zip(held, (one.score, *one.ties), strict=True)]
    rows = await Score.filter(leaderboard__slug=sums.slug)
    assert sorted([row.score, row.tie1, row.tie2] for row in rows) == sorted(added.values())


def test_a_misspelt_field_in_the_files_is_refused(tmp_path, monkeypatch):
    folder = Path(sys.modules["ops.sample.data"].__file__).parent
    for file in folder.glob("*.json"):
        text = file.read_text().replace('"quantity"', '"quantitty"')
        (tmp_path / file.name).write_text(text)
    monkeypatch.setattr("ops.sample.data.__file__", str(tmp_path / "data.py"))
    with pytest.raises(msgspec.ValidationError, match="quantitty"):
        read_sample()
