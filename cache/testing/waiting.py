"""Waiting for a condition, with a deadline: never for luck."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

PATIENCE = 20.0
"""Seconds after which what is waited for has not happened."""


async def eventually(condition: Callable[[], Awaitable[bool]], patience: float = PATIENCE) -> None:
    """Return once `condition` holds. Raises `AssertionError` after `patience` seconds."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + patience
    while not await condition():
        if loop.time() > ends:
            raise AssertionError(f"what was waited for did not happen within {patience:g} s")
        await asyncio.sleep(0.005)
