"""One exchange for all that is asked in a tick."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeout

from cache.breaker import Breaker
from cache.facts import BreakerChanged, Fact
from cache.stores import within
from cache.stores.connection import GuardedRedis, open_redis
from cache.stores.node import insisting
from cache.stores.script import Script, run_pipeline
from tests.support.polling import eventually
from tests.support.servers import valkey


@pytest.fixture
async def wire(redis_url: str) -> AsyncIterator[GuardedRedis]:
    client = open_redis(redis_url, budget=5.0)
    yield client
    await client.aclose()


async def test_what_is_asked_in_one_tick_is_one_round_trip(
    wire: GuardedRedis, key_prefix: str
) -> None:
    script = Script("return KEYS[1]")
    pipeline = wire.pipeline(transaction=False).set(f"{key_prefix}a", "1", ex=60).get(key_prefix)

    answers = await asyncio.gather(
        *(wire.get(f"{key_prefix}{number}") for number in range(100)),
        pipeline.execute(),
        wire.ping(),
        script.run(wire, ["key"], []),
    )

    assert answers[100:] == [[True, None], True, b"key"]
    assert wire.round_trips == 2  # the second: the script's source, which the server did not know


async def test_an_error_is_that_commands_alone(wire: GuardedRedis, key_prefix: str) -> None:
    await wire.set(key_prefix, "text", ex=60)

    told = await asyncio.gather(
        wire.get(key_prefix),
        wire.incr(key_prefix),
        wire.pipeline(transaction=False).get(key_prefix).incr(key_prefix).execute(False),
        return_exceptions=True,
    )

    assert told[0] == b"text"
    assert isinstance(told[1], ResponseError)
    assert told[2][0] == b"text"
    assert isinstance(told[2][1], ResponseError)
    with pytest.raises(ResponseError, match="Command # 2"):
        await wire.pipeline(transaction=False).get(key_prefix).incr(key_prefix).execute()


async def test_replies_are_not_crossed_when_waiters_give_up(
    wire: GuardedRedis, key_prefix: str
) -> None:
    """A cancelled command once left its reply to the next one (redis-py, 2023)."""
    await asyncio.gather(*(wire.set(f"{key_prefix}{n}", n, ex=60) for n in range(200)))

    async def ask(number: int, *, patient: bool) -> None:
        asking = asyncio.ensure_future(wire.get(f"{key_prefix}{number}"))
        if patient:
            assert await asking == str(number).encode()
        else:
            await asyncio.sleep(0)
            asking.cancel()

    for _ in range(20):
        await asyncio.gather(*(ask(number, patient=number % 3 > 0) for number in range(200)))


async def test_a_transaction_goes_out_on_its_own(wire: GuardedRedis, key_prefix: str) -> None:
    pipeline = wire.pipeline(transaction=True)
    answers = await asyncio.gather(
        pipeline.set(key_prefix, "1", ex=60).incr(key_prefix).execute(), wire.ping()
    )

    assert answers == [[True, 2], True]
    assert wire.round_trips == 2


async def test_a_pipeline_is_sent_again_with_sources_that_the_server_forgot(
    wire: GuardedRedis, key_prefix: str
) -> None:
    script = Script("return redis.call('APPEND', KEYS[1], ARGV[1])")
    pipeline = wire.pipeline(transaction=False).set(key_prefix, "", ex=60)
    for text in ("a", "b"):
        script.add_to(pipeline, [key_prefix], [text])
    pipeline.get(key_prefix)
    await wire.script_flush()

    assert await run_pipeline(wire, pipeline, script) == [True, 1, 2, b"ab"]


# ---- the budget ----


async def test_a_request_waits_half_as_long_again_for_what_it_insists_on() -> None:
    """150 ms in all: here four times as long, so that a slow machine does not matter."""
    with valkey() as server:
        redis = open_redis(server.url, budget=0.4, breaker=Breaker(pause=60))
        await redis.ping()
        server.pause()
        began = time.monotonic()
        with pytest.raises(RedisTimeout):
            await redis.get("key")
        first = time.monotonic() - began
        for _ in range(5):
            with pytest.raises(RedisConnectionError, match="is not asked yet"):
                await redis.get("key")
        with insisting(), pytest.raises(RedisTimeout):
            await redis.get("key")
        whole = time.monotonic() - began
        server.resume()
        await redis.aclose()

    assert 0.35 < first < 0.6
    assert 0.55 < whole < 0.9


async def test_connecting_and_a_place_in_the_pool_are_within_the_budget() -> None:
    with valkey() as server:
        redis = open_redis(server.url, connections=1, budget=0.3, breaker=Breaker(threshold=100))
        server.pause()  # its backlog accepts, and nothing answers the greeting
        began = time.monotonic()
        told = await asyncio.gather(
            *(redis.pipeline(transaction=True).get("key").execute() for _ in range(20)),
            redis.get("key"),
            return_exceptions=True,
        )
        took = time.monotonic() - began
        server.resume()
        await redis.aclose()

    assert all(isinstance(reply, RedisTimeout | RedisConnectionError) for reply in told)
    assert 0.25 < took < 0.7


@pytest.mark.parametrize("reads_once_more", [True, False])
async def test_a_process_that_stood_still_does_not_blame_the_server(
    redis_url: str, key_prefix: str, monkeypatch: pytest.MonkeyPatch, reads_once_more: bool
) -> None:
    """1. a question leaves  2. this process is paused, the answer comes  3. it goes on: its timer
    has run out, and the answer lies there unread."""
    monkeypatch.setattr(within, "_GRACE", 5.0 if reads_once_more else 0.0)
    redis = open_redis(redis_url, budget=0.15)
    await redis.ping()

    asking = asyncio.ensure_future(redis.execute_command("BLPOP", key_prefix, 0.05))
    asyncio.get_running_loop().call_later(0.02, time.sleep, 0.3)
    await asyncio.wait({asking})

    assert (asking.exception() is None) is reads_once_more
    assert redis.breaker.is_open is not reads_once_more
    await redis.aclose()


@pytest.mark.parametrize("answers_later", [True, False])
async def test_a_question_that_is_overtaken_by_an_answer_does_not_blame_the_server(
    redis_url: str, key_prefix: str, answers_later: bool
) -> None:
    """1. a server hangs, a question waits  2. it goes on, and answers a later question
    3. the first one's time is over."""
    redis = open_redis(redis_url, budget=0.4)
    await redis.ping()
    trips = redis.round_trips
    asking = asyncio.ensure_future(redis.execute_command("BLPOP", key_prefix, 5))
    while redis.round_trips == trips:
        await asyncio.sleep(0)
    if answers_later:
        await redis.ping()
    with pytest.raises(RedisTimeout):
        await asking

    assert redis.breaker.is_open is not answers_later
    await redis.aclose()


async def test_what_is_insisted_on_leaves_without_the_rest(redis_url: str) -> None:
    redis = open_redis(redis_url, budget=5.0, breaker=Breaker(pause=60))
    redis.breaker.failed(waited=True)

    async def insist() -> object:
        with insisting():
            return await redis.ping()

    told = await asyncio.gather(redis.ping(), insist(), redis.ping(), return_exceptions=True)

    assert told[1] is True
    assert [type(reply).__name__ for reply in told[::2]] == ["NotAskedError"] * 2
    assert await redis.ping()  # and that closed the breaker
    await redis.aclose()


# ---- the server ----


async def test_a_primary_that_became_a_replica_is_left(tmp_path: Path) -> None:
    """Behind an address that follows the primary: here a symbolic link to its socket."""
    link = Path("/tmp") / f"fq-{tmp_path.name[-20:]}.sock"
    with valkey() as first, valkey() as second:
        link.unlink(missing_ok=True)
        link.symlink_to(first.socket_path)
        redis = open_redis(f"unix://{link}", budget=5.0)
        await redis.set("key", "1", ex=60)
        link.unlink()
        link.symlink_to(second.socket_path)
        await redis.execute_command("REPLICAOF", "127.0.0.1", "1")  # on the first: still connected

        with pytest.raises(ReadOnlyError):
            await redis.set("key", "2", ex=60)
        await redis.set("key", "3", ex=60)

        assert await redis.get("key") == b"3"
        await redis.aclose()
        link.unlink()


async def test_a_breaker_that_changes_is_a_fact() -> None:
    facts: list[Fact] = []
    with valkey() as server:
        redis = open_redis(server.url, observers=[facts.append])
        await redis.ping()
        server.stop(kill=True)
        for _ in range(3):
            with pytest.raises(RedisConnectionError):
                await redis.ping()
        server.start()

        async def answers() -> bool:
            try:
                return bool(await redis.ping())
            except RedisConnectionError:
                return False

        await eventually(answers)
        await redis.aclose()
    name = str(server.socket_path)
    assert facts == [BreakerChanged(name, True), BreakerChanged(name, False)]


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost",
        "redis+cluster://",
        "redis+cluster://localhost:6379/1",
        "redis+cluster://localhost:port",
    ],
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"scheme|cluster's URL|[Pp]ort"):
        open_redis(url)
