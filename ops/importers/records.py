"""Rows of a CSV file, read one at a time: each is whole, or says what is wrong with it.

The grammar is RFC 4180's, strictly: a field that begins with a quote ends with one, and a quote
inside it is doubled. A broken row must not take its neighbours with it, so a quote that is open at
the end of a line is believed only when the lines after it close it *and* none of them is a row by
itself; otherwise that one line is at fault and reading goes on with the next.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from ops.importers.lines import LONGEST_LINE, Line, Lines
from ops.importers.problems import BadRow, ImportRefused, Problem

LONGEST_FIELD_LINES: Final = 16
"""Lines that one row may spread over."""

# Possessive, so that a doubled quote is never taken apart to find an end.
_QUOTED: Final = re.compile(rb'"((?:[^"]++|"")*+)"')
_COMMA: Final = ord(",")


@dataclass(frozen=True, slots=True)
class Record:
    """One row: the line on which it starts, its bytes, its fields or what is wrong with them."""

    line: int
    raw: bytes
    fields: Sequence[bytes]
    problem: Problem | None = None


class _Unclosed(Exception):  # noqa: N818 - a state of reading, handled here
    """A quote was opened in field `index` and not closed."""

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index


class _Misquoted(Exception):  # noqa: N818 - a state of reading, handled here
    """Field `index` has a quote where none may be."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(index, reason)
        self.index = index
        self.reason = reason


class Records:
    """The rows of one CSV file.

    `columns` are those that the file must have, in any order; others are ignored and named in
    `ignored`. Raises `ImportRefused` when the header is not usable. `read` counts the bytes so far.
    """

    def __init__(self, path: Path, file: BinaryIO, columns: Sequence[str]) -> None:
        self._lines = Lines(file)
        self.read = 0
        self.header = self._header(path)
        missing = [column for column in columns if column not in self.header]
        if missing:
            raise ImportRefused(
                f"{path}: the header has no column {', '.join(missing)}. Expected the columns "
                f"{','.join(columns)} in any order, got {','.join(self.header)}. "
                "Nothing was imported"
            )
        self.ignored = tuple(name for name in self.header if name not in columns)
        self.positions = {column: self.header.index(column) for column in columns}

    def __iter__(self) -> Iterator[Record]:
        for line in self._lines:
            self.read += line.size
            if line.data.strip():
                yield self._record(line)

    def _header(self, path: Path) -> tuple[str, ...]:
        line = next(self._lines, None)
        if line is None:
            raise ImportRefused(f"{path} is empty: its first line should name the columns")
        self.read += line.size
        try:
            names = [name.decode().strip().lower() for name in split(line.data)]
        except (_Unclosed, _Misquoted, UnicodeDecodeError) as error:
            raise ImportRefused(
                f"{path}: the first line should name the columns, as UTF-8 and separated by "
                f"commas, got {line.data[:80]!r}. Nothing was imported"
            ) from error
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ImportRefused(
                f"{path}: the header names a column twice: {', '.join(twice)}. Remove one of them"
            )
        return tuple(names)

    def _record(self, line: Line) -> Record:
        try:
            raw, fields = self._fields(line)
            self._count(fields)
        except BadRow as error:
            return Record(line.number, line.data, (), error.problem)
        return Record(line.number, raw, fields)

    def _fields(self, line: Line) -> tuple[bytes, list[bytes]]:
        """The bytes and the fields of the row that begins with `line`. Raises `BadRow`."""
        if line.too_long:
            raise BadRow("", f"the line is longer than {LONGEST_LINE} bytes")
        try:
            return line.data, split(line.data)
        except _Misquoted as error:
            raise BadRow(self._name(error.index), f"unbalanced quote: {error.reason}") from None
        except _Unclosed as error:
            spread = self._spread(line)
            if spread is None:
                raise BadRow(
                    self._name(error.index), "unbalanced quote: it is opened here and never closed"
                ) from None
            return spread

    def _spread(self, line: Line) -> tuple[bytes, list[bytes]] | None:
        """The row that begins with `line` and goes on in later ones; None when there is none."""
        raw = line.data
        for count, following in enumerate(self._lines.ahead(LONGEST_FIELD_LINES - 1), 1):
            raw += b"\n" + following.data
            if following.too_long or len(raw) > LONGEST_LINE or self._is_row(following.data):
                return None
            try:
                fields = split(raw)
            except _Unclosed:
                continue
            except _Misquoted:
                return None
            if len(fields) != len(self.header):
                return None
            self._take(count)
            return raw, fields
        return None

    def _take(self, count: int) -> None:
        self.read += sum(line.size for line in self._lines.ahead(count))
        self._lines.skip(count)

    def _is_row(self, data: bytes) -> bool:
        try:
            return len(split(data)) == len(self.header)
        except (_Unclosed, _Misquoted):
            return False

    def _count(self, fields: Sequence[bytes]) -> None:
        expected, got = len(self.header), len(fields)
        counts = f"expected {expected} columns, got {got}"
        if got < expected:
            raise BadRow(self._name(got), f"a column is missing: {counts}")
        if got > expected:
            raise BadRow(self._name(expected), f"there is a column too many: {counts}")

    def _name(self, index: int) -> str:
        return self.header[index] if index < len(self.header) else f"column {index + 1}"


def split(data: bytes) -> list[bytes]:
    """The fields of one row, unquoted.

    Works on bytes: UTF-8 has no comma and no quote inside another character, and so a field that
    is no UTF-8 can still be named.
    """
    if b'"' not in data:
        return data.split(b",")
    fields: list[bytes] = []
    at = 0
    while True:
        value, at = _field(data, at, len(fields))
        fields.append(value)
        if at >= len(data):
            return fields
        at += 1
        if at == len(data):
            return [*fields, b""]


def _field(data: bytes, start: int, index: int) -> tuple[bytes, int]:
    """The field that begins at `start`, and where its comma or the end is."""
    if data[start : start + 1] != b'"':
        comma = data.find(b",", start)
        end = len(data) if comma < 0 else comma
        if data.find(b'"', start, end) >= 0:
            raise _Misquoted(index, "a quote inside a value that does not begin with one")
        return data[start:end], end
    quoted = _QUOTED.match(data, start)
    if quoted is None:
        raise _Unclosed(index)
    if quoted.end() < len(data) and data[quoted.end()] != _COMMA:
        raise _Misquoted(index, "text after the closing quote")
    return quoted[1].replace(b'""', b'"'), quoted.end()
