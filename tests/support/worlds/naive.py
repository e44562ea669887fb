"""A deliberately naive cache: get, load, set; a set of keys for each tag, deleted on purge.

The design of most caches, and the control of the races: what it wins too would show nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cache import Cache
from cache.call import Call
from tests.support.world import World, engine

if TYPE_CHECKING:
    from tests.support.worlds.link import Link


@dataclass
class Shared:
    """Its store, with single flight over all workers."""

    stored: dict[str, tuple[Any, float]] = field(default_factory=dict)
    """Values, and until when they are fresh."""
    tags: dict[str, set[str]] = field(default_factory=dict)
    flights: dict[str, asyncio.Task[Any]] = field(default_factory=dict)


class NaiveCache(Cache):
    """Ignores logs, positions, tokens and transactions."""

    world: World
    link: Link
    shared: Shared
    memory: dict[str, tuple[Any, float]]
    """What this worker keeps for itself; own purges reach it, and no other's."""
    has_memory = False

    async def get_or_load(self, call: Call) -> Any:
        if call.key in self.memory and self.world.clock.now() < self.memory[call.key][1]:
            return self.memory[call.key][0]
        if self.link.is_cut:
            return await call.load()
        self.link.answered.update(("get", "look"))
        value = await self._from_store(call)
        if self.has_memory and call.key in self.shared.stored:
            self.memory[call.key] = self.shared.stored[call.key]
        return value

    async def _from_store(self, call: Call) -> Any:
        found = self.shared.stored.get(call.key)
        now = self.world.clock.now()
        if found is None or now >= found[1] + call.policy.stale_while_revalidate:
            return await self._load_or_wait(call, found)
        if now >= found[1] or (call.policy.early and self.world.chance > 0.5):
            self._flight(call)
        return found[0]

    async def _load_or_wait(self, call: Call, found: tuple[Any, float] | None) -> Any:
        flight = self._flight(call)
        patience = call.policy.load_timeout
        if found is not None and patience is not None:
            limit = asyncio.ensure_future(self.world.clock.sleep(patience))
            await asyncio.wait({flight, limit}, return_when=asyncio.FIRST_COMPLETED)
            limit.cancel()
            if not flight.done():
                return found[0]
        return await asyncio.shield(flight)

    def _flight(self, call: Call) -> asyncio.Task[Any]:
        if call.key not in self.shared.flights:
            loop = asyncio.get_running_loop()
            self.shared.flights[call.key] = loop.create_task(self._load(call))
        return self.shared.flights[call.key]

    async def _load(self, call: Call) -> Any:
        try:
            value = await call.load()
        finally:
            del self.shared.flights[call.key]
        self.shared.stored[call.key] = (value, self.world.clock.now() + call.policy.ttl)
        for tag in call.tags():
            self.shared.tags.setdefault(tag, set()).add(call.key)
        return value

    async def invalidate(self, tags: Iterable[str]) -> None:
        for tag in () if self.link.is_cut else tags:
            for key in self.shared.tags.pop(tag, set()):
                self.shared.stored.pop(key, None)
                self.memory.pop(key, None)

    async def publish(self, identifier: str, tags: Iterable[str]) -> None:
        await self.invalidate(tags)

    async def close(self) -> None:
        await asyncio.gather(*self.shared.flights.values(), return_exceptions=True)
        await super().close()


def naive(world: World, link: Link) -> NaiveCache:
    """A worker's naive cache, in place of `tests.support.world.engine`."""
    made = engine(world, link)
    cache = NaiveCache(link, outbox=world.outbox, clock=world.clock, settings=made.settings)
    cache.world, cache.link, cache.memory = world, link, {}
    cache.shared = world.shared.setdefault("naive", Shared())
    return cache


def naive_with_memory(world: World, link: Link) -> NaiveCache:
    """The same, with a memory of each worker's own in front."""
    cache = naive(world, link)
    cache.has_memory = True
    return cache
