"""What a second import touches, and what it leaves alone."""

from pathlib import Path

import pytest

from models.tables import Brand, Category, Order, OrderLine, OrderStatus, Product, User
from ops.importers.report import Summary
from ops.importers.superstore import Options, import_superstore
from resolvers import tags
from resolvers.tags import Aspect
from tests.support.superstore import Purges, write_rows

PRODUCTS = [
    ["P-1", "Chair", "Furniture", "Chairs", "Hon", "10.00"],
    ["P-2", "Desk", "Furniture", "Tables", "", "20.00"],
]
CUSTOMERS = [["C-1", "Ada", *["x"] * 4], ["C-2", "Bo", *["x"] * 4]]
ORDERS = [
    ["O-1", "C-1", "2017-12-29", "2017-12-30", "First Class"],
    ["O-2", "C-2", "2017-12-30", "", "First Class"],
]
LINES = [
    ["O-1", "1", "P-1", "2", "10.00"],
    ["O-1", "2", "P-2", "1", "20.60"],
    ["O-2", "1", "P-2", "1", "20.60"],
]


class Shop:
    """A small folder that tests change, and its import."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows = {
            "products.csv": [list(row) for row in PRODUCTS],
            "customers.csv": [list(row) for row in CUSTOMERS],
            "orders.csv": [list(row) for row in ORDERS],
            "order_lines.csv": [list(row) for row in LINES],
        }
        self.purges = Purges()

    async def load(self) -> Summary:
        for file, rows in self.rows.items():
            write_rows(self.folder, file, rows)
        self.purges = Purges()
        options = Options(rejects=self.folder / "rejects.csv")
        return await import_superstore(self.folder, self.purges, options)


@pytest.fixture
async def shop(database: str, tmp_path: Path) -> Shop:
    shop = Shop(tmp_path)
    await shop.load()
    return shop


def changed(summary: Summary) -> dict[str, int]:
    return {tally.file: tally.changed for tally in summary.files if tally.changed}


async def test_what_staff_changed_stays_until_the_file_changes(shop: Shop) -> None:
    await Product.filter(sku="P-1").update(price_minor=1234, stock=7, version=5)
    assert (await shop.load()).changes == 0
    product = await Product.get(sku="P-1")
    assert (product.price_minor, product.stock, product.version) == (1234, 7, 5)

    shop.rows["products.csv"][0][5] = "11.00"
    assert changed(await shop.load()) == {"products.csv": 1}
    product = await Product.get(sku="P-1")
    assert (product.price_minor, product.stock, product.version) == (1100, 7, 6)
    assert product.updated_at > product.created_at
    assert product.units_sold == 2


async def test_only_what_shows_a_change_is_purged(shop: Shop) -> None:
    shop.rows["products.csv"][0][5] = "11.00"
    await shop.load()
    product = await Product.get(sku="P-1")
    scopes = tags.scopes(["furniture", "chairs"], "hon")
    assert shop.purges.batches == [{tags.product(product.id), *tags.facets(scopes, {Aspect.PRICE})}]


async def test_a_product_that_moves_is_purged_where_it_was_and_where_it_is(shop: Shop) -> None:
    shop.rows["products.csv"][0][2:5] = ["Furniture", "Armchairs", "Sauder"]
    await shop.load()
    product = await Product.get(sku="P-1").select_related("category", "brand")
    assert (product.category.slug, product.brand.slug) == ("armchairs", "sauder")
    # Where it came or went, not the parent that it stayed in.
    old = tags.scopes(["furniture", "chairs"], "hon")
    scopes = old ^ tags.scopes(["furniture", "armchairs"], "sauder")
    assert shop.purges.batches == [
        {
            tags.product(product.id),
            *tags.facets(scopes, {Aspect.MEMBERS}),
            *(tags.category("armchairs"), tags.CATEGORIES),
            *(tags.brand("sauder"), tags.BRANDS),
        }
    ]


async def test_a_product_that_was_there_before_is_taken_over(shop: Shop) -> None:
    await Product.filter(sku="P-1").update(name="Old", name_key="old", import_digest=None)
    assert changed(await shop.load()) == {"products.csv": 1}
    product = await Product.get(sku="P-1")
    assert (product.name, product.name_key, product.stock) == ("Chair", "chair", 100)


async def test_a_profile_stays_until_the_file_changes(shop: Shop) -> None:
    await User.filter(external_id="C-1").update(name="Countess", email="ada@example.com")
    assert (await shop.load()).changes == 0
    assert (await User.get(external_id="C-1")).name == "Countess"
    shop.rows["customers.csv"][0][3] = "London"
    assert changed(await shop.load()) == {"customers.csv": 1}
    user = await User.get(external_id="C-1")
    assert (user.name, user.city, user.email, user.version) == (
        "Ada",
        "London",
        "ada@example.com",
        2,
    )
    assert shop.purges.batches == [{tags.user(user.id), tags.account(user.id)}]


async def test_an_order_keeps_its_status_and_its_points_follow_its_customer(shop: Shop) -> None:
    await Order.filter(number="O-2").update(status=OrderStatus.SHIPPED)
    shop.rows["orders.csv"][1][1:4] = ["C-1", "2017-12-30", "2017-12-30"]
    assert changed(await shop.load()) == {"orders.csv": 1}
    order = await Order.get(number="O-2").select_related("user")
    assert (order.user.external_id, order.status) == ("C-1", OrderStatus.SHIPPED)
    assert (order.total_minor, order.version) == (2060, 3)
    assert await points() == {"C-1": 40 + 20, "C-2": 0}
    users = await User.all().values_list("id", flat=True)
    assert shop.purges.batches == [
        {
            tags.order(order.id),
            *map(tags.account, users),
            *map(tags.orders_of, users),
            *(tags.orders_of(user, OrderStatus.SHIPPED) for user in users),
        }
    ]


async def test_a_changed_line_moves_total_points_and_units(shop: Shop) -> None:
    assert await points() == {"C-1": 40, "C-2": 20}
    shop.rows["order_lines.csv"][0][2:] = ["P-2", "3", "10.15"]
    assert changed(await shop.load()) == {"order_lines.csv": 1}
    assert (await Order.get(number="O-1")).total_minor == 3045 + 2060
    assert await points() == {"C-1": 51, "C-2": 20}
    assert await units() == {"P-1": 0, "P-2": 5}
    order = await Order.get(number="O-1")
    one, two = await Product.all().order_by("sku").values_list("id", flat=True)
    scopes = tags.scopes(["furniture", "chairs", "tables"], "hon")
    assert shop.purges.batches == [
        {
            *(tags.order(order.id), tags.order_lines(order.id), tags.account(order.user_id)),
            *(tags.sold(one), tags.sold(two)),
            *tags.facets(scopes, {Aspect.SOLD}),
        }
    ]


async def test_lines_of_a_cancelled_order_count_for_nobody(shop: Shop) -> None:
    await Order.filter(number="O-2").update(status=OrderStatus.CANCELLED)
    await User.filter(external_id="C-2").update(loyalty_points=0)
    await Product.filter(sku="P-2").update(units_sold=1)
    shop.rows["order_lines.csv"] += [["O-2", "2", "P-1", "5", "10.00"]]
    shop.rows["order_lines.csv"][2][3] = "9"
    await shop.load()
    assert (await Order.get(number="O-2")).total_minor == 9 * 2060 + 5000
    assert await points() == {"C-1": 40, "C-2": 0}
    assert await units() == {"P-1": 2, "P-2": 1}


async def test_an_order_of_the_store_is_not_taken_over(shop: Shop) -> None:
    user = await User.get(external_id="C-1")
    placed = (await Order.get(number="O-1")).placed_at
    await Order.create(number="SHOP-1", user_id=user.id, placed_at=placed, total_minor=0)
    shop.rows["orders.csv"] += [["SHOP-1", "C-1", "2017-12-29", "", "First Class"]]
    shop.rows["order_lines.csv"] += [["SHOP-1", "1", "P-1", "1", "10.00"]]
    summary = await shop.load()
    assert [tally.rejected for tally in summary.files] == [0, 0, 1, 1]
    assert (shop.folder / "rejects.csv").read_text().count("placed in the store, not imported") == 2
    assert await OrderLine.filter(order__number="SHOP-1").count() == 0


async def test_rows_that_left_the_file_stay_in_the_store(shop: Shop) -> None:
    for rows in shop.rows.values():
        rows.pop()
    assert (await shop.load()).changes == 0
    assert await Product.all().count() == 2
    assert await OrderLine.all().count() == 3


async def test_slugs_are_unique_and_what_is_there_is_reused(shop: Shop) -> None:
    category = await Category.create(slug="phones", name="Telephones")
    await Category.filter(id=category.id).update(path=f"/{category.id}/")
    await Brand.create(slug="at-t", name="AT & T")
    shop.rows["products.csv"] += [
        ["P-3", "A", "Technology", "Phones", "AT&T", "1.00"],
        ["P-4", "B", "Phones", "Phones", "", "1.00"],
        ["P-5", "C", "technology", "PHONES", "", "1.00"],
        ["P-6", "D", "Technology", "Tables", "", "1.00"],
        ["P-7", "E", "Büro", "Мебель", "Ёлка", "1.00"],
        ["P-8", "F", "Furniture", "Furniture", "", "1.00"],
    ]
    await shop.load()
    found = dict(await Product.all().values_list("sku", "category__slug"))
    assert found == {
        "P-1": "chairs",
        "P-2": "tables",
        "P-3": "technology-phones",
        "P-4": "phones-phones",
        "P-5": "technology-phones",
        "P-6": "technology-tables",
        "P-7": found["P-7"],
        "P-8": "furniture-furniture",
    }
    assert found["P-7"].startswith("x-")
    assert await Category.filter(name="Büro").values_list("slug", flat=True) == ["buro"]
    assert (await Product.get(sku="P-3").select_related("brand")).brand.name == "AT & T"
    assert (await shop.load()).changes == 0


async def points() -> dict[str, int]:
    return dict(await User.all().values_list("external_id", "loyalty_points"))


async def units() -> dict[str, int]:
    return dict(await Product.all().values_list("sku", "units_sold"))
