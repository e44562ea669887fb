"""Rows of CSV files: RFC 4180 taken at its word, and every broken row by itself."""

import io
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from ops.importers.lines import LONGEST_LINE
from ops.importers.problems import ImportRefused
from ops.importers.records import LONGEST_FIELD_LINES, Record, Records, split

COLUMNS = ("sku", "name", "price")
GOOD = b"A-2,Lamp,2.00"


def records_of(content: bytes) -> list[Record]:
    return list(Records(Path("a.csv"), io.BytesIO(content), COLUMNS))


def rows(*lines: bytes, end: bytes = b"\n") -> list[Record]:
    return records_of(end.join((b"sku,name,price", *lines, b"")))


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        (b"a,b,c", [b"a", b"b", b"c"]),
        (b",,", [b"", b"", b""]),
        (b'"a","b,b","c"', [b"a", b"b,b", b"c"]),
        (b'"a ""quoted"" word",b,c', [b'a "quoted" word', b"b", b"c"]),
        (b'"","""",c', [b"", b'"', b"c"]),
        (b'a,b,""', [b"a", b"b", b""]),
        (b'"a",b,', [b"a", b"b", b""]),
        ('"Größe, „M“",b,c'.encode(), ["Größe, „M“".encode(), b"b", b"c"]),
    ],
)
def test_a_row_is_split_into_its_fields(line: bytes, fields: list[bytes]) -> None:
    assert split(line) == fields


def test_rows_have_the_number_of_the_line_on_which_they_start() -> None:
    found = rows(b"A-1,Chair,1.00", b"", b"   ", GOOD)
    assert [(it.line, it.fields[0]) for it in found] == [(2, b"A-1"), (5, b"A-2")]
    assert not any(it.problem for it in found)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_both_ends_of_line_and_a_byte_order_mark_are_fine(end: bytes) -> None:
    content = b"\xef\xbb\xbf" + end.join((b"sku,name,price", b"A-1,Chair,1.00", GOOD))
    assert [list(it.fields) for it in records_of(content)] == [
        [b"A-1", b"Chair", b"1.00"],
        [b"A-2", b"Lamp", b"2.00"],
    ]


@pytest.mark.parametrize(
    ("line", "column", "reason"),
    [
        (b"A-1,1.00", "price", "a column is missing: expected 3 columns, got 2"),
        (b"A-1", "name", "a column is missing: expected 3 columns, got 1"),
        (b"A-1,Chair,1.00,red", "column 4", "there is a column too many: expected 3 columns"),
        (b'A-1,"Chair,1.00', "name", "unbalanced quote: it is opened here and never closed"),
        (b'A-1,Chair,"1.00', "price", "unbalanced quote: it is opened here and never closed"),
        (b'A-1,Ch"air,1.00', "name", "unbalanced quote: a quote inside a value"),
        (b'A-1,"Chair"s,1.00', "name", "unbalanced quote: text after the closing quote"),
        (b'A-1,"Chair"",1.00', "name", "unbalanced quote: it is opened here and never closed"),
    ],
)
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_broken_row_is_named_and_the_next_is_read(
    line: bytes, column: str, reason: str, end: bytes
) -> None:
    broken, good = rows(line, GOOD, end=end)
    assert broken.problem is not None
    assert (broken.line, broken.raw, broken.problem.column) == (2, line, column)
    assert broken.problem.reason.startswith(reason)
    assert (good.line, good.problem, good.fields[0]) == (3, None, b"A-2")


@pytest.mark.parametrize(
    "following",
    [
        [GOOD],
        [b'A-2,"Lamp, tall",2.00'],
        [b'A-2,"Lamp, tall",2.00', b'A-3,"Desk",3.00'],
        [b'A-2,"Lamp,2.00', b"A-3,Desk,3.00"],
        [b"A-2,2.00", b"A-3,Desk,3.00"],
        [b'A-2,Lamp,"2.00"'],
        [b"A-2,Lamp,2.00"] * (LONGEST_FIELD_LINES + 4),
        [b"no row"] * (LONGEST_FIELD_LINES + 4) + [GOOD],
        [],
    ],
)
def test_an_unbalanced_quote_takes_no_other_row_with_it(following: list[bytes]) -> None:
    found = rows(b'A-1,"Chair,1.00', *following)
    assert [it.line for it in found] == list(range(2, len(following) + 3))
    assert found[0].problem is not None
    good = [it.raw for it in found if it.problem is None]
    complete = [line for line in following if line.count(b'"') % 2 == 0 and line.count(b",") > 1]
    assert good == complete


def test_a_value_may_have_line_breaks_when_its_quotes_are_closed() -> None:
    first, second = rows(b'A-1,"Chair', b"", b'with ""arms""",1.00', GOOD, end=b"\r\n")
    assert (first.line, list(first.fields)) == (2, [b"A-1", b'Chair\n\nwith "arms"', b"1.00"])
    assert (second.line, second.fields[0]) == (5, b"A-2")


def test_a_value_of_too_many_lines_is_not_believed() -> None:
    found = rows(b'A-1,"Chair', *[b"more"] * LONGEST_FIELD_LINES, b'end",1.00', GOOD)
    assert [it.problem is None for it in found] == [False] * (LONGEST_FIELD_LINES + 2) + [True]


def test_a_line_without_end_is_cut_and_reported() -> None:
    long = b"A-1," + b"x" * (3 * LONGEST_LINE) + b",1.00"
    found = rows(long, GOOD)
    assert found[0].problem is not None
    assert "longer than 65536 bytes" in found[0].problem.reason
    assert len(found[0].raw) <= LONGEST_LINE
    assert (found[1].line, found[1].problem) == (3, None)


def test_every_byte_is_counted() -> None:
    content = b'sku,name,price\r\nA-1,"a\r\nb",1\r\n\r\nA-2,"x,1\r\nA-3,y,1'
    records = Records(Path("a.csv"), io.BytesIO(content), COLUMNS)
    assert [it.line for it in records] == [2, 5, 6]
    assert records.read == len(content)


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (b"sku,name\n", "has no column price"),
        (b"sku,name,cost\n", "has no column price"),
        (b"", "is empty"),
        (b"\n", "has no column sku, name, price"),
        (b'sku,"name,price\n', "should name the columns"),
        (b"sku,n\xe4me,price\n", "should name the columns"),
        (b"sku,name,price,name\n", "twice: name"),
        ("sku,name,price\n".encode("utf-16"), "should name the columns"),
    ],
)
def test_a_file_without_a_usable_header_is_refused(header: bytes, says: str) -> None:
    with pytest.raises(ImportRefused, match=says):
        records_of(header + (GOOD if header else b""))


def test_columns_may_come_in_any_order_and_others_are_ignored() -> None:
    content = b" Price ,COLOUR,sku,name\n1.00,red,A-1,Chair\n"
    records = Records(Path("a.csv"), io.BytesIO(content), COLUMNS)
    assert records.ignored == ("colour",)
    assert records.positions == {"sku": 2, "name": 3, "price": 0}


class _Endless(io.RawIOBase):
    """A file of many megabytes that is nowhere."""

    def __init__(self, lines: int) -> None:
        self._lines: Iterator[bytes] = iter(
            [b"sku,name,price\n"] + [b'A-1,"a chair, red",1.00\n', b'A-1,"a,1\n'] * (lines // 2)
        )

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]  # what io hands over
        line = next(self._lines, b"")
        buffer[: len(line)] = line
        return len(line)


def test_reading_takes_the_same_memory_for_any_length() -> None:
    def peak(lines: int) -> int:
        file: BinaryIO = io.BufferedReader(_Endless(lines))
        records = iter(Records(Path("a.csv"), file, COLUMNS))
        tracemalloc.start()
        count = sum(1 for _ in records)
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == lines
        return highest

    assert peak(60_000) < peak(600) + 100_000
