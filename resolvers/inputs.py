"""What the values of mutations may be. Each check returns the value as it is stored.

All raise InvalidArgument with the argument's name, what is allowed and what arrived; a password
is never shown.
"""

import re
import unicodedata
from typing import Final
from urllib.parse import urlsplit

from resolvers.errors import Described, InvalidArgument

MAX_NAME: Final = 200
MAX_SKU: Final = 64
MAX_DESCRIPTION: Final = 10_000
MAX_EMAIL: Final = 254
MAX_URL: Final = 2_000
MIN_PASSWORD: Final = 8
MAX_PASSWORD: Final = 1_024
MAX_STOCK: Final = 100_000_000
MAX_KEY: Final = 400
MAX_IDEMPOTENCY_KEY: Final = 200

_EMAIL: Final = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+")


def name(value: str, argument: str) -> str:
    """Return a name: 1 to 200 characters, of which one is not blank, and no control characters."""
    stripped = value.strip()
    controls = any(unicodedata.category(character) == "Cc" for character in stripped)
    if 1 <= len(stripped) <= MAX_NAME and not controls:
        return stripped
    expected = f"1 to {MAX_NAME} characters without control characters"
    raise InvalidArgument(argument, expected, value)


def sku(value: str, argument: str) -> str:
    """Return a stock keeping unit: 1 to 64 printable characters, without space around them."""
    stripped = value.strip()
    if 1 <= len(stripped) <= MAX_SKU and stripped.isprintable():
        return stripped
    expected = f"1 to {MAX_SKU} printable characters"
    raise InvalidArgument(argument, expected, value)


def description(value: str, argument: str) -> str:
    """Return a text of at most 10,000 characters, without NUL."""
    if len(value) <= MAX_DESCRIPTION and "\0" not in value:
        return value
    raise InvalidArgument(argument, f"at most {MAX_DESCRIPTION} characters, no NUL", value)


def email(value: str, argument: str) -> str:
    """Return an e-mail address, case-folded: what it is compared by."""
    folded = value.strip().casefold()
    printable = folded.isprintable() and len(folded) <= MAX_EMAIL
    if printable and _EMAIL.fullmatch(folded):
        return folded
    expected = f"an e-mail address such as ada@example.com, at most {MAX_EMAIL} characters"
    raise InvalidArgument(argument, expected, value)


def password(value: str, argument: str) -> str:
    """Return a new password: 8 to 1,024 bytes of UTF-8."""
    size = len(value.encode())
    if MIN_PASSWORD <= size <= MAX_PASSWORD:
        return value
    expected = f"a password of {MIN_PASSWORD} to {MAX_PASSWORD} bytes"
    raise InvalidArgument(argument, expected, Described(f"{size} bytes"))


def avatar_url(value: str, argument: str) -> str:
    """Return an absolute http or https address of at most 2,000 characters."""
    if len(value) <= MAX_URL and value.isprintable() and " " not in value and _is_http(value):
        return value
    expected = f"an http or https address of at most {MAX_URL} characters"
    raise InvalidArgument(argument, expected, value)


def idempotency_key(value: str, argument: str) -> str:
    """Return a client's own name for one call of a mutation: 1 to 200 printable characters."""
    if 1 <= len(value) <= MAX_IDEMPOTENCY_KEY and value.isprintable():
        return value
    expected = f"1 to {MAX_IDEMPOTENCY_KEY} printable characters, such as a UUID"
    raise InvalidArgument(argument, expected, value)


def between(value: int, lowest: int, highest: int, argument: str) -> int:
    """Return a number from `lowest` to `highest`."""
    if lowest <= value <= highest:
        return value
    raise InvalidArgument(argument, f"a number from {lowest} to {highest}", value)


def stock(value: int, argument: str) -> int:
    """Return a number of pieces in stock: 0 to 100,000,000."""
    return between(value, 0, MAX_STOCK, argument)


def key_text(value: str, argument: str) -> str:
    """Return a SKU or a slug to look for: at most 400 characters, as it becomes part of keys.

    No NUL, which PostgreSQL cannot compare.
    """
    if len(value) <= MAX_KEY and "\0" not in value:
        return value
    raise InvalidArgument(argument, f"at most {MAX_KEY} characters, no NUL", value)


def _is_http(value: str) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False
