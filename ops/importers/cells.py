"""The values of one row: text, keys, amounts, whole numbers and days, each with its bounds."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

from ops.importers.problems import BadRow
from resolvers.money import MAX_AMOUNT

LARGEST_QUANTITY: Final = 1_000_000
LARGEST_LINE_NUMBER: Final = 2**31 - 1
LARGEST_TOTAL: Final = 2**53 - 1
"""Minor units of an order's total: what every JSON reader can hold."""
FIRST_YEAR: Final = 1900
LAST_YEAR: Final = 2999

_AMOUNT: Final = re.compile(r"(\d{1,9})(?:\.(\d{1,2}))?", re.ASCII)
_NUMBER: Final = re.compile(r"-?\d+(?:\.(\d+))?", re.ASCII)
_WHOLE: Final = re.compile(r"\d{1,10}", re.ASCII)
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_LINE_BREAKS: Final = frozenset("\t\r\n")


class Cells:
    """The fields of one row, by the name of their column. Every method raises `BadRow`."""

    __slots__ = ("_fields", "_positions")

    def __init__(self, positions: Mapping[str, int], fields: Sequence[bytes]) -> None:
        self._positions = positions
        self._fields = fields

    def text(self, column: str, longest: int) -> str:
        """The text as it is written; not blank, at most `longest` characters."""
        value = self._decoded(column)
        if not value.strip():
            raise BadRow(column, "it is empty")
        _check_text(column, value, longest, _LINE_BREAKS)
        return value

    def optional_text(self, column: str, longest: int) -> str | None:
        """The same, or None where the column is blank."""
        return self.text(column, longest) if self._decoded(column).strip() else None

    def key(self, column: str, longest: int) -> str:
        """A key, without the white space around it; at most `longest` characters."""
        value = self._required(column)
        _check_text(column, value, longest, frozenset())
        return value

    def amount(self, column: str) -> int:
        """An amount of money, in minor units: `12`, `12.5` or `12.50`."""
        value = self._required(column)
        found = _AMOUNT.fullmatch(value)
        if found is None:
            raise BadRow(column, _why_no_amount(value))
        return int(found[1]) * 100 + int((found[2] or "").ljust(2, "0"))

    def whole(self, column: str, largest: int) -> int:
        """A whole number from 1 to `largest`."""
        value = self._required(column)
        if not _WHOLE.fullmatch(value) or not 1 <= int(value) <= largest:
            raise BadRow(column, f"expected a whole number from 1 to {largest}, got {_cut(value)}")
        return int(value)

    def day(self, column: str) -> date:
        """A day, as `2014-01-31`."""
        value = self._required(column)
        try:
            day = date.fromisoformat(value) if _DAY.fullmatch(value) else None
        except ValueError:
            day = None
        if day is None:
            raise BadRow(column, f"expected a day as 2014-01-31, got {_cut(value)}")
        if not FIRST_YEAR <= day.year <= LAST_YEAR:
            raise BadRow(column, f"expected a year from {FIRST_YEAR} to {LAST_YEAR}, got {value}")
        return day

    def optional_day(self, column: str) -> date | None:
        """The same, or None where the column is blank."""
        return self.day(column) if self._decoded(column).strip() else None

    def _required(self, column: str) -> str:
        value = self._decoded(column).strip()
        if not value:
            raise BadRow(column, "it is empty")
        return value

    def _decoded(self, column: str) -> str:
        raw = self._fields[self._positions[column]]
        if b"\0" in raw:
            raise BadRow(column, f"it has a NUL character, at byte {raw.index(0) + 1} of it")
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            byte = raw[error.start]
            raise BadRow(
                column, f"it is not UTF-8: byte 0x{byte:02x}, at byte {error.start + 1} of it"
            ) from None


def _check_text(column: str, value: str, longest: int, allowed: frozenset[str]) -> None:
    if len(value) > longest:
        raise BadRow(column, f"it has {len(value)} characters, at most {longest} are allowed")
    if value.isprintable():
        return
    for character in value:
        if unicodedata.category(character) == "Cc" and character not in allowed:
            raise BadRow(column, f"it has the control character U+{ord(character):04X}")


def _why_no_amount(value: str) -> str:
    number = _NUMBER.fullmatch(value)
    if number is None:
        return f"expected an amount as 12.50, got {_cut(value)}"
    if value.startswith("-"):
        return f"an amount cannot be negative, got {_cut(value)}"
    if len(number[1] or "") > 2:
        return f"an amount has at most 2 decimals, got {_cut(value)}"
    return f"an amount is at most {MAX_AMOUNT}, got {_cut(value)}"


def _cut(value: str) -> str:
    return repr(value if len(value) <= 40 else value[:40] + "…")
