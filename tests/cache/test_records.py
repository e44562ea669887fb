"""Records: fields one at a time, many records in one round trip, each with a time to live."""

import asyncio

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from cache.errors import StoreUnavailable
from cache.records import Records
from tests.support.servers import free_port


@pytest.fixture
def records(redis: Redis, key_prefix: str) -> Records:
    return Records(redis, key_prefix, "session", ttl=3600)


async def calls(redis: Redis, *commands: str) -> int:
    """How often the server ran these commands, of any client."""
    stats = await redis.info("commandstats")
    return sum(stats.get(f"cmdstat_{command}", {"calls": 0})["calls"] for command in commands)


async def test_a_field_is_written_alone_and_leaves_the_others(records: Records) -> None:
    await records.put_many({"a": {"last_seen": 1, "agent": "x"}})
    await records.put("a", "last_seen", 2)
    assert await records.get("a", "last_seen") == b"2"
    assert await records.get("a", "agent") == b"x"


async def test_what_is_missing_is_none_and_what_is_empty_is_not(records: Records) -> None:
    await records.put_many({"a": {"empty": "", "zero": 0}})
    assert await records.get_many(["a", "b"], ["empty", "zero", "none"]) == [
        (b"", b"0", None),
        (None, None, None),
    ]


async def test_every_record_has_a_time_to_live_and_a_write_starts_it_anew(
    redis: Redis, records: Records
) -> None:
    await records.put("a", "last_seen", 1)
    await redis.pexpire(records.key("a"), 5_000)
    await records.put("a", "last_seen", 2)
    assert 3_590_000 < await redis.pttl(records.key("a")) <= 3_600_000


async def test_reading_does_not_extend_a_record(redis: Redis, records: Records) -> None:
    await records.put("a", "last_seen", 1)
    await redis.pexpire(records.key("a"), 5_000)
    await records.get("a", "last_seen")
    assert await redis.pttl(records.key("a")) <= 5_000


async def test_only_the_selected_fields_travel(redis: Redis, records: Records) -> None:
    await records.put_many({"a": {"last_seen": 1, "agent": "x"}})
    before = await calls(redis, "hgetall")
    assert await records.get_many(["a"], ["last_seen"]) == [(b"1",)]
    assert await calls(redis, "hgetall") == before


async def test_all_reads_of_one_tick_share_one_round_trip(
    redis: Redis, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    await records.put_many({f"r{n}": {"last_seen": n} for n in range(100)})
    trips = 0
    pipeline = redis.pipeline

    def counted(transaction: bool = True) -> object:
        nonlocal trips
        trips += 1
        return pipeline(transaction=transaction)

    monkeypatch.setattr(redis, "pipeline", counted)
    seen = await asyncio.gather(*(records.get(f"r{n}", "last_seen") for n in range(100)))
    assert seen == [str(n).encode() for n in range(100)]
    assert trips == 1


async def test_two_kinds_and_two_prefixes_do_not_meet(redis: Redis, key_prefix: str) -> None:
    one = Records(redis, key_prefix, "session", ttl=60)
    two = Records(redis, key_prefix, "draft", ttl=60)
    three = Records(redis, f"{key_prefix}x", "session", ttl=60)
    await one.put("a", "f", 1)
    assert await two.get("a", "f") is None
    assert await three.get("a", "f") is None


async def test_dropped_records_are_gone(records: Records) -> None:
    await records.put_many({"a": {"f": 1}, "b": {"f": 1}, "c": {"f": 1}})
    await records.drop("a", "b", "never-there")
    assert await records.get_many(["a", "b", "c"], ["f"]) == [(None,), (None,), (b"1",)]


async def test_a_forgotten_script_is_sent_again(redis: Redis, records: Records) -> None:
    await records.put("a", "f", 1)
    await redis.script_flush()
    await records.put("a", "f", 2)
    assert await records.get("a", "f") == b"2"


async def test_redis_away_is_one_kind_of_error(key_prefix: str) -> None:
    nobody = Redis(port=free_port(), retry=Retry(NoBackoff(), 0))
    records = Records(nobody, key_prefix, "session", ttl=60)
    with pytest.raises(StoreUnavailable):
        await records.get("a", "f")
    with pytest.raises(StoreUnavailable):
        await records.put("a", "f", 1)
    with pytest.raises(StoreUnavailable):
        await records.drop("a")
    await nobody.aclose()


def test_a_record_without_a_life_is_refused(redis: Redis, key_prefix: str) -> None:
    with pytest.raises(ValueError, match="more than 0 seconds, got 0"):
        Records(redis, key_prefix, "session", ttl=0)
