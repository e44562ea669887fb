"""Caches for tests: one that remembers what it was asked, one that stores nothing."""

from typing import Any

import msgspec

from cache import Cache, bypass
from cache.call import Call
from cache.context import current_scope


class Recording(Cache):
    """Remembers every call of a cached function, to load it again without any cache."""

    asked: dict[str, tuple[Call, str]]

    async def get_or_load(self, call: Call) -> Any:
        self.__dict__.setdefault("asked", {})[call.key] = (call, current_scope().viewer)
        return await super().get_or_load(call)

    async def values(self) -> dict[str, bytes]:
        """What each call remembered would return now, from the database."""
        found = {}
        for key, (call, viewer) in list(self.asked.items()):
            with self.activate(viewer), bypass():
                found[key] = msgspec.msgpack.encode(await call.load())
        return found


class Uncached(Cache):
    """Loads always: the truth to compare with."""

    async def get_or_load(self, call: Call) -> Any:
        return await call.load()
