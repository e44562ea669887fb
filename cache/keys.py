"""Names of entries: readable, complete, and different for everything that must not meet."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import msgspec

from .errors import DeclarationError
from .frozen import shape_of

_READABLE = 160
"""Characters of a key up to which Redis gets it as it is; longer ones are digested."""


_json = msgspec.json.Encoder(order="deterministic")
_binary = msgspec.msgpack.Encoder(order="deterministic")
_not_finite = re.compile(rb"\xcb[\x7f\xff][\xf0-\xff]").search
"""MessagePack's infinities, and what is not a number: JSON says `null` for each of them."""


def entry_key(name: str, viewer: str | None, arguments: tuple[Any, ...]) -> str:
    """The full key of a value: function, viewer (None where public), and canonical arguments.

    JSON keeps `1` from `"1"` and `None` from `""`; mappings are sorted. An enum and its value, a
    time and its ISO form, a tuple and a list are one argument. Raises `TypeError` for arguments
    that have no canonical form, such as live objects.
    """
    parts = (viewer, *arguments)
    try:
        said = _json.encode(parts)
        # More nulls than a public function's viewer: some may be numbers that JSON has no word for.
        if said.count(b"null") > (viewer is None):
            said += _not_finite_numbers(parts)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise TypeError(
            f"an argument of {name} cannot be part of a cache key ({error}): pass strings, "
            "numbers, enums, dates, tuples or frozen structs, or exclude it from the key"
        ) from error
    return f"{name}{said.decode()}"


def _not_finite_numbers(parts: tuple[Any, ...]) -> bytes:
    """What tells apart infinities, and what is not a number, from each other and from None."""
    packed = _binary.encode(parts)
    if _not_finite(packed) is None:
        return b""
    return b"~" + hashlib.blake2b(packed, digest_size=8).hexdigest().encode()


def storage_key(prefix: str, key: str) -> str:
    """The key under which Redis holds an entry. Entries carry their full key: see `entry.py`.

    On a cluster the text in a key's first braces decides its node, and arguments may have braces:
    every list with the filter `{"first":20}` would be on one node. Empty ones before them count as
    none (Redis Cluster specification, "Hash tags").
    """
    if len(key) > _READABLE:
        key = hashlib.blake2b(key.encode(), digest_size=20).hexdigest()
    return f"{prefix}:e{{}}:{key}" if "{" in key else f"{prefix}:e:{key}"


def schema_digest(result: Any) -> str:
    """A digest of a result type's shape: another shape is another key, so a miss.

    Two versions of a program can then run side by side on one Redis. Raises `DeclarationError`
    for types that cannot be encoded and decoded again.
    """
    try:
        described = (msgspec.json.schema(result), shape_of(result))
        shape = msgspec.json.encode(described, order="deterministic")
        msgspec.msgpack.Decoder(result)
    except (TypeError, KeyError) as error:  # KeyError: a dataclass with fields that are computed
        raise DeclarationError(
            f"a cached function must return scalars, tuples or frozen structs, got {result!r} "
            f"({error!r}): return a frozen dataclass of what was read, not a type with resolvers"
        ) from error
    return hashlib.blake2b(shape, digest_size=6).hexdigest()
