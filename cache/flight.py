"""Single flight: one load for everybody who waits for the same key.

The idea is groupcache's (`singleflight/singleflight.go`); here whoever waits can be cancelled
without the others, and whether a reader may use the result is the protocol's to say (L4).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from dataclasses import dataclass
from typing import Any

from .context import Frame, Scope, enter
from .protocol import Dependencies, Position


@dataclass(frozen=True, slots=True)
class Outcome:
    """A loaded value, what it was made of, and whether anybody else may see it."""

    value: Any
    dependencies: Dependencies
    viewer_read: bool
    shareable: bool


class Flight:
    """A load in a task of its own, in a clean context: no transaction, no caller's deadline (L0).

    `finish` completes and stores what was loaded; those who wait get it after that, so that a
    second reader finds it stored.
    """

    def __init__(
        self,
        load: Callable[[], Awaitable[Any]],
        *,
        scope: Scope,
        position: Position,
        public: bool,
        finish: Callable[[Outcome], Awaitable[None]],
    ) -> None:
        frame = Frame(position, public)
        context = Context()
        context.run(enter, scope, frame)
        loop = asyncio.get_running_loop()
        self.task = loop.create_task(_run(load, frame, finish), context=context)
        # A load that fails when everyone who waited is gone is nobody's error.
        self.task.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def join(self) -> Outcome:
        """Wait for the outcome. Raises the load's error; being cancelled stops only the waiting."""
        return await asyncio.shield(self.task)


async def _run(
    load: Callable[[], Awaitable[Any]],
    frame: Frame,
    finish: Callable[[Outcome], Awaitable[None]],
) -> Outcome:
    value = await load()
    shareable = not (frame.public and frame.viewer_read)
    outcome = Outcome(value, frame.dependencies, frame.viewer_read, shareable)
    await finish(outcome)
    return outcome
