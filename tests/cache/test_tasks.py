"""Ending tasks that lose a cancellation, and work that must not be ended half-way."""

import asyncio

import pytest

from cache.tasks import end, raise_if_cancelled, to_its_end


async def test_a_task_that_swallows_a_cancellation_is_ended() -> None:
    lost: list[str] = []

    async def stubborn() -> None:
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                if len(lost) == 2:
                    raise
                lost.append("swallowed")

    async def well_behaved() -> None:
        await asyncio.sleep(3600)

    tasks = [asyncio.create_task(stubborn()), asyncio.create_task(well_behaved())]
    await asyncio.sleep(0)
    async with asyncio.timeout(20):
        await end(tasks)
    assert all(task.cancelled() for task in tasks)
    assert len(lost) == 2
    await end(tasks)  # ended ones are no matter


async def test_a_task_looks_whether_it_was_cancelled() -> None:
    reached: list[str] = []

    async def looks() -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            reached.append("swallowed")
        raise_if_cancelled()
        reached.append("went on")

    raise_if_cancelled()  # nobody cancelled this one
    task = asyncio.create_task(looks())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    assert reached == ["swallowed"]


async def test_work_comes_to_its_end_before_its_caller_is_cancelled() -> None:
    go, done = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        await go.wait()
        done.set()

    task = asyncio.create_task(to_its_end(work()))
    for _ in range(3):  # whoever cancels may insist
        await asyncio.sleep(0)
        task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done.is_set()


async def test_its_result_and_its_error_are_the_callers() -> None:
    async def number(fails: bool) -> int:
        await asyncio.sleep(0)
        if fails:
            raise InterruptedError
        return 7

    assert await to_its_end(number(False)) == 7
    with pytest.raises(InterruptedError):
        await to_its_end(number(True))


async def test_an_error_of_what_outlived_a_cancellation_is_its_cause() -> None:
    go = asyncio.Event()

    async def work() -> None:
        await go.wait()
        raise InterruptedError

    task = asyncio.create_task(to_its_end(work()))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    go.set()
    with pytest.raises(asyncio.CancelledError) as raised:
        await task
    assert isinstance(raised.value.__cause__, InterruptedError)
