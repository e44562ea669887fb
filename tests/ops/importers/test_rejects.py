"""The file of rejected rows."""

import csv
from pathlib import Path

import pytest

from ops.importers.problems import ImportRefused, Problem
from ops.importers.rejects import HEADER, LONGEST_ROW, Rejects


def read(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_without_bad_rows_there_is_no_file(tmp_path: Path) -> None:
    with Rejects(tmp_path / "r.csv"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_row_is_kept_as_it_was_also_where_it_is_no_text(tmp_path: Path) -> None:
    with Rejects(tmp_path / "r.csv") as rejects:
        rejects.add("a.csv", 7, Problem("name", "bad"), b'A-1,"x\nGr\xc3\xb6\xdfe\0,1')
        rejects.add("a.csv", 9, Problem("", "long"), b"x" * 5000)
    header, first, second = read(tmp_path / "r.csv")
    assert header == list(HEADER)
    assert first == ["a.csv", "7", "name", "bad", 'A-1,"x\nGrö\\xdfe\\x00,1']
    assert second[4] == "x" * LONGEST_ROW + "..."


def test_an_earlier_file_is_replaced_or_removed(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    for line in (1, 2):
        with Rejects(path) as rejects:
            rejects.add("a.csv", line, Problem("name", "bad"), b"")
        assert [row[1] for row in read(path)] == ["line", str(line)]
    with Rejects(path):
        pass
    assert not path.exists()


def test_an_earlier_file_stays_when_the_import_does_not_end(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    with Rejects(path) as rejects:
        rejects.add("a.csv", 1, Problem("name", "bad"), b"")
    with pytest.raises(RuntimeError), Rejects(path):
        raise RuntimeError
    assert path.exists()


def test_another_file_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "products.csv"
    path.write_text("sku,name\n")
    with pytest.raises(ImportRefused, match="is no file of rejected rows"):
        Rejects(path)
    assert path.read_text() == "sku,name\n"


@pytest.mark.parametrize("name", ["nowhere/r.csv", "."])
def test_a_place_that_cannot_be_written_is_refused_at_once(tmp_path: Path, name: str) -> None:
    with pytest.raises(ImportRefused, match="--rejects"):
        Rejects(tmp_path / name)
