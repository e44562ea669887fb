"""Every store passes the contract."""

from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from cache.stores.connection import open_redis
from cache.stores.memory import MemoryServer, MemoryStore
from cache.stores.redis import RedisStore
from cache.testing.contract import LossContract, Losses, OpenStore, StoreContract
from tests.support.cluster import Cluster, cluster
from tests.support.redis_losses import RedisLosses, opened
from tests.support.servers import valkey


@pytest.fixture(scope="module")
def entries_url() -> Iterator[str]:
    with valkey(maxmemory_policy="allkeys-lru") as server:
        yield server.url


@pytest.fixture(scope="module")
def nodes() -> Iterator[Cluster]:
    with cluster() as three:
        yield three
        assert sum(node.errors("CROSSSLOT") for node in three.nodes) == 0


class MemoryLosses:
    def __init__(self, server: MemoryServer) -> None:
        self.server = server

    async def lose_log(self) -> None:
        self.server.lose_log()

    async def lose_everything(self) -> None:
        self.server.restart(empty=True)

    async def become_another(self) -> None:
        self.server.restart()

    async def trim_log(self, keep: int) -> None:
        self.server.trim(keep)

    async def evict_watermark(self, tag: str) -> None:
        self.server.evict_watermark(tag)


class TestMemoryStore(StoreContract, LossContract):
    @pytest.fixture
    def server(self) -> MemoryServer:
        return MemoryServer()

    @pytest.fixture
    def open_store(self, server: MemoryServer) -> OpenStore:
        return lambda: MemoryStore(server)

    @pytest.fixture
    def losses(self, server: MemoryServer) -> Losses:
        return MemoryLosses(server)


class TestMemoryStoreWithEntriesApart(StoreContract):
    @pytest.fixture
    def open_store(self) -> OpenStore:
        state, entries = MemoryServer(), MemoryServer()
        return lambda: MemoryStore(state, entries=entries)


class TestRedisStore(StoreContract, LossContract):
    """One server, the clients of `open_redis`."""

    @pytest.fixture
    async def open_store(self, redis_url: str, key_prefix: str) -> AsyncIterator[OpenStore]:
        async with opened(
            lambda: open_redis(redis_url, budget=5.0), lambda redis: RedisStore(redis, key_prefix)
        ) as open_store:
            yield open_store

    @pytest.fixture
    def losses(self, redis: Redis, key_prefix: str) -> Losses:
        return RedisLosses(redis, key_prefix)


class TestRedisStoreWithAnotherClient(StoreContract):
    """redis-py's own client: each call is a round trip, the rest is the same."""

    @pytest.fixture
    async def open_store(self, redis_url: str, key_prefix: str) -> AsyncIterator[OpenStore]:
        async with opened(
            lambda: Redis.from_url(redis_url), lambda redis: RedisStore(redis, key_prefix)
        ) as open_store:
            yield open_store


class TestRedisStoreWithEntriesApart(StoreContract, LossContract):
    """The log on another server than the entries."""

    @pytest.fixture
    async def open_store(
        self, redis_url: str, entries_url: str, key_prefix: str
    ) -> AsyncIterator[OpenStore]:
        entries = open_redis(entries_url, budget=5.0)
        async with opened(
            lambda: open_redis(redis_url, budget=5.0),
            lambda state: RedisStore(entries, key_prefix, state=state),
        ) as open_store:
            yield open_store
        await entries.aclose()

    @pytest.fixture
    def losses(self, redis: Redis, key_prefix: str) -> Losses:
        return RedisLosses(redis, key_prefix)


class TestRedisStoreOnCluster(StoreContract, LossContract):
    """Three nodes."""

    @pytest.fixture
    async def open_store(self, nodes: Cluster, key_prefix: str) -> AsyncIterator[OpenStore]:
        async with opened(
            lambda: open_redis(nodes.url, budget=5.0), lambda redis: RedisStore(redis, key_prefix)
        ) as open_store:
            yield open_store

    @pytest.fixture
    async def losses(self, nodes: Cluster, key_prefix: str) -> AsyncIterator[Losses]:
        redis = open_redis(nodes.url, budget=5.0)
        yield RedisLosses(redis, key_prefix)
        await redis.aclose()
