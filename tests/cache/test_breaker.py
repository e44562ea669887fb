"""The circuit breaker, by a clock of its own, and the client behind it."""

import socket
import time

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeout

from cache import Cache, RedisStore, StoreUnavailable
from cache.breaker import Breaker
from cache.stores.connection import open_redis
from cache.stores.script import Script
from tests.support.polling import eventually
from tests.support.servers import valkey


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_it_opens_after_failures_in_a_row_and_lets_one_probe_through() -> None:
    clock = Clock()
    breaker = Breaker(threshold=2, pause=1.0, clock=clock)
    breaker.failed()
    breaker.succeeded()
    breaker.failed()
    assert breaker.allows()
    breaker.failed()

    assert breaker.is_open
    assert not breaker.allows()
    clock.now += 1.0
    assert [breaker.allows() for _ in range(3)] == [True, False, False]
    breaker.failed(waited=True)
    clock.now += 0.5
    assert not breaker.allows()
    clock.now += 0.5
    assert breaker.allows()
    breaker.succeeded()
    assert [breaker.allows() for _ in range(3)] == [True, True, True]


def test_a_failure_that_was_waited_for_counts_twice() -> None:
    breaker = Breaker(threshold=2)
    breaker.failed(waited=True)

    assert breaker.is_open


async def test_a_server_that_is_away_is_asked_twice_then_left_alone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    redis = open_redis(f"redis://127.0.0.1:{port}/0")
    for _ in range(2):
        with pytest.raises(RedisConnectionError, match="connecting to 127"):
            await redis.get("key")

    with pytest.raises(RedisConnectionError, match="is not asked yet"):
        await redis.get("key")
    with pytest.raises(RedisConnectionError, match="is not asked yet"):
        await redis.pipeline().get("key").execute()
    await redis.aclose()


async def test_a_server_that_hangs_is_waited_for_once_then_left_alone() -> None:
    with valkey() as server:
        redis = open_redis(server.url, budget=0.05, breaker=Breaker(pause=60))
        await redis.set("key", "value", ex=60)
        server.pause()
        with pytest.raises(RedisTimeout, match="in time"):
            await redis.get("key")
        with pytest.raises(RedisConnectionError, match="is not asked yet"):
            await redis.get("key")
        server.resume()
        await redis.aclose()


async def test_it_answers_again_when_the_server_is_back() -> None:
    clock = Clock()
    changes: list[bool] = []
    with valkey() as server:
        redis = open_redis(server.url, breaker=Breaker(clock=clock, changed=changes.append))
        await redis.set("key", "value", ex=60)
        server.stop(kill=True)
        for _ in range(3):
            with pytest.raises(RedisConnectionError):
                await redis.get("key")
        server.start()
        clock.now += 10

        await eventually(lambda: _answers(redis))
        assert await redis.get("key") == b"value"
        assert changes == [True, False]
        await redis.aclose()


async def test_the_probe_is_nobodys_request() -> None:
    """Each would wait for a server that hangs, once in each pause."""
    with valkey() as server:
        redis = open_redis(server.url, budget=0.5, breaker=Breaker(pause=0.0))
        await redis.ping()
        server.pause()
        with pytest.raises(RedisTimeout):
            await redis.ping()
        trips = redis.round_trips

        began = time.monotonic()
        for _ in range(100):
            with pytest.raises(RedisConnectionError, match="is not asked yet"):
                await redis.ping()

        assert time.monotonic() - began < 0.5
        assert redis.round_trips == trips + 1  # the probe
        server.resume()
        await eventually(lambda: _answers(redis))
        await redis.aclose()


async def test_a_script_that_a_restarted_server_has_forgotten_leaves_it_closed() -> None:
    """NOSCRIPT is an answer: the source that is sent next must not be refused."""
    clock = Clock()
    script = Script("return 'ran'")
    with valkey() as server:
        redis = open_redis(server.url, breaker=Breaker(clock=clock))
        await script.run(redis, [], [])
        server.stop(kill=True)
        sent = []
        for _ in range(3):
            with pytest.raises(StoreUnavailable) as refused:
                await script.run(redis, [], [])
            sent.append(refused.value.sent)
        assert sent == [True, True, False]  # once it is open, nothing leaves
        server.start()
        clock.now += 10
        await eventually(lambda: _answers(redis))

        assert await script.run(redis, [], []) == b"ran"
        await redis.aclose()


async def _answers(redis: Redis) -> bool:
    try:
        return bool(await redis.ping())
    except RedisConnectionError:
        return False


async def test_an_error_of_the_server_is_an_answer(redis_url: str) -> None:
    breaker = Breaker()
    redis = open_redis(redis_url, breaker=breaker)
    for _ in range(5):
        with pytest.raises(ResponseError):
            await redis.execute_command("GET")

    assert not breaker.is_open
    await redis.aclose()


async def test_a_purge_is_tried_though_the_breaker_is_open(redis_url: str, key_prefix: str) -> None:
    """1. this process pauses, two exchanges time out, the breaker opens  2. a write commits
    3. its purge must reach the server, which is well, before the write is acknowledged."""
    redis = open_redis(redis_url, budget=5.0, breaker=Breaker(pause=60))
    cache = Cache(RedisStore(redis, key_prefix))
    for _ in range(2):
        redis.breaker.failed()
    assert not await cache.reaches_store()

    await cache.invalidate(["row:1"])

    assert not cache.unpublished
    assert await cache.reaches_store()
    await redis.aclose()
