"""The seeded store for tests of the resolvers."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from tests.support.store import Store


@pytest.fixture
async def store(database: str, redis: Redis, key_prefix: str) -> AsyncIterator[Store]:
    """A seeded store on each database, with two workers."""
    made = Store(redis, key_prefix)
    await made.seed()
    yield made
    await made.close()
