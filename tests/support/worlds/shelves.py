"""A thing that is on one shelf at a time, and a cached list of each shelf."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from cache import CachePolicy, CacheScope, cached

if TYPE_CHECKING:
    from tests.support.world import Worker, World

_LISTED = CachePolicy(ttl=600, scope=CacheScope.PUBLIC)


class Shelf:
    """Where the thing is. With W3 whoever moves it locks it before it reads where it was."""

    def __init__(self, world: World, place: str) -> None:
        self.place = place
        self.is_locked = "W3_LOCK" not in world.broken
        self._world = world
        self._lock = asyncio.Lock()
        self._listings: dict[str, Any] = {}

    def listing(self, place: str) -> Any:
        """The cached list of a shelf: whether the thing is there."""
        if place not in self._listings:
            self._listings[place] = self._declare(place)
        return self._listings[place]

    def _declare(self, place: str) -> Any:
        async def listing(row: int) -> bool:
            return self.place == place

        listing.__qualname__ += place
        return cached(_LISTED, tags=lambda row: [f"shelf:{place}"])(listing)

    @asynccontextmanager
    async def lock(self) -> AsyncIterator[None]:
        """`SELECT ... FOR UPDATE`, until the transaction ends; without W3 nothing."""
        if not self.is_locked:
            yield
            return
        async with self._lock:
            yield

    async def move(self, old: str, new: str, *, at: Worker) -> None:
        """Commit, and purge the lists of both shelves."""
        self.place = new
        tags = [f"shelf:{old}", f"shelf:{new}"]
        identifier = await self._world.outbox.add(tags)
        await at.cache.publish(identifier, tags)
