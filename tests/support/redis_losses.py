"""A `RedisStore` for the contract: how it is opened and closed, and how its server is harmed."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from redis.asyncio import Redis

from cache.stores.redis import RedisStore


@asynccontextmanager
async def opened(
    open_client: Callable[[], Redis], make: Callable[[Redis], RedisStore]
) -> AsyncIterator[Callable[[], RedisStore]]:
    """A function that opens stores, each with a client of its own; all are closed at the end."""
    async with AsyncExitStack() as closing:

        def open_store() -> RedisStore:
            redis = open_client()
            closing.push_async_callback(redis.aclose)
            store = make(redis)
            closing.push_async_callback(store.aclose)
            return store

        yield open_store


class RedisLosses:
    """Harms what a store has under `prefix`, and nothing of the other tests on the same server."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis = redis
        self._prefix = prefix
        self._state = f"{{{prefix}}}:state"
        self._log = f"{{{prefix}}}:log"

    async def lose_log(self) -> None:
        await self._redis.delete(self._log)

    async def lose_everything(self) -> None:
        await self._redis.delete(self._log)
        await self._redis.delete(self._state)
        for tag in ("tag", "other"):
            await self.evict_watermark(tag)

    async def become_another(self) -> None:
        """The epoch was begun by another: a shared server cannot be restarted."""
        await self._redis.hset(self._state, "incarnation", "0" * 40)

    async def trim_log(self, keep: int) -> None:
        await self._redis.xtrim(self._log, maxlen=keep, approximate=False)

    async def evict_watermark(self, tag: str) -> None:
        await self._redis.delete(f"{{{self._prefix}}}:w:{tag}")
