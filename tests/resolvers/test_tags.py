"""What lists depend on, and that a write's facets meet exactly those."""

from hypothesis import given
from hypothesis import strategies as st

from models.queries.products import ProductOrder
from models.tables import OrderStatus
from resolvers import tags
from resolvers.product_lists import Selection, facets
from resolvers.tags import Aspect

NAMES = ProductOrder.NAME_ASC


def test_a_list_of_everything_depends_on_everything() -> None:
    assert facets(Selection(), NAMES) == {"products:all:members", "products:all:name"}
    assert facets(Selection(), None) == {"products:all:members"}
    assert facets(Selection(), ProductOrder.NEWEST) == {"products:all:members"}


def test_members_of_every_scope_and_aspects_of_one() -> None:
    chosen = Selection(category_slug="phones", brand_slug="acme", min_price=1)
    assert facets(chosen, ProductOrder.BEST_SELLING) == {
        "products:category:phones:members",
        "products:brand:acme:members",
        "products:brand:acme:sold",
        "products:brand:acme:price",
    }


def test_filters_bring_their_aspects() -> None:
    assert "products:all:name" in facets(Selection(search="x"), ProductOrder.NEWEST)
    assert "products:all:price" in facets(Selection(max_price=5), None)
    assert "products:all:stock" in facets(Selection(in_stock=False), None)
    assert "products:category:a:stock" in facets(Selection(in_stock=True, category_slug="a"), None)


def test_scopes_of_a_product() -> None:
    assert tags.scopes(["phones", "electronics"], "acme") == {
        "all",
        "category:phones",
        "category:electronics",
        "brand:acme",
    }
    assert tags.scopes([], None) == {"all"}


_SLUGS = st.sampled_from(["a", "b", "c"])
_PLACES = st.tuples(_SLUGS | st.none(), _SLUGS | st.none())


@given(_PLACES, _PLACES, _PLACES, st.sampled_from(ProductOrder))
def test_a_move_purges_the_lists_that_it_enters_or_leaves_and_no_others(
    listed: tuple[str | None, str | None],
    old: tuple[str | None, str | None],
    new: tuple[str | None, str | None],
    order: ProductOrder,
) -> None:
    """A list by (category, brand) hears of a move exactly where membership can change."""
    category, brand = listed
    depends = facets(Selection(category_slug=category, brand_slug=brand), order)
    before, after = (tags.scopes([place[0]] if place[0] else [], place[1]) for place in (old, new))
    purged = tags.facets(before ^ after, (Aspect.MEMBERS,))
    shows_before = _shows(listed, old)
    shows_after = _shows(listed, new)
    if shows_before != shows_after:
        assert purged & depends
    if listed == (None, None) or old == new:
        assert not purged & depends


def _shows(listed: tuple[str | None, str | None], place: tuple[str | None, str | None]) -> bool:
    return all(wanted is None or wanted == got for wanted, got in zip(listed, place, strict=True))


@given(_PLACES, _PLACES, st.sampled_from(Aspect))
def test_a_change_inside_a_product_reaches_every_list_that_shows_it(
    listed: tuple[str | None, str | None], place: tuple[str | None, str | None], aspect: Aspect
) -> None:
    chosen = Selection(
        category_slug=listed[0], brand_slug=listed[1], search="x", min_price=1, in_stock=True
    )
    purged = tags.facets(tags.scopes([place[0]] if place[0] else [], place[1]), (aspect,))
    if _shows(listed, place):
        assert purged & facets(chosen, ProductOrder.BEST_SELLING)


def test_names_of_single_rows_never_meet() -> None:
    names = [
        tags.product(1),
        tags.sku("1"),
        tags.stock(1),
        tags.sold(1),
        tags.user(1),
        tags.account(1),
        tags.session("1"),
        tags.order(1),
        tags.order_lines(1),
        tags.orders_of(1),
        tags.orders_of(1, OrderStatus.PAID),
        tags.category("1"),
        tags.brand("1"),
        tags.PRODUCTS,
        tags.ORDERS,
        tags.USERS,
        tags.CATEGORIES,
        tags.BRANDS,
    ]
    assert len(set(names)) == len(names)
