"""Empty databases: for tests of the migrations themselves."""

import asyncio
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest


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
