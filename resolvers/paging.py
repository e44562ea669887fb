"""Relay's paging by keys: cursors, and which page of a list is asked for.

A cursor names the order, the sort key and the number of one item, so a page starts at the same
item whatever was added before it. Cursors are opaque to clients; one of another order is refused,
because it would silently skip or repeat items.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as MalformedBase64
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from models.queries.paging import Page, Window
from resolvers.errors import InvalidArgument
from resolvers.ids import MAX_NUMBER
from resolvers.rows import ListItem, ListPage

DEFAULT_SIZE: Final = 20
MAX_SIZE: Final = 100

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_LATEST: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_MAX_CURSOR: Final = 4_000


class PageRequest(msgspec.Struct, frozen=True):
    """Relay's four arguments as a client sent them."""

    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None


class PageSpan(msgspec.Struct, frozen=True):
    """Which page: canonical, so that every way to ask for it is one entry of the cache."""

    limit: int = DEFAULT_SIZE
    backward: bool = False
    after: ListItem | None = None
    before: ListItem | None = None


class Ordering(msgspec.Struct, frozen=True):
    """An order of a list: its name in cursors, and what its sort keys are."""

    name: str
    key: type[str] | type[int] | type[datetime]

    def window(self, span: PageSpan) -> Window:
        """Return the database's window for `span`."""
        after, before = self._edge(span.after), self._edge(span.before)
        return Window(span.limit, after=after, before=before, backward=span.backward)

    def page(self, found: Page) -> ListPage:
        """Return the page for rows of (id, sort key)."""
        items = tuple(ListItem(row[0], _plain(row[1])) for row in found.rows)
        return ListPage(items, has_next=found.has_next, has_previous=found.has_previous)

    def _edge(self, item: ListItem | None) -> tuple[Any, int] | None:
        if item is None:
            return None
        if self.key is datetime:
            return _EPOCH + int(item.key) * _MICROSECOND, item.id
        return item.key, item.id


def span_of(request: PageRequest, ordering: Ordering) -> PageSpan:
    """Return the page that `request` asks for. Raises InvalidArgument for what cannot be."""
    if request.first is not None and request.last is not None:
        raise InvalidArgument("last", "not to be given together with first", request.last)
    limit = _size("first", request.first) or _size("last", request.last) or DEFAULT_SIZE
    return PageSpan(
        limit=limit,
        backward=request.last is not None,
        after=_read("after", request.after, ordering),
        before=_read("before", request.before, ordering),
    )


def cursor(ordering: Ordering, item: ListItem) -> str:
    """Return the cursor of `item` in a list of this order."""
    raw = msgspec.json.encode((ordering.name, item.key, item.id))
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _size(argument: str, size: int | None) -> int | None:
    if size is None or 1 <= size <= MAX_SIZE:
        return size
    raise InvalidArgument(argument, f"a number from 1 to {MAX_SIZE}", size)


def _read(argument: str, text: str | None, ordering: Ordering) -> ListItem | None:
    """Return the item that a cursor names; None where there is no cursor."""
    if text is None:
        return None
    expected = f"a cursor of this list in the order {ordering.name}, as a page returned it"
    malformed = InvalidArgument(argument, expected, text)
    found = _decode(text, malformed)
    if found.order != ordering.name or not _fits(found, ordering):
        raise malformed
    return ListItem(found.id, found.key)


class _Cursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    order: str
    key: str | int
    id: int


def _decode(text: str, malformed: InvalidArgument) -> _Cursor:
    if len(text) > _MAX_CURSOR:
        raise malformed
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        return msgspec.json.decode(raw, type=_Cursor)
    except (MalformedBase64, UnicodeError, msgspec.MsgspecError) as error:
        raise malformed from error


def _fits(found: _Cursor, ordering: Ordering) -> bool:
    if not 0 < found.id <= MAX_NUMBER:
        return False
    if ordering.key is str:
        return isinstance(found.key, str) and "\0" not in found.key
    highest = _LATEST if ordering.key is datetime else MAX_NUMBER
    return isinstance(found.key, int) and 0 <= found.key <= highest


def _plain(key: str | int | datetime) -> str | int:
    return (key - _EPOCH) // _MICROSECOND if isinstance(key, datetime) else key
