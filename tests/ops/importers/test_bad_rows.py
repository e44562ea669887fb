"""Every kind of bad row is listed with its line and column, and takes no good row along."""

import csv
from pathlib import Path

import pytest

from models.tables import Order, OrderLine, Product, User
from ops.importers.problems import ImportRefused
from ops.importers.report import ExitCode
from ops.importers.superstore import Options, import_superstore
from tests.support.superstore import Purges, snapshot

FILES = {
    "products.csv": [
        b"\xef\xbb\xbfsku,name,category,subcategory,brand,price",
        b"P-1,Chair,Furniture,Chairs,Hon,10.00",
        b"P-2,Desk,Furniture,Tables,20.00",
        b"P-3,Lamp,Furniture,Lamps,,30.00,red",
        b"P-4,,Furniture,Chairs,Hon,10.00",
        b'P-5,"Sofa,Furniture,Chairs,Hon,10.00',
        b"P-6,So\xffa,Furniture,Chairs,Hon,10.00",
        b"P-7,So\0fa,Furniture,Chairs,Hon,10.00",
        b"P-1,Chair,Furniture,Chairs,Hon,10.0",
        b"P-1,Armchair,Furniture,Chairs,Hon,10.00",
        b"P-8,Sofa,Furniture,Chairs,Hon,NaN",
        b"P-9,Sofa,Furniture,Chairs,Hon,1.005",
        b"P-10,Sofa,Furniture,Chairs,Hon,1000000000.00",
        b"P-11,Sofa,Furniture,Chairs,Hon,-1.00",
        b"P-12," + b"x" * 201 + b",Furniture,Chairs,Hon,1.00",
        b"P" * 65 + b",Sofa,Furniture,Chairs,Hon,1.00",
        b'P-13,"Pen, 3"" tip",Office Supplies,Supplies,,0.50',
    ],
    "customers.csv": [
        b"id,name,segment,city,state,country",
        b"C-1,Ada,Consumer,Leipzig,Saxony,Germany",
        b"C-2,Bo,Consumer,Leipzig,Saxony",
        b'C-3,Cy,"Home" Office,Leipzig,Saxony,Germany',
        b"C-4,Di,Consumer,Leipzig,,Germany",
    ],
    "orders.csv": [
        b"id,customer_id,placed_on,shipped_on,ship_mode",
        b"O-1,C-1,2017-12-29,2017-12-30,First Class",
        b"O-2,C-9,2017-12-29,2017-12-30,First Class",
        b"O-3,C-1,2017-12-32,2017-12-30,First Class",
        b"O-4,C-1,2017-12-29,2017-12-28,First Class",
        b"O-1,C-1,2017-12-29,2017-12-30,First Class",
        b"O-1,C-1,2017-12-29,2017-12-30,Same Day",
        b"O-5,C-2,2017-12-29,2017-12-30,First Class",
    ],
    "order_lines.csv": [
        b"order_id,line,sku,quantity,unit_price",
        b"O-1,1,P-9999,1,10.00",
        b"O-9,1,P-1,1,10.00",
        b"O-1,2,P-1,0,10.00",
        b"O-1,2,P-1,-1,10.00",
        b"O-1,2,P-1,1.5,10.00",
        b"O-1,2,P-1,1,NaN",
        b"O-1,2,P-1,1,1.005",
        b"O-1,2,P-1,1,1e20",
        b"O-1,1,P-13,3,0.50",
        b"O-1,1,P-13,3,0.50",
        b"O-1,1,P-13,4,0.50",
        b"O-1,2,P-1,2,10.00",
        b"O-1,3,P-2,2,10.00",
    ],
}

REJECTED = [
    ("products.csv", 3, "price", "a column is missing: expected 6 columns, got 5"),
    ("products.csv", 4, "column 7", "there is a column too many: expected 6 columns, got 7"),
    ("products.csv", 5, "name", "it is empty"),
    ("products.csv", 6, "name", "unbalanced quote: it is opened here and never closed"),
    ("products.csv", 7, "name", "it is not UTF-8: byte 0xff, at byte 3 of it"),
    ("products.csv", 8, "name", "it has a NUL character, at byte 3 of it"),
    ("products.csv", 9, "sku", "an exact duplicate of line 2: nothing to do"),
    ("products.csv", 10, "sku", "the key of line 2 with other values: that line stays"),
    ("products.csv", 11, "price", "expected an amount as 12.50, got 'NaN'"),
    ("products.csv", 12, "price", "an amount has at most 2 decimals, got '1.005'"),
    ("products.csv", 13, "price", "an amount is at most 999999999.99, got '1000000000.00'"),
    ("products.csv", 14, "price", "an amount cannot be negative, got '-1.00'"),
    ("products.csv", 15, "name", "it has 201 characters, at most 200 are allowed"),
    ("products.csv", 16, "sku", "it has 65 characters, at most 64 are allowed"),
    ("customers.csv", 3, "country", "a column is missing: expected 6 columns, got 5"),
    ("customers.csv", 4, "segment", "unbalanced quote: text after the closing quote"),
    ("customers.csv", 5, "state", "it is empty"),
    ("orders.csv", 3, "customer_id", "there is no customer 'C-9'"),
    ("orders.csv", 4, "placed_on", "expected a day as 2014-01-31, got '2017-12-32'"),
    ("orders.csv", 5, "shipped_on", "shipped on 2017-12-28, before it was placed: 2017-12-29"),
    ("orders.csv", 6, "id", "an exact duplicate of line 2: nothing to do"),
    ("orders.csv", 7, "id", "the key of line 2 with other values: that line stays"),
    ("orders.csv", 8, "customer_id", "there is no customer 'C-2'"),
    ("order_lines.csv", 2, "sku", "there is no product 'P-9999'"),
    ("order_lines.csv", 3, "order_id", "there is no order 'O-9'"),
    ("order_lines.csv", 4, "quantity", "expected a whole number from 1 to 1000000, got '0'"),
    ("order_lines.csv", 5, "quantity", "expected a whole number from 1 to 1000000, got '-1'"),
    ("order_lines.csv", 6, "quantity", "expected a whole number from 1 to 1000000, got '1.5'"),
    ("order_lines.csv", 7, "unit_price", "expected an amount as 12.50, got 'NaN'"),
    ("order_lines.csv", 8, "unit_price", "an amount has at most 2 decimals, got '1.005'"),
    ("order_lines.csv", 9, "unit_price", "expected an amount as 12.50, got '1e20'"),
    ("order_lines.csv", 11, "line", "an exact duplicate of line 10: nothing to do"),
    ("order_lines.csv", 12, "line", "the key of line 10 with other values: that line stays"),
    ("order_lines.csv", 14, "sku", "there is no product 'P-2'"),
]


def write(folder: Path, *, end: bytes = b"\n") -> Path:
    folder.mkdir()
    for file, lines in FILES.items():
        (folder / file).write_bytes(end.join(lines) + end)
    return folder


def rejected(path: Path) -> list[tuple[str, int, str, str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    return [(file, int(line), column, reason, row) for file, line, column, reason, row in rows]


@pytest.mark.parametrize("batch_rows", [1, 2, 500])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
async def test_the_good_rows_go_in_and_each_bad_one_is_listed(
    database: str, tmp_path: Path, batch_rows: int, end: bytes
) -> None:
    folder = write(tmp_path / "data", end=end)
    options = Options(rejects=tmp_path / "r.csv", batch_rows=batch_rows)
    summary = await import_superstore(folder, Purges(), options)

    found = rejected(options.rejects)
    assert [it[:4] for it in found] == REJECTED
    for file, line, _, _, row in found:
        raw = FILES[file][line - 1].decode(errors="backslashreplace")
        assert row == raw.replace("\0", "\\x00")
    assert (summary.rejected, summary.exit_code) == (len(REJECTED), ExitCode.REJECTED)

    assert await Product.all().order_by("sku").values_list("sku", "name", "units_sold") == [
        ("P-1", "Chair", 2),
        ("P-13", 'Pen, 3" tip', 3),
    ]
    assert await User.all().values_list("external_id", "loyalty_points") == [("C-1", 21)]
    assert await Order.all().values_list("number", "total_minor", "ship_mode") == [
        ("O-1", 2150, "First Class")
    ]
    assert await OrderLine.all().order_by("line_no").values_list("line_no", "quantity") == [
        (1, 3),
        (2, 2),
    ]


async def test_again_the_same_rows_are_bad_and_nothing_changes(
    database: str, tmp_path: Path
) -> None:
    folder = write(tmp_path / "data")
    options = Options(rejects=tmp_path / "r.csv")
    await import_superstore(folder, Purges(), options)
    first, before, purges = options.rejects.read_bytes(), await snapshot(), Purges()
    summary = await import_superstore(folder, purges, options)
    assert (summary.changes, summary.rejected, purges.batches) == (0, len(REJECTED), [])
    assert await snapshot() == before
    assert options.rejects.read_bytes() == first


async def test_what_was_rejected_for_want_of_another_row_goes_in_once_that_is_there(
    database: str, tmp_path: Path
) -> None:
    folder = write(tmp_path / "data")
    options = Options(rejects=tmp_path / "r.csv")
    await import_superstore(folder, Purges(), options)
    with (folder / "products.csv").open("ab") as file:
        file.write(b"P-2,Desk,Furniture,Tables,,20.00\n")
    summary = await import_superstore(folder, Purges(), options)
    assert [tally.added for tally in summary.files] == [1, 0, 0, 1]
    assert await Order.all().values_list("total_minor", flat=True) == [4150]


@pytest.mark.parametrize("file", FILES)
async def test_a_missing_column_of_any_header_refuses_everything(
    database: str, tmp_path: Path, file: str
) -> None:
    folder = write(tmp_path / "data")
    lines = (folder / file).read_bytes().split(b"\n", 1)
    (folder / file).write_bytes(lines[0].rsplit(b",", 1)[0] + b"\n" + lines[1])
    with pytest.raises(ImportRefused, match=rf"{file}: the header has no column"):
        await import_superstore(folder, Purges(), Options(rejects=tmp_path / "r.csv"))
    assert not (tmp_path / "r.csv").exists()
    assert await Product.all().count() + await User.all().count() == 0


@pytest.mark.parametrize("file", FILES)
async def test_a_missing_file_refuses_everything(database: str, tmp_path: Path, file: str) -> None:
    folder = write(tmp_path / "data")
    (folder / file).unlink()
    with pytest.raises(ImportRefused, match=rf"{file} cannot be read: No such file"):
        await import_superstore(folder, Purges(), Options(rejects=tmp_path / "r.csv"))
    assert await Product.all().count() + await User.all().count() == 0


async def test_an_order_whose_total_would_be_too_large_keeps_what_fits(
    database: str, tmp_path: Path
) -> None:
    folder = write(tmp_path / "data")
    lines = [b"O-1,%d,P-1,1000000,44999999.99" % number for number in range(1, 4)]
    header = FILES["order_lines.csv"][0]
    (folder / "order_lines.csv").write_bytes(b"\n".join([header, *lines]))
    options = Options(rejects=tmp_path / "r.csv")
    await import_superstore(folder, Purges(), options)
    [(_, line, column, reason, _)] = [
        it for it in rejected(options.rejects) if it[0] == "order_lines.csv"
    ]
    assert (line, column) == (4, "unit_price")
    assert "would pass" in reason
    assert await Order.all().values_list("total_minor", flat=True) == [2 * 4_499_999_999_000_000]
