"""Migrations: repeatable, safe at once, complete, and equal to the tables in the code."""

import subprocess
import sys
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import pytest
from tortoise.context import TortoiseContext
from tortoise.exceptions import OperationalError
from tortoise.migrations import operations as ops
from tortoise.migrations.autodetector import MigrationAutodetector
from tortoise.migrations.executor import MigrationExecutor, MigrationTarget
from tortoise.migrations.recorder import MigrationRecorder

from models import migrations
from models.database import (
    DatabaseUnavailable,
    connect,
    database_id,
    disconnect,
    migrate,
    tortoise_config,
)
from models.tables import Direction, Leaderboard, Operator, Product, Score

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)

MIGRATE = (
    "import asyncio, sys; from models.database import migrate; asyncio.run(migrate(sys.argv[1]))"
)


async def identity(url: str) -> str:
    await connect(url)
    try:
        return await database_id()
    finally:
        await disconnect()


async def test_migrating_makes_an_identity_and_repeating_it_keeps_it(empty_url):
    await migrate(empty_url)
    first = await identity(empty_url)
    assert len(bytes.fromhex(first)) == 16
    await migrate(empty_url)
    assert await identity(empty_url) == first


async def test_processes_that_migrate_at_once_take_turns(empty_url):
    command = [sys.executable, "-c", MIGRATE, empty_url]
    started = [
        subprocess.Popen(command, stderr=subprocess.PIPE, text=True)  # noqa: ASYNC220 (tiny)
        for _ in range(4)
    ]
    for process in started:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
    assert await identity(empty_url)


async def test_two_databases_have_two_identities(empty_url, tmp_path):
    other = f"sqlite://{tmp_path / 'other.db'}"
    await migrate(empty_url)
    await migrate(other)
    assert await identity(empty_url) != await identity(other)


async def test_a_migration_that_fails_leaves_nothing_and_can_be_repeated(empty_url, monkeypatch):
    record = MigrationRecorder.record_applied

    async def fail_at_the_second(recorder: MigrationRecorder, app: str, name: str) -> None:
        if name.startswith("0002"):
            raise InterruptedError("stopped here")
        await record(recorder, app, name)

    with monkeypatch.context() as patched:
        patched.setattr(MigrationRecorder, "record_applied", fail_at_the_second)
        with pytest.raises(DatabaseUnavailable, match="stopped here"):
            await migrate(empty_url)
    with pytest.raises(OperationalError, match="store_identity"):
        await identity(empty_url)
    await migrate(empty_url)
    assert await identity(empty_url)


async def test_migrating_leaves_an_open_connection_alone(database):
    before = await database_id()
    await migrate(database)
    assert await database_id() == before


@pytest.fixture
async def detector(tmp_path):
    config = tortoise_config(f"sqlite://{tmp_path / 'none.db'}")
    async with TortoiseContext() as context:
        await context.init(config=config, init_connections=False)
        yield MigrationAutodetector(context.apps, config["apps"])


async def test_the_tables_in_the_code_have_no_change_without_a_migration(detector):
    assert await detector.changes() == []


async def test_a_changed_table_would_be_noticed(detector, monkeypatch):
    monkeypatch.setattr(Product._meta.fields_map["sku"], "max_length", 65)
    assert [type(change).__name__ for change in await detector.changes()] != []


def test_columns_that_come_later_fit_rows_that_are_there():
    """A column that must have a value cannot be added to a table with rows."""
    for path in Path(migrations.__path__[0]).glob("0*.py"):
        module = import_module(f"{migrations.__name__}.{path.stem}")
        added = [it for it in module.Migration.operations if isinstance(it, ops.AddField)]
        fits = (it.field.null or it.field.has_db_default() for it in added)
        assert all(fits), path.name


@pytest.fixture
async def board_of_0005(empty_url, monkeypatch):
    """A database as of migration 0005, with a score on a board."""
    whole = MigrationExecutor.migrate

    async def until_0005(executor: MigrationExecutor, **options):
        await whole(executor, [MigrationTarget("models", "0005_dead_letters")], **options)

    with monkeypatch.context() as patched:
        patched.setattr(MigrationExecutor, "migrate", until_0005)
        await migrate(empty_url)
    await connect(empty_url)
    board = await Leaderboard.create(
        slug="b", name="B", operator=Operator.SET, order=Direction.DESC, version=7,
        created_at=LONG_AGO,
    )  # fmt: skip
    await Score.create(
        leaderboard=board, player="ada", score=5, sequence=7, version=7, achieved_at=LONG_AGO
    )
    await disconnect()
    return empty_url


async def test_scores_outlive_the_column_that_is_dropped_beside_them(board_of_0005):
    """On SQLite a table that is built anew takes with it what refers to it."""
    await migrate(board_of_0005)
    await connect(board_of_0005)
    try:
        assert await Score.all().values_list("player", "score") == [("ada", 5)]
        assert (await Leaderboard.get(slug="b")).version == 7
    finally:
        await disconnect()
