"""Fixtures for every test: real servers once a session, a fresh database and key prefix each."""

import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.support.servers import (
    PostgresServer,
    PostgresTemplate,
    SqliteTemplate,
    ValkeyServer,
    valkey,
)


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[ValkeyServer]:
    """The session's Valkey. Do not stop or pause it: `tests.support.servers.valkey` is for that."""
    with valkey() as server:
        yield server


@pytest.fixture(scope="session")
def redis_url(valkey_server: ValkeyServer) -> str:
    """The URL of the session's Valkey."""
    return valkey_server.url


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """A client of the session's Valkey, of bytes."""
    client = Redis.from_url(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
def key_prefix() -> str:
    """A prefix that no other test uses."""
    return f"test-{secrets.token_hex(6)}:"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The session's PostgreSQL 18."""
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> SqliteTemplate:
    """Makes migrated SQLite databases."""
    directory: Path = tmp_path_factory.mktemp("sqlite")
    return SqliteTemplate(directory)


@pytest.fixture(scope="session")
def postgres_template(postgres_server: PostgresServer) -> PostgresTemplate:
    """Makes migrated PostgreSQL databases."""
    return PostgresTemplate(postgres_server)


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh, migrated database: each test runs on SQLite and on PostgreSQL."""
    template: SqliteTemplate | PostgresTemplate
    template = request.getfixturevalue(f"{request.param}_template")
    with template.fresh() as url:
        yield url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[str]:
    """The same, connected; its value is the URL."""
    from models.database import connect, disconnect  # noqa: PLC0415 (as above)

    await connect(database_url)
    yield database_url
    await disconnect()
