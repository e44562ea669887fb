"""Work that many ask for at once, done once for all who came before it began."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Generic, TypeVar

from .errors import StoreUnavailable
from .tasks import end, only_it_was_cancelled

T = TypeVar("T")


class Rounds(Generic[T]):
    """Runs `work` in rounds, one after the other; whoever asks gets the next round's result.

    1. A's round reads the outbox and finds it empty.
    2. B commits a row and asks.
    3. A's round ends. Its result says nothing about B's row: B must not get it.

    So a round that has begun takes nobody in. Cancelling who waits cancels no round.
    """

    def __init__(self, work: Callable[[], Awaitable[T]]) -> None:
        self._work = work
        self._running: asyncio.Task[T] | None = None
        self._next: asyncio.Task[T] | None = None

    async def take_part(self) -> T:
        """The result, or the error, of a round that begins after this call.

        Raises `StoreUnavailable` where `close` came before its end.
        """
        if self._next is None or self._next.done():
            task = asyncio.get_running_loop().create_task(self._run(), context=Context())
            # The error of a round whose callers all went away is nobody's.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._next = task
        mine = self._next
        try:
            return await asyncio.shield(mine)
        except asyncio.CancelledError:
            if only_it_was_cancelled(mine):
                raise StoreUnavailable("this was closed before it was done") from None
            raise

    async def close(self) -> None:
        """Cancel what runs, and what waits to run."""
        await end([task for task in (self._next, self._running) if task is not None])

    async def _run(self) -> T:
        if self._running is not None:
            await asyncio.wait([self._running])
        # From here on nobody joins: the round has begun.
        self._running, self._next = self._next, None
        return await self._work()
