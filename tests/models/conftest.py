"""Databases for tests of the migrations, and of what only one database does."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from models.database import connect, disconnect
from tests.support.servers import SqliteTemplate


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without a table."""
    if request.param == "sqlite":
        yield f"sqlite://{tmp_path / 'empty.db'}"
        return
    server = request.getfixturevalue("postgres_server")
    name = f"empty_{secrets.token_hex(4)}"
    asyncio.run(server.execute(f"CREATE DATABASE {name}"))
    yield server.url(name)
    asyncio.run(server.execute(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
async def sqlite_database(sqlite_template: SqliteTemplate) -> AsyncIterator[str]:
    """A fresh, migrated SQLite database, connected: for what only SQLite does."""
    with sqlite_template.fresh() as url:
        await connect(url)
        yield url
        await disconnect()
