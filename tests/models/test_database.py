"""Transactions, counts of conditional updates, and a database that is away."""

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
from tortoise.exceptions import IntegrityError, OperationalError
from tortoise.expressions import F

from models.database import (
    DatabaseUnavailable,
    connect,
    disconnect,
    is_unavailable,
    locked,
    migrate,
    transaction,
)
from models.tables import Brand, Product, ProductStats, User
from models.text import folded
from tests.support.servers import PostgresServer, free_port

NOW = datetime(2026, 9, 1, 12, 30, tzinfo=UTC)


async def a_product(sku: str, stock: int = 1) -> Product:
    return await Product.create(
        sku=sku,
        name=sku,
        name_key=folded(sku),
        price_minor=100,
        stock=stock,
        created_at=NOW,
        updated_at=NOW,
    )


async def test_a_conditional_update_tells_whether_it_changed_a_row(database):
    product = await a_product("A", stock=1)
    taking = Product.filter(id=product.id, stock__gte=1)
    assert await taking.update(stock=F("stock") - 1) == 1
    assert await taking.update(stock=F("stock") - 1) == 0
    async with transaction():
        assert await Product.filter(id=product.id).update(stock=5) == 1
        assert await Product.filter(id=product.id, stock=4).update(stock=6) == 0
        assert await Product.filter(id=-1).delete() == 0
        assert await Product.filter(id=product.id).delete() == 1


async def test_the_last_piece_is_sold_once(database):
    product = await a_product("A", stock=3)

    async def take() -> int:
        async with transaction():
            available = await locked(Product.filter(id=product.id)).get()
            if not available.stock:
                return 0
            return await Product.filter(id=product.id).update(stock=available.stock - 1)

    assert sum(await asyncio.gather(*(take() for _ in range(8)))) == 3
    assert (await Product.get(id=product.id)).stock == 0


async def _create_twice(slug: str) -> None:
    async with transaction():
        await Brand.create(slug=slug, name="One")
        await Brand.create(slug=slug, name="Again")


async def test_a_failed_transaction_leaves_nothing(database):
    with pytest.raises(IntegrityError):
        await _create_twice("one")
    assert await Brand.all().count() == 0
    async with transaction():
        await Brand.create(slug="one", name="One")
    assert await Brand.all().count() == 1


async def _create_in_transaction(slug: str) -> None:
    async with transaction():
        await Brand.create(slug=slug, name=slug)


async def test_a_nested_transaction_is_a_savepoint(database):
    async with transaction():
        await Brand.create(slug="kept", name="Kept")
        with pytest.raises(IntegrityError):
            await _create_in_transaction("kept")
        await Brand.create(slug="after", name="After")
    assert await Brand.all().order_by("slug").values_list("slug", flat=True) == ["after", "kept"]


async def test_a_cancelled_transaction_gives_everything_back(database):
    entered = asyncio.Event()

    async def hang() -> None:
        async with transaction():
            await Brand.create(slug="hung", name="Hung")
            entered.set()
            await asyncio.Event().wait()

    for _ in range(12):  # more than the pool has connections
        entered.clear()
        task = asyncio.create_task(hang())
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    async with asyncio.timeout(5), transaction():
        await Brand.create(slug="hung", name="Hung")
    assert await Brand.all().count() == 1


async def test_transactions_cancelled_while_they_wait_give_everything_back(database):
    held, release = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with transaction():
            await Brand.create(slug="first", name="First")
            held.set()
            await release.wait()

    async def wait() -> None:
        async with transaction():
            await Brand.create(slug="first", name="Other")

    holding = asyncio.create_task(hold())
    await held.wait()
    waiting = [asyncio.create_task(wait()) for _ in range(12)]
    _, pending = await asyncio.wait(waiting, timeout=0.1)
    assert len(pending) == 12
    for task in waiting:
        task.cancel()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results)
    release.set()
    await holding
    async with asyncio.timeout(5), transaction():
        await Brand.create(slug="second", name="Second")
    assert await Brand.all().count() == 2


async def test_a_reader_sees_the_last_commit_and_does_not_wait_for_a_writer(database):
    written, seen = asyncio.Event(), asyncio.Event()

    async def write() -> None:
        async with transaction():
            await Brand.create(slug="one", name="One")
            assert await Brand.all().count() == 1
            written.set()
            await seen.wait()

    task = asyncio.create_task(write())
    await written.wait()
    async with asyncio.timeout(5):
        assert await Brand.all().count() == 0
    seen.set()
    await task
    assert await Brand.all().count() == 1


@pytest.mark.parametrize("name", ["Zoë\u0301 'quoted' \"x\" \\ %", "日本語 🏪", "a;b -- c"])
async def test_text_comes_back_as_it_was(database, name):
    await Brand.create(slug="x", name=name)
    assert await Brand.filter(name=name).values_list("name", flat=True) == [name]


async def test_times_come_back_aware_in_utc_to_the_microsecond(database):
    east = timezone(timedelta(hours=9))
    placed = datetime(2026, 9, 1, 21, 30, 0, 123456, tzinfo=east)
    user = await User.create(name="Someone", created_at=placed.astimezone(UTC))
    [found] = await User.filter(id=user.id).values_list("created_at", flat=True)
    assert found == placed
    assert found.utcoffset() == timedelta(0)


INCREMENT = """
import asyncio, sys
from tortoise.expressions import F
from models.database import connect, disconnect, locked, transaction
from models.tables import Product

async def main():
    await connect(sys.argv[1])
    for _ in range(50):
        async with transaction():
            # Reads first: the case in which SQLite's deferred transactions fail at once.
            product = await locked(Product.filter(sku="A")).get()
            await Product.filter(id=product.id).update(stock=product.stock + 1)
    await disconnect()

asyncio.run(main())
"""


async def test_processes_that_read_and_write_lose_no_update(database):
    await a_product("A", stock=0)
    command = [sys.executable, "-c", INCREMENT, database]
    started = [
        subprocess.Popen(command, stderr=subprocess.PIPE, text=True)  # noqa: ASYNC220 (tiny)
        for _ in range(3)
    ]
    for process in started:
        _, said = await asyncio.to_thread(process.communicate, timeout=60)
        assert process.returncode == 0, said
    assert (await Product.get(sku="A")).stock == 150


async def test_sqlite_waits_for_another_writer_then_says_that_it_is_locked(tmp_path, monkeypatch):
    monkeypatch.setattr("models.url.BUSY_TIMEOUT_MS", 50)
    url = f"sqlite://{tmp_path / 'store.db'}"
    await migrate(url)
    await connect(url)
    holder = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    try:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(OperationalError) as refused:
            async with transaction():
                pass
        assert is_unavailable(refused.value)
        assert await Brand.all().count() == 0
        holder.execute("COMMIT")
        async with transaction():
            await Brand.create(slug="one", name="One")
    finally:
        holder.close()
        await disconnect()


@pytest.mark.parametrize("call", [connect, migrate])
async def test_a_database_that_is_not_there_is_named(call, tmp_path):
    port = free_port()
    with pytest.raises(
        DatabaseUnavailable, match=rf"127\.0\.0\.1:{port}/.*DATABASE_URL"
    ) as refused:
        await call(f"postgres://me:s3cret@127.0.0.1:{port}/store")
    assert "s3cret" not in str(refused.value)
    with pytest.raises(DatabaseUnavailable, match=r"folder .* does not exist"):
        await call(f"sqlite://{tmp_path / 'missing' / 'store.db'}")


async def test_a_wrong_password_and_a_missing_database_are_named(postgres_server):
    right = postgres_server.url("postgres")
    with pytest.raises(DatabaseUnavailable, match="password authentication failed"):
        await connect(right.replace(postgres_server.password, "wrong"))
    with pytest.raises(DatabaseUnavailable, match="connection to database missing"):
        await connect(postgres_server.url("missing"))


async def test_a_file_that_is_no_database_is_named(tmp_path):
    (tmp_path / "notes.db").write_text("These are notes, and no database. " * 100)
    with pytest.raises(DatabaseUnavailable, match="not a database"):
        await connect(f"sqlite://{tmp_path / 'notes.db'}")


async def test_a_wrong_query_does_not_mean_that_the_database_is_away(database):
    await Brand.create(slug="one", name="One")
    with pytest.raises(IntegrityError) as wrong:
        await Brand.create(slug="one", name="One")
    assert not is_unavailable(wrong.value)
    with pytest.raises(OperationalError) as wrong:
        await Brand.raw("SELECT nothing FROM nowhere")
    assert not is_unavailable(wrong.value)


@pytest.fixture
def mortal_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL that a test may stop."""
    with PostgresServer() as server:
        yield server


async def _count_in_transaction() -> int:
    async with transaction():
        return await Brand.all().count()


async def test_a_postgres_that_goes_away_is_unavailable(mortal_postgres):
    url = mortal_postgres.url("postgres")
    await migrate(url)
    await connect(url)
    try:
        assert await _count_in_transaction() == 0
        await asyncio.to_thread(mortal_postgres.stop)
        for _ in range(3):
            for question in (Brand.all().count(), _count_in_transaction()):
                [gone] = await asyncio.gather(question, return_exceptions=True)
                assert isinstance(gone, Exception)
                assert is_unavailable(gone), repr(gone)
    finally:
        await disconnect()


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_lock_does_not_wait_for_foreign_keys_checks(database: str) -> None:
    """An INSERT of a row that refers to a product holds a shared lock of it until it commits. FOR
    UPDATE waits for that, so an order and an import could wait for each other."""
    product = await a_product("P-1")
    inserted, done = asyncio.Event(), asyncio.Event()

    async def insert() -> None:
        async with transaction():
            await ProductStats.create(product=product, views=1)
            inserted.set()
            await done.wait()

    inserting = asyncio.create_task(insert())
    await inserted.wait()
    try:
        async with asyncio.timeout(5), transaction():
            assert (await locked(Product.filter(id=product.id)).get()).sku == "P-1"
    finally:
        done.set()
        await inserting


REFUSALS = (
    "08006", "25006", "25P03", "25P04", "40001", "40P01", "53300", "55P03", "57P01", "58030",
)  # fmt: skip


@pytest.mark.parametrize("state", REFUSALS)
def test_refusals_of_the_server_mean_that_it_is_unavailable(state: str) -> None:
    error = RuntimeError("refused")
    error.sqlstate = state  # type: ignore[attr-defined]  # as asyncpg's errors have it
    wrong = RuntimeError("no such column")
    wrong.sqlstate = "42703"  # type: ignore[attr-defined]

    assert is_unavailable(error)
    assert not is_unavailable(wrong)


def test_what_an_error_is_not_about_says_nothing() -> None:
    """A load that fails for its own reason after the network did is not a database that is away."""
    own = ValueError("a mistake of its own")
    own.__context__ = ConnectionRefusedError()
    assert is_unavailable(own)
    own.__suppress_context__ = True
    assert not is_unavailable(own)
