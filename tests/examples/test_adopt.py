"""An application of somebody else's adopts the engine in under 15 lines, and nothing else changes.

Processes of `examples/adopt` run in a virtualenv with the wheel, on a database and a Valkey.
"""

import difflib
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.library import EXAMPLE, Library, Process
from tests.support.servers import ValkeyServer, valkey

BEFORE, AFTER = EXAMPLE / "before.py", EXAMPLE / "after.py"
DELTA = 1.0

BOOKS = "{ books { id title available author { name } } }"
BOOK = "{ book(bookId: 1) { title available author { name } } }"
MINE = "{ myLoans { title } }"
RENAME = 'mutation { renameBook(bookId: 1, title: "Northanger Abbey") { title available } }'
BORROW = "mutation { borrow(bookId: 1) { title available } }"


def changed_lines() -> list[str]:
    """What adopting takes: lines of `after.py` that are not in `before.py`."""
    before, after = (path.read_text().splitlines() for path in (BEFORE, AFTER))
    lines = [line for line in difflib.ndiff(before, after) if line[:2] in ("+ ", "- ")]
    removed = [line for line in lines if line.startswith("- ")]
    added = [line[2:] for line in lines if line.startswith("+ ") and line[2:].strip()]
    assert len(removed) < len(added), "lines went that are not replaced"
    return added


@pytest.fixture
def server() -> Iterator[ValkeyServer]:
    """A Valkey for one database: the example's prefix is always the same."""
    with valkey() as one:
        yield one


@pytest.fixture
def before(library_python: Path, tmp_path: Path, server: ValkeyServer) -> Library:
    """The library without the cache."""
    return Library(library_python, BEFORE, tmp_path, server.url)


@pytest.fixture
def after(library_python: Path, tmp_path: Path, server: ValkeyServer) -> Library:
    """The library with the cache."""
    return Library(library_python, AFTER, tmp_path, server.url)


def without(library: Library, what: str, instead: str) -> None:
    """Switch a mechanism off: change the source of the application that is run."""
    source = library.module.read_text()
    changed = re.sub(what, instead, source)
    assert changed != source, f"{what!r} is not there any more: this control holds nothing"
    library.module = library.file.with_name("changed.py")
    library.module.write_text(changed)


def sees(process: Process, title: str, patience: float) -> float | None:
    """The seconds after which a process shows this title of book 1; None if it does not."""
    began = time.monotonic()
    while (took := time.monotonic() - began) < patience:
        if process.ask(BOOK).data["book"]["title"] == title:
            return took
    return None


def test_it_takes_under_15_lines() -> None:
    lines = changed_lines()
    assert 0 < len(lines) < 15, lines


def test_every_answer_is_the_same(before: Library, after: Library) -> None:
    operations = [
        ("", BOOKS), ("", BOOKS), ("ann", MINE), ("bob", MINE), ("", RENAME), ("", BOOK),
        ("bob", BORROW), ("bob", MINE), ("ann", MINE), ("", BOOKS),
        ("", "{ book(bookId: 9) { id } }"),
    ]  # fmt: skip
    answers: list[list[dict[str, object]]] = []
    for library in (before, after):
        with library.process() as process:
            answers.append([process.ask(query, reader=reader).data for reader, query in operations])
    assert answers[0] == answers[1]
    assert answers[0][0]["books"][0]["author"] == {"name": "Jane Austen"}  # type: ignore[index]


def test_the_second_time_no_sql_is_run(before: Library, after: Library) -> None:
    counts = []
    for library in (before, after):
        with library.process() as process:
            asked = [process.ask(query, reader="ann") for query in (BOOKS, MINE) * 2]
            counts.append([len(answer.sql) for answer in asked])
    assert counts[0] == [7, 2, 7, 2], "the application asks the database as it did"
    assert counts[1] == [6, 1, 0, 0], "one author is shared, and a book of the list"


def test_a_write_is_seen_at_once_by_its_client_and_the_rest_stays(after: Library) -> None:
    with after.process() as process:
        for query in (BOOKS, MINE):
            process.ask(query, reader="ann")
        wrote = process.ask(RENAME)
        assert wrote.data["renameBook"] == {"title": "Northanger Abbey", "available": 1}
        assert wrote.headers["set-cookie"].startswith("freshql-position-")
        read = process.ask(BOOKS)
        titles = [book["title"] for book in read.data["books"]]
        assert titles == ["Frankenstein", "Northanger Abbey", "Persuasion"]
        assert len(read.sql) == 1, "the list was purged, the other books and their authors not"
    assert after.outbox() == ['["book:1","books"]']


def test_who_reads_is_told_apart(after: Library) -> None:
    with after.process() as process:
        for reader, mine in {"ann": [{"title": "Emma"}], "bob": []}.items():
            for _ in range(2):
                assert process.ask(MINE, reader=reader).data["myLoans"] == mine


def test_another_process_sees_a_write_within_the_bound_and_with_its_token_at_once(
    after: Library,
) -> None:
    with after.process() as one, after.process() as other:
        other.ask(BOOK)
        wrote = one.ask(RENAME)
        read = other.ask(BOOK, token=wrote.token)
        assert read.data["book"]["title"] == "Northanger Abbey"
        other.ask(BOOK)
        one.ask(RENAME.replace("Northanger Abbey", "Sanditon"))
        assert sees(other, "Sanditon", DELTA) is not None


def test_without_the_purge_the_other_process_goes_on_with_the_old_title(after: Library) -> None:
    without(after, r"writing\(cache, sessions, .*\) as", "sessions.begin() as")
    with after.process() as one, after.process() as other:
        other.ask(BOOK)
        one.ask(RENAME)
        assert sees(other, "Northanger Abbey", DELTA) is None


def write_and_crash(library: Library, server: ValkeyServer) -> float | None:
    """Seconds until one process sees what another wrote that ended before it could purge."""
    with library.process() as one, library.process() as other:
        other.ask(BOOK)
        server.pause()
        assert one.ask(RENAME).data["renameBook"]["title"] == "Northanger Abbey"
        one.kill()
        server.resume()
        return sees(other, "Northanger Abbey", 3 * DELTA)


def test_a_process_that_dies_takes_no_purge_along(after: Library, server: ValkeyServer) -> None:
    assert write_and_crash(after, server) is not None


def test_without_an_outbox_it_does(after: Library, server: ValkeyServer) -> None:
    without(after, ", outbox=outbox", "")
    assert write_and_crash(after, server) is None
