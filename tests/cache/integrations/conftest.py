"""An outbox on each database with each driver."""

from collections.abc import AsyncIterator

import pytest

from tests.support.outboxes import DRIVERS, Driver


@pytest.fixture(params=["tortoise", "sqlalchemy"])
async def driver(request: pytest.FixtureRequest, database_url: str) -> AsyncIterator[Driver]:
    """Four of them: Tortoise and SQLAlchemy, on SQLite and PostgreSQL."""
    opened = DRIVERS[request.param](database_url)
    await opened.open()
    yield opened
    await opened.close()
