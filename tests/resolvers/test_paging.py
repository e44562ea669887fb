"""Pages and cursors."""

from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.queries.paging import Page, Window
from resolvers.errors import InvalidArgument
from resolvers.paging import Ordering, PageRequest, PageSpan, cursor, span_of
from resolvers.rows import ListItem, ListPage

NAMES = Ordering("NAME_ASC", str)
PRICES = Ordering("PRICE_ASC", int)
TIMES = Ordering("NEWEST", datetime)


@given(st.text(alphabet=st.characters(exclude_characters="\0", codec="utf-8")), st.integers(1, 9))
def test_a_cursor_comes_back(key: str, number: int) -> None:
    item = ListItem(number, key)
    assert span_of(PageRequest(after=cursor(NAMES, item)), NAMES) == PageSpan(after=item)


@given(st.datetimes(min_value=datetime(1970, 1, 2), timezones=st.just(UTC)))
def test_times_keep_their_microseconds(time: datetime) -> None:
    page = TIMES.page(Page(((7, time),), has_next=False, has_previous=False))
    span = span_of(PageRequest(first=1, after=cursor(TIMES, page.items[0])), TIMES)
    assert TIMES.window(span) == Window(1, after=(time, 7))


def test_what_is_asked_for() -> None:
    assert span_of(PageRequest(), NAMES) == PageSpan(20)
    assert span_of(PageRequest(first=100), NAMES) == PageSpan(100)
    assert span_of(PageRequest(last=3), NAMES) == PageSpan(3, backward=True)
    before = cursor(PRICES, ListItem(4, 150))
    span = span_of(PageRequest(last=2, before=before), PRICES)
    assert PRICES.window(span) == Window(2, before=(150, 4), backward=True)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (PageRequest(first=0), "first: expected a number from 1 to 100; got 0"),
        (PageRequest(first=-1), "first: expected a number from 1 to 100; got -1"),
        (PageRequest(first=1000), "first: expected a number from 1 to 100; got 1000"),
        (PageRequest(last=101), "last: expected a number from 1 to 100; got 101"),
        (PageRequest(first=1, last=1), "last: expected not to be given together with first"),
    ],
)
def test_sizes_out_of_range_are_named(request_: PageRequest, message: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        span_of(request_, NAMES)
    assert str(raised.value).startswith(message)


def _encoded(*parts: object) -> str:
    return urlsafe_b64encode(msgspec.json.encode(parts)).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "é",
        cursor(PRICES, ListItem(1, 5)),
        _encoded("NAME_ASC", 5, 1),
        _encoded("NAME_ASC", "a\0b", 1),
        _encoded("NAME_ASC", "a", 0),
        _encoded("NAME_ASC", "a", -3),
        _encoded("NAME_ASC", "a", 2**63),
        _encoded("NAME_ASC", "a"),
        _encoded("NAME_ASC", "a", 1, 2),
        _encoded("NAME_ASC", None, 1),
        _encoded("NAME_DESC", "a", 1),
        "A" * 100_000,
    ],
)
@pytest.mark.parametrize("argument", ["after", "before"])
def test_what_is_no_cursor_of_this_list_is_refused_by_name(text: str, argument: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        span_of(msgspec.structs.replace(PageRequest(), **{argument: text}), NAMES)
    expected = f"{argument}: expected a cursor of this list in the order NAME_ASC"
    assert str(raised.value).startswith(expected)
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize(
    ("ordering", "key"), [(PRICES, "5"), (PRICES, -1), (PRICES, 2**63), (TIMES, 2**62)]
)
def test_keys_out_of_range_are_refused(ordering: Ordering, key: object) -> None:
    with pytest.raises(InvalidArgument):
        span_of(PageRequest(after=_encoded(ordering.name, key, 1)), ordering)


def test_a_page_of_times_holds_numbers() -> None:
    time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=15)
    page = TIMES.page(Page(((1, time),), has_next=True, has_previous=False))
    assert page == ListPage((ListItem(1, 15),), has_next=True, has_previous=False)
