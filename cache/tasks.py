"""Ending tasks that talk to Redis.

In Python 3.11 `asyncio.wait_for` loses a cancellation that comes just when what it waits for is
done (python/cpython#86296), and redis-py sends its commands through it. So a task that was
cancelled may go on: it has to look, and whoever ends it has to insist.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

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
