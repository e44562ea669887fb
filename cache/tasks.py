"""Ending tasks that talk to Redis, and work that a cancellation must not end half-way.

In Python 3.11 `asyncio.wait_for` loses a cancellation that comes just when what it waits for is
done (python/cpython#86296), and redis-py sends its commands through it. So a task that was
cancelled may go on: it has to look, and whoever ends it has to insist.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")

_INSIST = 0.1


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks until they have ended."""
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_INSIST)


def raise_if_cancelled() -> None:
    """After a command to Redis: end here if the running task was cancelled."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def only_it_was_cancelled(awaited: asyncio.Task[Any]) -> bool:
    """In the handler of a `CancelledError`: whether what was awaited was cancelled, and the running
    task was not."""
    task = asyncio.current_task()
    return awaited.cancelled() and task is not None and not task.cancelling()


async def to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Like `await work`, but whoever is cancelled meanwhile waits for it, and is cancelled then.

    Unlike `asyncio.shield` nothing goes on behind the caller's back: what it holds, a connection
    or a lock, is in use for as long.
    """
    task = asyncio.ensure_future(work)
    cancellation: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancellation = error
    if cancellation is not None:
        raise cancellation from (None if task.cancelled() else task.exception())
    return task.result()
