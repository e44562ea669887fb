"""A database of one dictionary, and a cached function over it whose loads a test can hold."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from redis.asyncio import Redis

from cache import (
    Cache,
    CachePolicy,
    CacheScope,
    Loader,
    Protocol,
    RedisStore,
    cached,
)
from cache.decorator import CachedFunction
from cache.engine import Request
from cache.facts import Fact, Filled, Hit

PUBLIC = CachePolicy(ttl=60, scope=CacheScope.PUBLIC)
PRIVATE = CachePolicy(ttl=60)

__all__ = ["PRIVATE", "PUBLIC", "Facts", "Gate", "Rows", "World", "naive"]


class Gate:
    """Holds whoever comes to it, until it is opened; tells when somebody came."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self._open = asyncio.Event()

    async def __call__(self) -> None:
        self.reached.set()
        await self._open.wait()

    def open(self) -> None:
        self._open.set()


class Rows:
    """The database: rows by id, read with a pause after the read where a test asks for it."""

    def __init__(self) -> None:
        self.values: dict[int, Any] = {}
        self.reads = 0
        self.after_read: list[Gate] = []

    async def read(self, row: int) -> Any:
        self.reads += 1
        value = self.values.get(row)
        if self.after_read:
            await self.after_read.pop(0)()
        return value

    async def read_many(self, rows: Sequence[int]) -> Mapping[int, Any]:
        self.reads += 1
        return {row: self.values[row] for row in rows if row in self.values}

    def hold_next(self) -> Gate:
        """The next read waits, with its value in hand, until the gate opens."""
        self.after_read.append(Gate())
        return self.after_read[-1]


class Facts(list[Fact]):
    """Collects facts; `Facts` is itself an observer."""

    def __call__(self, fact: Fact) -> None:
        self.append(fact)

    def count(self, kind: type[Fact]) -> int:  # type: ignore[override]  # by kind, not by value
        return sum(isinstance(fact, kind) for fact in self)

    @property
    def hits(self) -> int:
        return self.count(Hit)

    @property
    def fills(self) -> int:
        return self.count(Filled)


class World:
    """Rows, some workers' caches on one Redis, and `row(id)`: cached, tagged `row:<id>`."""

    def __init__(
        self,
        redis: Redis,
        prefix: str,
        *,
        engine: Callable[..., Cache] = Cache,
        protocol: Protocol | None = None,
        store: type[RedisStore] = RedisStore,
    ) -> None:
        self.rows = Rows()
        self.redis = redis
        self.prefix = prefix
        self.facts = Facts()
        self.engine = engine
        self._store = store
        self._protocol = protocol
        self.cache = self.worker()
        self.row = self.declare(PUBLIC)

    def worker(self) -> Cache:
        """Another worker's cache on the same Redis."""
        store = self._store(self.redis, self.prefix, observers=[self.facts])
        return self.engine(store, observers=[self.facts], protocol=self._protocol)

    def declare(self, policy: CachePolicy) -> CachedFunction[[int], Any]:
        rows = self.rows

        @cached(policy, tags=lambda row: [f"row:{row}"])
        async def read_row(row: int) -> Any:
            return await rows.read(row)

        return read_row

    async def get(self, row: int, *, at: Cache | None = None, viewer: str = "anonymous") -> Any:
        with (at or self.cache).activate(viewer):
            return await self.row(row)

    async def write(self, row: int, value: Any, *, at: Cache | None = None) -> None:
        """Commit, purge, acknowledge."""
        self.rows.values[row] = value
        await (at or self.cache).invalidate([f"row:{row}"])

    def loader(self) -> Loader[int, Any]:
        return Loader(self.rows.read_many, lambda row: [f"row:{row}"])

    async def lose_redis(self) -> None:
        """Remove all of this world's keys: what an emptied server looks like to it."""
        async for key in self.redis.scan_iter(match=f"*{self.prefix}*"):
            await self.redis.delete(key)


class naive(Cache):
    """Get, load, set, and delete on purge: what most caches do. The control of every race."""

    async def get_or_load(self, request: Request) -> Any:
        stored: dict[str, Any] = self.__dict__.setdefault("stored", {})
        if request.key not in stored:
            flights: dict[str, asyncio.Task[Any]] = self.__dict__.setdefault("flights", {})
            if request.key not in flights:
                flights[request.key] = asyncio.ensure_future(request.load())
            value = await flights[request.key]
            flights.pop(request.key, None)
            stored[request.key] = value
            self.__dict__.setdefault("tags", {})[request.key] = request.tags
        return stored[request.key]

    async def invalidate(self, tags: Any) -> None:
        purged = set(tags)
        for key, depends in list(self.__dict__.get("tags", {}).items()):
            if purged & depends:
                self.__dict__["stored"].pop(key, None)
