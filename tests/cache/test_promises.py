"""What a cache says that it does not promise."""

import pytest

from cache import Cache, Outbox, OutboxRow, RedisStore
from cache.promises import BOUNDED, OWN_WRITES, promises_off
from cache.stores.memory import MemoryStore


def test_with_all_of_its_parts_nothing_is_off() -> None:
    assert promises_off(has_outbox=True, is_shared=True) == ()


def test_without_an_outbox_a_purge_can_be_lost_or_late() -> None:
    off = promises_off(has_outbox=False, is_shared=True)
    assert [one.promise for one in off] == [OWN_WRITES, BOUNDED]
    assert str(off[0]) == (
        "not promised: that a client sees its own writes on every worker while the worker that "
        "wrote does not reach the store (missing: an outbox, whose row is committed with the write)"
    )


def test_a_store_in_memory_knows_of_no_other_process_and_needs_no_outbox() -> None:
    for has_outbox in (False, True):
        off = promises_off(has_outbox=has_outbox, is_shared=False)
        assert [one.promise for one in off] == [OWN_WRITES, BOUNDED]
        assert all("share" in one.remedy for one in off)


async def started(cache: Cache, caplog: pytest.LogCaptureFixture) -> list[str]:
    """What a cache logs when it starts."""
    caplog.clear()
    async with cache:
        assert await cache.catch_up(5.0)
    return [one.getMessage() for one in caplog.records if one.name == "cache.engine"]


class NoRows(Outbox):
    """An outbox in which nobody ever writes."""

    async def waiting(self, epoch: str, limit: int) -> list[OutboxRow]:
        return []

    async def prune(self, age: float) -> bool:
        return False


async def test_a_cache_says_at_its_start_what_it_does_not_promise(
    redis_url: str, key_prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    without = Cache(RedisStore.open(redis_url, key_prefix))
    assert await started(without, caplog) == [str(off) for off in without.promises_off()]
    assert len(without.promises_off()) == 2
    with_outbox = Cache(RedisStore.open(redis_url, key_prefix), outbox=NoRows())
    assert await started(with_outbox, caplog) == []
    alone = Cache(MemoryStore())
    assert await started(alone, caplog) == [str(off) for off in alone.promises_off()]
