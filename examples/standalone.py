"""The engine on its own: a cached function, a purge, and what each call costs.

    python -m examples.standalone

Starts a Valkey of its own; any Redis from 7.0 on does.
"""

import asyncio
import tempfile
from pathlib import Path

import msgspec

from cache import Cache, CachePolicy, CacheScope, RedisStore, cached
from ops.embedded import ValkeyServer

PRICES = {"tea": 350, "coffee": 420}  # the database of this example


class Price(msgspec.Struct, frozen=True):
    """What a product costs, in cents."""

    product: str
    cents: int


@cached(
    CachePolicy(ttl=300, negative_ttl=60, scope=CacheScope.PUBLIC),
    tags=lambda product: [f"price:{product}"],
)
async def price(product: str) -> Price | None:
    """Read one price. Without the cache this would be a query."""
    print(f"  (loads {product})")
    cents = PRICES.get(product)
    return None if cents is None else Price(product, cents)


async def show(cache: Cache) -> None:
    """Read, read again, write, read."""
    with cache.activate("anonymous"):
        print("first:", await price("tea"))
        print("again:", await price("tea"))
        PRICES["tea"] = 375
        await cache.invalidate(["price:tea"])  # after the commit, before the answer
        print("after the write:", await price("tea"))


async def main(url: str) -> None:
    """Wire the parts: a store, a cache that follows its log."""
    async with Cache(RedisStore.open(url, "example")) as cache:
        await show(cache)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory, ValkeyServer(Path(directory)) as server:
        asyncio.run(main(server.url))
