"""Servers of the races' own, and every topology on them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from redis.asyncio import Redis

from cache.protocol import ALL, Rules
from cache.stores.connection import open_redis
from tests.support.cluster import Cluster, cluster
from tests.support.servers import ValkeyServer, valkey
from tests.support.world import World
from tests.support.worlds.on_redis import OnRedis
from tests.support.worlds.topology import InMemory, Topology

MakeTopology = Callable[..., Topology]
MakeWorld = Callable[..., Awaitable[World]]

TOPOLOGIES = [
    "memory",
    "memory, two servers",
    "redis",
    "redis, two servers",
    "redis, dense",
    "cluster",
]

LOOSE = ["memory", "redis, dense"]
"""Those whose servers can leave out a rule, for controls."""


@pytest.fixture(scope="session")
def state_server() -> Iterator[ValkeyServer]:
    """Log and watermarks; and entries, where they are not on a server of their own."""
    with valkey(appendonly="no") as server:
        yield server


@pytest.fixture(scope="session")
def entry_server() -> Iterator[ValkeyServer]:
    with valkey(appendonly="no") as server:
        yield server


@pytest.fixture(scope="session")
def nodes() -> Iterator[Cluster]:
    """A cluster of three."""
    with cluster() as made:
        yield made


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is not what is played here."""
    monkeypatch.setattr("cache.stores.redis._FOLLOWER_PATIENCE", 30.0)


@pytest.fixture
async def make_topology(request: pytest.FixtureRequest) -> AsyncIterator[MakeTopology]:
    """Makes a topology by its name, with rules for its servers."""
    async with AsyncExitStack() as closing:

        def client(server: str) -> Redis:
            url = request.getfixturevalue(server).url
            opened = open_redis(url, budget=30) if server == "nodes" else Redis.from_url(url)
            closing.push_async_callback(opened.aclose)
            return opened

        def make(name: str, rules: Rules = ALL) -> Topology:
            if name.startswith("memory"):
                return InMemory(rules=rules, apart=name.endswith("two servers"))
            if name == "cluster":
                return OnRedis(client("nodes"))
            state = client("state_server")
            if name == "redis, two servers":
                return OnRedis(client("entry_server"), state=state)
            return OnRedis(state, rules=rules, loose=name == "redis, dense")

        yield make


@pytest.fixture
async def make_world() -> AsyncIterator[MakeWorld]:
    """Makes and starts worlds, and ends them whatever happened in them."""
    async with AsyncExitStack() as closing:

        async def make(topology: Topology | None = None, **options: Any) -> World:
            world = World(topology, **options)
            closing.push_async_callback(world.close)
            await world.start()
            return world

        yield make
