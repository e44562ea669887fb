"""Single flight: one load for everybody who waits for the same key.

The idea is groupcache's (`singleflight/singleflight.go`); here whoever waits can be cancelled
without the others, and whether a reader may use the result is the protocol's to say (L4).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context
from dataclasses import dataclass
from typing import Any

from .context import Frame, Scope, enter
from .errors import LoadCancelledError
from .protocol import Dependencies
from .tasks import only_it_was_cancelled


@dataclass(frozen=True, slots=True)
class Outcome:
    """A loaded value, what it was made of, and whether anybody else may see it."""

    value: Any
    dependencies: Dependencies
    viewer_read: bool = False
    shareable: bool = True


class Flight:
    """A load in a task of its own, in a clean context: no transaction, no caller's deadline (L0).

    `run` loads, completes and stores; those who wait get its outcome after that, so that a second
    reader finds it stored.
    """

    def __init__(
        self, run: Callable[[Frame], Coroutine[Any, Any, Outcome]], *, scope: Scope, frame: Frame
    ) -> None:
        self.frame = frame
        context = Context()
        context.run(enter, scope, frame)
        loop = asyncio.get_running_loop()
        self.task: asyncio.Task[Outcome] = loop.create_task(run(frame), context=context)
        # A load that fails when everyone who waited is gone is nobody's error.
        self.task.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def join(self) -> Outcome:
        """Wait for the outcome. Raises the load's error; being cancelled stops only the waiting.

        Raises `LoadCancelledError` where the load was cancelled, and who waits was not.
        """
        try:
            return await asyncio.shield(self.task)
        except asyncio.CancelledError:
            if only_it_was_cancelled(self.task):
                raise LoadCancelledError("the load was cancelled: look at what it awaits") from None
            raise
