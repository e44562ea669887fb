"""`freshql import superstore` as a user meets it: exit codes, messages, a running server."""

import csv
import os
import signal
import sqlite3
import subprocess
from pathlib import Path

import httpx
import pytest

from ops.importers.report import ExitCode
from tests.support.processes import until
from tests.support.serving import FRESHQL, environment, serving
from tests.support.superstore import facts_of, generate


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("command"), products=30, customers=10, orders=40)


def freshql(directory: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """`freshql import superstore ...` in a folder of its own."""
    return subprocess.run(
        [FRESHQL, "import", "superstore", *arguments],
        cwd=directory,
        env=environment(variables),
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )


def counts(directory: Path) -> tuple[int, ...]:
    with sqlite3.connect(directory / ".freshql" / "store.sqlite3") as database:
        tables = ("products", "users", "orders", "order_lines")
        found = [database.execute(f"SELECT count(*) FROM {it}").fetchone()[0] for it in tables]
    database.close()
    return tuple(found)


def test_into_nothing_then_again(folder: Path, tmp_path: Path) -> None:
    done = freshql(tmp_path, str(folder))
    facts = facts_of(folder)
    rows = (facts.products, facts.customers, facts.orders, facts.lines)
    assert done.returncode == ExitCode.GOOD, done.stderr
    assert f"{sum(rows)} changes" in done.stdout
    assert done.stderr == ""
    assert counts(tmp_path) == rows
    again = freshql(tmp_path, str(folder))
    assert (again.returncode, "\n0 changes" in again.stdout) == (ExitCode.GOOD, True)
    assert not (tmp_path / "superstore-rejects.csv").exists()


def test_rejected_rows_are_counted_and_listed(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "data"
    copy.mkdir()
    for file in folder.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    with (copy / "products.csv").open("a") as products:
        products.write("NEW-1,Chair,Furniture,Chairs,,free\n")
    done = freshql(tmp_path, "data", "--rejects", "bad.csv")
    assert done.returncode == ExitCode.REJECTED
    assert "1 row was rejected; bad.csv says why" in done.stdout
    with (tmp_path / "bad.csv").open(newline="") as rejects:
        [row] = list(csv.DictReader(rejects))
    assert (row["file"], row["line"], row["column"]) == ("products.csv", "32", "price")
    assert row["row"] == "NEW-1,Chair,Furniture,Chairs,,free"


def test_columns_without_a_place_are_named(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "data"
    copy.mkdir()
    for file in folder.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    lines = (copy / "customers.csv").read_text().splitlines()
    text = "\n".join([f"{lines[0]},colour", *(f"{line},red" for line in lines[1:])])
    (copy / "customers.csv").write_text(text)
    done = freshql(tmp_path, "data")
    assert done.returncode == ExitCode.GOOD
    assert "customers.csv: ignored the columns colour" in done.stdout


def test_a_folder_that_is_none_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    done = freshql(tmp_path, "nowhere")
    assert done.returncode == ExitCode.REFUSED
    assert done.stderr.startswith("error: nowhere/products.csv cannot be read")
    assert list(tmp_path.iterdir()) == []


def test_a_setting_that_is_wrong_is_refused(folder: Path, tmp_path: Path) -> None:
    done = freshql(tmp_path, str(folder), DATABASE_URL="mysql://x")
    assert done.returncode == ExitCode.REFUSED
    assert "DATABASE_URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_mistake_of_ours_does_not_look_like_rejected_rows(folder: Path, tmp_path: Path) -> None:
    assert freshql(tmp_path, str(folder)).returncode == ExitCode.GOOD
    with sqlite3.connect(tmp_path / ".freshql" / "store.sqlite3") as database:
        database.execute("ALTER TABLE products RENAME COLUMN name_key TO key_of_name")
    database.close()
    products = (folder / "products.csv").read_text()
    copy = tmp_path / "data"
    copy.mkdir()
    for file in folder.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    (copy / "products.csv").write_text(products + "NEW-1,Chair,Furniture,Chairs,,1.00\n")
    done = freshql(tmp_path, "data")
    assert done.returncode == ExitCode.REFUSED
    assert "name_key" in done.stderr


def test_a_redis_that_is_not_there_is_refused(folder: Path, tmp_path: Path) -> None:
    done = freshql(tmp_path, str(folder), REDIS_URL=f"unix://{tmp_path}/none.sock")
    assert done.returncode == ExitCode.REFUSED
    assert "Redis does not answer" in done.stderr
    assert counts(tmp_path) == (0, 0, 0, 0)


def test_ctrl_c_keeps_what_landed_and_the_next_run_goes_on(tmp_path: Path) -> None:
    folder = generate(tmp_path / "data", products=400, customers=50, orders=2000)
    process = subprocess.Popen(
        [FRESHQL, "import", "superstore", "data", "--batch-rows", "20"],
        cwd=tmp_path,
        env=environment({}),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        database = tmp_path / ".freshql" / "store.sqlite3"
        until(lambda: database.exists() and some_landed(database))
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED, errors
    assert errors == "Interrupted. What landed stays: run the same command again to go on.\n"
    facts = facts_of(folder)
    assert counts(tmp_path)[0] > 0
    assert counts(tmp_path)[3] < facts.lines
    assert freshql(tmp_path, "data").returncode == ExitCode.GOOD
    assert counts(tmp_path) == (facts.products, facts.customers, facts.orders, facts.lines)


def some_landed(database: Path) -> bool:
    connection = sqlite3.connect(database)
    try:
        return bool(connection.execute("SELECT count(*) FROM products").fetchone()[0])
    except sqlite3.OperationalError:
        return False  # not migrated yet
    finally:
        connection.close()


_QUERY = """
query ($sku: String!) {
  product(sku: $sku) { name price { amount } stats { unitsSold } brand { name } }
  products(first: 100, orderBy: BEST_SELLING) { totalCount edges { node { sku } } }
  category(slug: "furniture") { name products { totalCount } }
}
"""


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_running_server_answers_with_what_was_imported(
    folder: Path, tmp_path: Path, workers: str
) -> None:
    """With the embedded Valkey, which the command finds through the data directory."""
    with serving(tmp_path, WORKERS=workers) as server:

        def asked() -> list[dict[str, object]]:
            answers = []
            for _ in range(6):  # each on a connection of its own: on any worker
                body = {"query": _QUERY, "variables": {"sku": "OFF-00000003"}}
                response = httpx.post(f"{server.url}/graphql", json=body, timeout=30)
                answer = response.raise_for_status().json()
                assert "errors" not in answer, answer
                answers.append(answer["data"])
            return answers

        before = asked()
        assert all(it["product"] is None for it in before)
        done = freshql(tmp_path, str(folder))
        assert done.returncode == ExitCode.GOOD, done.stderr
        sample = before[0]["products"]["totalCount"]
        for answer in asked():
            assert answer["product"]["name"]
            assert answer["products"]["totalCount"] == sample + 30
            assert answer["category"]["products"]["totalCount"] > 0
