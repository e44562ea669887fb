"""Global object ids: base64url of `Kind:key`, without padding. Opaque to clients.

Each object has exactly one id: what decodes but would be encoded otherwise is refused, so that
an id can be compared as text and an entry is never stored under two spellings.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as MalformedBase64
from typing import Final, Literal, overload

from resolvers.errors import Described, InvalidArgument

NumberedKind = Literal["Product", "User", "Order"]
NamedKind = Literal["Category", "Brand", "Leaderboard"]
Kind = NumberedKind | NamedKind

NUMBERED: Final[frozenset[str]] = frozenset({"Product", "User", "Order"})
"""Kinds whose key is the row's number."""
NAMED: Final[frozenset[str]] = frozenset({"Category", "Brand", "Leaderboard"})
"""Kinds whose key is a slug, which never changes."""

MAX_NUMBER: Final = 2**63 - 1
"""The largest row number: what a BIGINT key column holds."""

_NUMBER: Final = re.compile(r"[1-9][0-9]{0,18}")
_MAX_LENGTH: Final = 400


@overload
def encode_id(kind: NumberedKind, key: int) -> str: ...
@overload
def encode_id(kind: NamedKind, key: str) -> str: ...
def encode_id(kind: Kind, key: int | str) -> str:
    """Return the global id of the object of `kind` with `key` (a number or a slug)."""
    return urlsafe_b64encode(f"{kind}:{key}".encode()).rstrip(b"=").decode()


@overload
def decode_id(text: str, kind: NumberedKind, argument: str = "id") -> int: ...
@overload
def decode_id(text: str, kind: NamedKind, argument: str = "id") -> str: ...
def decode_id(text: str, kind: Kind, argument: str = "id") -> int | str:
    """Return the key in the global id `text`, which must be of `kind`.

    Raises InvalidArgument, naming `argument`, for what is no id or one of another kind.
    """
    found, key = split_id(text, argument)
    if found != kind:
        raise InvalidArgument(argument, _id_of(kind), Described(_id_of(found)))
    return key


def split_id(text: str, argument: str = "id") -> tuple[str, int | str]:
    """Return (kind, key) of any global id. Raises InvalidArgument, naming `argument`."""
    malformed = InvalidArgument(argument, "a global id, as this API returned it", text)
    kind, separator, key = _plain(text, malformed).partition(":")
    if not separator or not key:
        raise malformed
    if kind in NUMBERED and _NUMBER.fullmatch(key) and int(key) <= MAX_NUMBER:
        return kind, int(key)
    if kind in NAMED and "\0" not in key:
        return kind, key
    raise malformed


def _id_of(kind: str) -> str:
    return f"the id of {'an' if kind[0] in 'AEIO' else 'a'} {kind}"


def _plain(text: str, malformed: InvalidArgument) -> str:
    """Return the text inside base64url `text`; raise `malformed` for any other spelling of it."""
    if len(text) > _MAX_LENGTH:
        raise malformed
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        plain = raw.decode()
    except (MalformedBase64, UnicodeError) as error:
        raise malformed from error
    if urlsafe_b64encode(raw).rstrip(b"=").decode() != text:
        raise malformed
    return plain
