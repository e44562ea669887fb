"""Idempotency keys of operations that are written behind."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from cache.errors import StoreUnavailable
from cache.writes import KeyReusedError, NotAcknowledged, Once
from tests.support.servers import valkey
from tests.support.write_behind import SteppedProgress, Worker, a_worker, sql_views, switch_off

Workers = Callable[..., Awaitable[Worker]]

ONE = Once("one", "product 1")


async def test_the_same_operation_again_counts_once_before_and_after_its_flush(
    worker: Workers,
) -> None:
    one, other = await worker(), await worker()
    first = await one.views.add("1", once=ONE)
    assert (await other.views.add("1", once=ONE)).id == first.id
    assert await one.read(1) == 1
    await one.drain()
    assert (await other.views.add("1", once=ONE)).id == first.id
    await one.drain()
    assert await sql_views() == {1: 1}
    assert await one.read(1) == 1


async def test_many_at_once_count_once(worker: Workers) -> None:
    one, other = await worker(), await worker()
    calls = [it.views.add("1", once=ONE) for it in (one, other) for _ in range(20)]
    assert len({appended.id for appended in await asyncio.gather(*calls)}) == 1
    assert await one.read(1) == 1


async def test_another_operation_under_the_key_is_refused(worker: Workers) -> None:
    one = await worker()
    await one.views.add("1", once=ONE)
    with pytest.raises(KeyReusedError, match="another operation"):
        await one.views.add("2", once=Once("one", "product 2"))
    assert await one.views.read(["1", "2"]) == [1, 0]


async def test_a_repetition_is_answered_also_when_too_much_waits(worker: Workers) -> None:
    one = await worker(limit=1)
    await one.views.add("1", once=ONE)
    await one.views.add("1", once=ONE)
    with pytest.raises(NotAcknowledged):
        await one.views.add("1", once=Once("two", "product 1"))


async def test_a_key_ends_by_itself(worker: Workers) -> None:
    one = await worker(once_ttl=100.0)
    await one.views.add("1", once=ONE)
    assert 90_000 < await one.redis.pttl(one.views.journal.once(ONE)) <= 100_000


@pytest.mark.parametrize("once", [ONE, None], ids=["with a key", "without"])
async def test_an_answer_that_was_lost_can_be_asked_for_again(
    worker: Workers, monkeypatch: pytest.MonkeyPatch, once: Once | None
) -> None:
    """1. Redis appends. 2. Its reply is lost. 3. The client sends it again."""
    one = await worker()
    run = one.views.journal.run

    async def lost(*arguments: Any) -> Any:
        await run(*arguments)
        raise StoreUnavailable("the reply was lost")

    with monkeypatch.context() as patched:
        patched.setattr(one.views.journal, "run", lost)
        with pytest.raises(NotAcknowledged) as caught:
            await one.views.add("1", once=once)
    assert caught.value.sent
    await one.views.add("1", once=once)
    assert await one.read(1) == (1 if once else 2)


@pytest.mark.parametrize("kept", [True, False], ids=["in one step", "apart"])
async def test_a_killed_redis_has_both_or_none(
    products: int, key_prefix: str, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    """The control: a key that is not kept with the operation is not there after it."""
    if not kept:
        switch_off(monkeypatch, "'PX', ARGV[8]", "'PX', 1", "APPEND")
    with valkey() as server:
        async with a_worker(server.url, key_prefix, SteppedProgress()) as one:
            await one.views.add("1", once=ONE)
            await asyncio.to_thread(server.stop, kill=True)
            await asyncio.to_thread(server.start)
        async with a_worker(server.url, key_prefix, SteppedProgress()) as again:
            await again.views.add("1", once=ONE)
            assert await again.read(1) == (1 if kept else 2)
