"""A time limit that does not blame others for this process's own pauses."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from ..tasks import end

_GRACE = 0.02
"""Seconds more for an exchange during which this process itself stood still,"""

_STOOD_STILL = 0.005
"""... which it did if its timer came so many seconds late."""

_Result = TypeVar("_Result")


async def within(seconds: float, work: Coroutine[Any, Any, _Result]) -> _Result:
    """The result of `work`, or `TimeoutError` if it takes longer; it is cancelled then.

    A process that stood still, because it was paused or busy, finds its timer run out and the
    answer not yet read, and would blame a server that is well: so it reads once more.
    """
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    try:
        due = loop.time() + seconds
        await asyncio.wait({task}, timeout=seconds)
        if not task.done() and loop.time() - due > _STOOD_STILL:
            await asyncio.wait({task}, timeout=_GRACE)
        if not task.done():
            raise TimeoutError
        return task.result()
    finally:
        await end([task])
