"""One exchange for all that is asked in a tick."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.exceptions import ResponseError

from cache.stores.connection import GuardedRedis, open_redis
from cache.stores.script import Script


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
