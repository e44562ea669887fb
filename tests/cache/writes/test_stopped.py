"""A process is stopped in a transaction that holds the row of progress: the others go on."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from cache.integrations import stream_sql
from models.database import is_unavailable
from tests.support.dead_letters import Refusing
from tests.support.write_behind import Pause, SteppedProgress, Worker, sql_views

Workers = Callable[..., Awaitable[Worker]]

pytestmark = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)


async def flush_of_another(worker: Workers) -> None:
    """F1 is stopped inside of its transaction · its lease ends · F2 flushes · F1 goes on."""
    refusing, pause = Refusing(), Pause()
    refusing.hook = pause
    one, two = await worker(refusing.progress(), lease=0.05), await worker(lease=0.05)
    await one.add(1, 3)
    flushing = asyncio.create_task(one.flush())
    await pause.reached.wait()
    try:
        async with asyncio.timeout(8):
            while not await two.flush():
                await asyncio.sleep(0.01)
        assert await sql_views() == {1: 3}
    finally:
        pause.go()
        [ended] = await asyncio.gather(flushing, return_exceptions=True)
    assert isinstance(ended, Exception)
    assert is_unavailable(ended), repr(ended)
    await one.add(1)
    await one.drain()
    assert await sql_views() == {1: 4}


async def test_another_flusher_goes_on(worker: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_sql, "LONGEST_SILENCE", 0.5)
    await flush_of_another(worker)


async def test_control_without_the_bound_it_waits(
    worker: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unbound(progress: SteppedProgress, connection: object) -> None:
        pass

    monkeypatch.setattr(SteppedProgress, "bound", unbound)
    with pytest.raises(TimeoutError):
        await flush_of_another(worker)


async def test_a_change_past_the_stream_is_bounded_too(
    worker: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_sql, "LONGEST_SILENCE", 0.5)
    one, two = await worker(), await worker()
    await one.add(1, 3)
    pause = Pause()

    async def change() -> None:
        async with one.views.past_the_stream():
            await pause()

    changing = asyncio.create_task(change())
    await pause.reached.wait()
    try:
        async with asyncio.timeout(8):
            while not await two.flush():
                await asyncio.sleep(0.01)
    finally:
        pause.go()
        [ended] = await asyncio.gather(changing, return_exceptions=True)
    assert isinstance(ended, Exception)
    assert is_unavailable(ended), repr(ended)
    assert await sql_views() == {1: 3}
