"""Workers on the session's Valkey and on both databases."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from cache.integrations.tortoise_progress import TortoiseProgress
from tests.support.write_behind import Worker, a_worker, add_products

PRODUCTS = 20

MakeWorker = Callable[..., Any]


@pytest.fixture
async def products(database: str) -> int:
    """How many products there are: 1 to this number."""
    await add_products(PRODUCTS)
    return PRODUCTS


@pytest.fixture
async def worker(
    products: int, redis_url: str, key_prefix: str
) -> AsyncIterator[Callable[..., Any]]:
    """Makes workers of one deployment: `await worker(progress, **settings)`."""
    async with AsyncExitStack() as stack:

        async def make(progress: TortoiseProgress | None = None, **settings: Any) -> Worker:
            return await stack.enter_async_context(
                a_worker(redis_url, key_prefix, progress, **settings)
            )

        yield make
