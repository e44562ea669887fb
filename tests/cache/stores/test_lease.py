"""Leases, in one process and over several."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import pytest
from redis.asyncio import Redis

from cache.breaker import Breaker
from cache.errors import StoreUnavailable
from cache.leases import Leases
from cache.stores.connection import open_redis
from cache.stores.lease import RedisLeases
from tests.support.cluster import cluster
from tests.support.polling import eventually
from tests.support.servers import valkey


@pytest.fixture(scope="module")
def cluster_url() -> Iterator[str]:
    with cluster() as nodes:
        yield nodes.url


@pytest.fixture(params=["server", "cluster"])
def url(request: pytest.FixtureRequest) -> str:
    name = "redis_url" if request.param == "server" else "cluster_url"
    found: str = request.getfixturevalue(name)
    return found


@pytest.fixture
async def client(url: str) -> AsyncIterator[Redis]:
    redis = open_redis(url, budget=5.0)
    yield redis
    await redis.aclose()


@pytest.fixture
async def leases(client: Redis, key_prefix: str) -> AsyncIterator[Leases]:
    leases = RedisLeases(client, key_prefix)
    yield leases
    await leases.aclose()


async def _is_taken(leases: Leases, key: str) -> bool:
    token = await leases.acquire(key, 60.0)
    if token is not None:
        await leases.release(key, token)
    return token is None


async def test_one_has_a_lease_until_it_gives_it_back(leases: Leases) -> None:
    token = await leases.acquire("key", 60.0)
    assert token is not None
    assert await leases.acquire("key", 60.0) is None
    other = await leases.acquire("other", 60.0)
    assert other is not None
    assert other != token

    await leases.release("key", token)

    assert await leases.acquire("key", 60.0) is not None


async def test_a_lease_ends_by_itself(leases: Leases) -> None:
    assert await leases.acquire("key", 0.05) is not None

    async def is_free() -> bool:
        return not await _is_taken(leases, "key")

    await eventually(is_free)


async def test_whose_lease_has_ended_gives_back_nobody_elses(leases: Leases) -> None:
    """1. A's lease ends while it still loads  2. B takes it  3. A gives it back."""
    slow = await leases.acquire("key", 0.05)
    assert slow is not None
    assert await leases.wait("key", 20.0)
    token = await leases.acquire("key", 60.0)
    assert token is not None

    await leases.release("key", slow)

    assert await _is_taken(leases, "key")


async def test_who_waits_is_woken(leases: Leases, client: Redis, key_prefix: str) -> None:
    others = [RedisLeases(client, key_prefix) for _ in range(3)]
    token = await leases.acquire("key", 60.0)
    assert token is not None
    assert await leases.acquire("other key", 60.0)
    waiting = [asyncio.create_task(one.wait("key", 60.0)) for one in [leases, *others] * 5]
    elsewhere = asyncio.create_task(others[0].wait("other key", 0.3))
    for one in [leases, *others]:
        await one._waking.connected(20.0)

    await leases.release("key", token)

    async with asyncio.timeout(20):
        assert await asyncio.gather(*waiting) == [True] * 20
    assert await elsewhere is False
    for one in others:
        await one.aclose()


async def test_a_lease_that_is_free_is_not_waited_for(leases: Leases) -> None:
    """1. a reader fails to get the lease  2. it is given back  3. the reader begins to wait."""
    async with asyncio.timeout(20):
        assert await leases.wait("key", 60.0)


async def test_waiting_ends(leases: Leases) -> None:
    assert await leases.acquire("key", 60.0)
    began = time.monotonic()

    assert await leases.wait("key", 0.2) is False

    assert 0.15 < time.monotonic() - began < 5
    assert await leases.wait("key", 0.0) is False


async def test_the_end_of_a_lease_is_noticed_without_a_message(leases: Leases) -> None:
    """Whoever had it may have been killed."""
    assert await leases.acquire("key", 0.3)
    async with asyncio.timeout(20):
        assert await leases.wait("key", 60.0)


async def test_a_lost_message_only_costs_time(
    leases: Leases, client: Redis, key_prefix: str
) -> None:
    assert await leases.acquire("key", 60.0)
    waiting = asyncio.create_task(leases.wait("key", 1.0))
    await leases._waking.connected(20.0)
    for _ in range(20):  # by then it has asked, and waits
        await client.ping()
    await client.delete(leases._name("key"))  # nobody is told

    assert await waiting is False
    assert await leases.wait("key", 60.0)


async def test_every_key_ends(leases: Leases, client: Redis) -> None:
    assert await leases.acquire("key", 60.0)

    assert 0 < await client.pttl(leases._name("key")) <= 60_000


async def test_a_broken_connection_is_made_again() -> None:
    with valkey() as server:
        redis = open_redis(server.url, budget=5.0, breaker=Breaker(threshold=1_000))
        leases = RedisLeases(redis, "p")
        assert await leases.wait("key", 5.0)
        server.stop()

        async def is_away() -> bool:
            return not leases._waking._is_connected.is_set()

        await eventually(is_away)
        with pytest.raises(StoreUnavailable):
            await leases.acquire("key", 60.0)
        assert await leases.wait("key", 60.0) is False  # at once: there is nothing to wait for
        server.start()

        await leases._waking.connected(20.0)
        token = await leases.acquire("key", 60.0)
        assert token is not None
        waiting = asyncio.create_task(leases.wait("key", 60.0))
        for _ in range(10):
            await redis.ping()
        await leases.release("key", token)
        async with asyncio.timeout(20):
            assert await waiting
        await leases.aclose()
        await redis.aclose()


# ---- processes ----


def _start(url: str, prefix: str, seconds: float, *words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.lease_process", url, prefix, str(seconds), *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _told(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _go(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


async def test_of_four_processes_one_loads(redis_url: str, redis: Redis, key_prefix: str) -> None:
    with ExitStack() as closing:
        processes = [closing.enter_context(_start(redis_url, key_prefix, 30.0)) for _ in range(4)]
        assert [_told(process) for process in processes] == ["ready"] * 4
        began = time.monotonic()
        for process in processes:
            _go(process)
        outcomes = sorted(_told(process) for process in processes)
        took = time.monotonic() - began

    assert outcomes == ["loaded", "waited", "waited", "waited"]
    assert await redis.get(f"{key_prefix}:loads") == b"1"
    assert took < 15  # woken, not timed out
    await redis.delete(f"{key_prefix}:loads")
    await redis.delete(f"{key_prefix}:running")


async def test_a_killed_owner_holds_up_the_others_until_its_lease_ends(
    redis_url: str, redis: Redis, key_prefix: str
) -> None:
    with ExitStack() as closing:
        owner = closing.enter_context(_start(redis_url, key_prefix, 3.0, "die"))
        others = [closing.enter_context(_start(redis_url, key_prefix, 3.0)) for _ in range(3)]
        assert [_told(process) for process in [owner, *others]] == ["ready"] * 4
        _go(owner)
        assert _told(owner) == "holds"
        began = time.monotonic()
        for process in others:
            _go(process)
        owner.kill()
        outcomes = sorted(_told(process) for process in others)
        took = time.monotonic() - began

    assert outcomes == ["loaded", "waited", "waited"]
    assert await redis.get(f"{key_prefix}:loads") == b"1"
    assert 2 < took < 15
    await redis.delete(f"{key_prefix}:loads")
    await redis.delete(f"{key_prefix}:running")
