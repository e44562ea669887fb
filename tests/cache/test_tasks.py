"""Ending tasks that lose a cancellation."""

import asyncio

from cache.tasks import end, raise_if_cancelled


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
