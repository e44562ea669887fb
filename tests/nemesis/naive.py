"""Caches as they are usually built, in place of the engine: the controls of the whole design.

Both look up, load and store; they differ in how they find what a write has to remove.
"""

from collections.abc import Iterable
from typing import Any, cast

from redis.asyncio import Redis

from cache import Cache, Store
from cache.call import Call
from cache.codec import encode_value

LIFE = 600


class CacheAside(Cache):
    """What is read is kept under the thing that it is about; who changes the thing deletes that."""

    def __init__(self, store: Store, *, redis: Redis, prefix: str, **options: Any) -> None:
        super().__init__(store, **options)
        self._redis, self._prefix = redis, prefix

    async def get_or_load(self, call: Call) -> Any:
        found = await self._get(call)
        if found is None:
            found = encode_value(await call.load(), call.policy.grain)
            await self._put(call, found)
        return call.declared.decode(found)

    async def invalidate(self, tags: Iterable[str]) -> None:
        await self._redis.delete(*(f"{self._prefix}naive:{tag}" for tag in tags))

    async def publish(self, identifier: str, tags: Iterable[str]) -> None:
        await self.invalidate(tags)

    async def _get(self, call: Call) -> bytes | None:
        found: Any = await self._redis.hget(self._thing(call), call.key)
        return cast("bytes | None", found)

    async def _put(self, call: Call, value: bytes) -> None:
        await self._redis.hset(self._thing(call), call.key, value)
        await self._redis.expire(self._thing(call), LIFE)

    def _thing(self, call: Call) -> str:
        return f"{self._prefix}naive:{next(iter(call.tags()), 'none')}"


class TagSets(CacheAside):
    """A key for each entry, and for each tag a set of the keys that are to go with it."""

    async def invalidate(self, tags: Iterable[str]) -> None:
        for tag in tags:
            keys = await self._redis.smembers(self._tag(tag))
            await self._redis.delete(self._tag(tag), *keys)

    async def _get(self, call: Call) -> bytes | None:
        found: Any = await self._redis.get(self._entry(call))
        return cast("bytes | None", found)

    async def _put(self, call: Call, value: bytes) -> None:
        await self._redis.set(self._entry(call), value, ex=LIFE)
        for tag in call.tags():
            await self._redis.sadd(self._tag(tag), self._entry(call))
            await self._redis.expire(self._tag(tag), LIFE)

    def _entry(self, call: Call) -> str:
        return f"{self._prefix}naive:{call.key}"

    def _tag(self, tag: str) -> str:
        return f"{self._prefix}naive-tag:{tag}"
