"""Each query: the right rows, the columns that were asked for, one statement."""

from datetime import UTC, datetime, timedelta

import pytest

from models.queries import categories, leaderboards, orders, products, sessions, users
from models.queries.paging import Window
from models.queries.products import ProductFilter, ProductOrder
from models.tables import (
    Brand,
    Category,
    Direction,
    Leaderboard,
    Operator,
    Order,
    OrderLine,
    OrderStatus,
    Product,
    Role,
    Session,
    User,
)
from models.text import folded, slug
from tests.support.counting import SqlCounter

NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)


async def a_category(name: str, parent: Category | None = None) -> Category:
    category = await Category.create(slug=slug(name), name=name, parent=parent)
    category.path = categories.child_path(parent and parent.path, category.id)
    await category.save()
    return category


async def a_product(name: str, **columns: object) -> Product:
    known = {"price_minor": 1000, "created_at": NOW, "updated_at": NOW}
    return await Product.create(sku=name, name=name, name_key=folded(name), **(known | columns))


async def found(**conditions: object) -> list[int]:
    wanted = ProductFilter(**conditions)
    with SqlCounter() as sql:
        rows = (await products.product_page(wanted, ProductOrder.NAME_ASC, Window(100))).rows
        count = await products.product_count(wanted)
    assert sql.count == 2, sql.statements
    assert count == len(rows)
    return [product_id for product_id, _ in rows]


async def test_products_come_with_the_slugs_of_category_and_brand(database):
    phones = await a_category("Phones")
    brand = await Brand.create(slug="acme", name="Acme")
    full = await a_product("Full", category=phones, brand=brand, description="Text", stock=4)
    bare = await a_product("Bare")
    with SqlCounter() as sql:
        rows = await products.products_by_id([full.id, bare.id, -1])
    assert sql.count == 1
    assert rows == {
        full.id: (full.id, "Full", "Full", "Text", 1000, "phones", "acme", NOW, NOW, 1, None),
        bare.id: (bare.id, "Bare", "Bare", "", 1000, None, None, NOW, NOW, 1, None),
    }
    assert await products.product_ids_by_sku(["Full", "none"]) == {"Full": full.id}
    assert await products.stock_by_id([full.id, bare.id, -1]) == {full.id: 4, bare.id: 0}
    assert await products.units_sold_by_id([full.id]) == {full.id: 0}
    assert await products.products_by_id([]) == {}


async def test_a_category_includes_its_descendants_and_no_one_else(database):
    top = [await a_category(f"Top {number}") for number in range(12)]
    below = await a_category("Below", top[0])
    deep = await a_category("Deep", below)
    ids = [(await a_product(f"P{at.id:02}", category=at)).id for at in (*top, below, deep)]
    await a_product("Nowhere")
    # Top 0 has the path /1/; others have /10/, /11/ and /12/.
    assert await found(category_path=top[0].path) == [ids[0], ids[12], ids[13]]
    assert await found(category_path=below.path) == [ids[12], ids[13]]
    assert await found(category_path=top[9].path) == [ids[9]]
    assert await found(category_path="/999/") == []


@pytest.mark.parametrize(
    ("search", "names"),
    [
        ("CAFÉ", ["Café au lait"]),
        ("cafe\u0301", ["Café au lait"]),
        ("cafe", []),
        ("100%", ["100% cotton"]),
        ("%", ["100% cotton"]),
        ("_", ["snake_case"]),
        ("\\", ["back\\slash"]),
        ("strasse", ["Straße"]),
        ("'", ["it's"]),
        ("", ["100% cotton", "Café au lait", "Straße", "back\\slash", "it's", "snake_case"]),
    ],
)
async def test_search_finds_substrings_whatever_the_characters(database, search, names):
    made = {}
    for name in ("100% cotton", "Café au lait", "Straße", "back\\slash", "it's", "snake_case"):
        made[(await a_product(name)).id] = name
    assert sorted(made[one] for one in await found(search=search)) == names


async def test_conditions_hold_together(database):
    brand = await Brand.create(slug="acme", name="Acme")
    cheap = (await a_product("Cheap", price_minor=100, brand=brand, stock=1)).id
    middle = (await a_product("Middle", price_minor=200, brand=brand)).id
    dear = (await a_product("Dear", price_minor=300, stock=2)).id
    assert await found(brand_slug="acme") == [cheap, middle]
    assert await found(min_price_minor=200) == [dear, middle]
    assert await found(max_price_minor=200) == [cheap, middle]
    assert await found(min_price_minor=200, max_price_minor=200) == [middle]
    assert await found(in_stock=True) == [cheap, dear]
    assert await found(in_stock=False) == [middle]
    assert await found(brand_slug="acme", in_stock=True, search="E") == [cheap]
    assert await found(brand_slug="none") == []


async def test_categories_and_brands(database):
    phones = await a_category("Phones")
    smart = await a_category("Smart", phones)
    brand = await Brand.create(slug="acme", name="Acme")
    with SqlCounter() as sql:
        assert await categories.categories_by_slug(["smart", "none"]) == {
            "smart": (smart.id, "smart", "Smart", "phones", f"/{phones.id}/{smart.id}/", 1)
        }
        assert [row.slug for row in await categories.all_categories()] == ["phones", "smart"]
        assert await categories.brands_by_slug(["acme", "none"]) == {
            "acme": (brand.id, "acme", "Acme", 1)
        }
    assert sql.count == 3


async def test_users_and_sessions(database):
    user = await User.create(
        name="Sample", email="sample@example.com", password_hash="hash", created_at=NOW
    )
    session = await Session.create(
        digest="d" * 64, user=user, created_at=NOW, ends_at=NOW + timedelta(hours=1)
    )
    with SqlCounter() as sql:
        assert await users.profiles_by_id([user.id, -1]) == {
            user.id: (user.id, "Sample", None, NOW)
        }
        assert await users.accounts_by_id([user.id]) == {
            user.id: (user.id, "sample@example.com", Role.CUSTOMER, 0, 1)
        }
        login = (user.id, "hash", Role.CUSTOMER)
        assert await users.login_by_email("Sample@Example.com") == login
        assert await users.login_by_email("nobody@example.com") is None
        assert await users.login_by_id(user.id) == login
        assert await users.login_by_id(-1) is None
        assert await sessions.sessions_by_digest([session.digest, "none"]) == {
            session.digest: (user.id, Role.CUSTOMER, NOW + timedelta(hours=1))
        }
        assert await sessions.digests_of_user(user.id) == (session.digest,)
        assert await sessions.digests_of_user(-1) == ()
    assert sql.count == 9


async def test_orders_of_a_user_newest_first_and_their_lines(database):
    user = await User.create(name="Sample", created_at=NOW)
    other = await User.create(name="Other", created_at=NOW)
    product = await a_product("A")
    made = []
    for number, (owner, status, days) in enumerate(
        [
            (user, OrderStatus.PAID, 1),
            (user, OrderStatus.PENDING, 3),
            (user, OrderStatus.PAID, 3),
            (other, OrderStatus.PAID, 4),
        ]
    ):
        made.append(
            await Order.create(
                number=f"N{number}",
                user=owner,
                status=status,
                placed_at=NOW + timedelta(days=days),
                total_minor=500,
            )
        )
    for line_no in (2, 1):
        await OrderLine.create(
            order=made[0], line_no=line_no, product=product, quantity=line_no, unit_price_minor=100
        )
    with SqlCounter() as sql:
        whole = await orders.order_page(user.id, None, Window(10))
        paid = await orders.order_page(user.id, OrderStatus.PAID, Window(1))
        assert await orders.order_count(user.id, None) == 3
        assert await orders.order_count(user.id, OrderStatus.PAID) == 2
        [pending] = (await orders.orders_by_id([made[1].id, -1])).values()
        assert await orders.lines_by_order([made[0].id, made[1].id]) == {
            made[0].id: ((product.id, 1, 100), (product.id, 2, 100))
        }
    assert sql.count == 6
    placed = NOW + timedelta(days=3)
    assert pending == (made[1].id, "N1", user.id, OrderStatus.PENDING, placed, 500, 1)
    newest = [(made[at].id, made[at].placed_at) for at in (2, 1, 0)]
    assert list(whole.rows) == newest
    assert list(paid.rows) == newest[:1]
    assert paid.has_next
    rest = await orders.order_page(user.id, None, Window(10, after=newest[0][::-1]))
    assert list(rest.rows) == newest[1:]


async def test_boards_come_by_slug_and_in_pages(database):
    ties = [{"name": "misses", "order": "ASC"}, {"name": "bonus", "order": "DESC"}]
    board = await Leaderboard.create(
        slug="sprint",
        name="Sprint",
        operator=Operator.BEST,
        order=Direction.ASC,
        tie_columns=ties,
        created_at=NOW,
    )
    other = await Leaderboard.create(
        slug="other", name="O", operator=Operator.SET, order=Direction.DESC, created_at=NOW
    )
    with SqlCounter() as sql:
        boards = await leaderboards.boards_by_slug(["sprint", "none"])
        page = await leaderboards.board_page(Window(1))
        assert await leaderboards.board_count() == 2
        rest = await leaderboards.board_page(Window(1, after=(board.id,)))
    assert sql.count == 4
    assert boards == {
        "sprint": leaderboards.BoardColumns(
            id=board.id,
            slug="sprint",
            name="Sprint",
            operator=Operator.BEST,
            order=Direction.ASC,
            tie_columns=ties,
            self_reported=False,
            version=0,
            created_at=NOW,
        )
    }
    assert (page.rows, page.has_next) == ((("sprint", board.id),), True)
    assert (rest.rows, rest.has_next) == ((("other", other.id),), False)
