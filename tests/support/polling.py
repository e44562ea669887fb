"""Waiting for a condition, with a deadline: never for luck."""

import asyncio
import time
from collections.abc import Awaitable, Callable

PATIENCE = 20.0


async def eventually(
    condition: Callable[[], Awaitable[bool]], patience: float = PATIENCE, pause: float = 0.005
) -> None:
    """Return once `condition` holds; fail after `patience` seconds."""
    deadline = time.monotonic() + patience
    while not await condition():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        await asyncio.sleep(pause)
