"""An event loop that runs only when told to, and then until nobody can go on."""

from __future__ import annotations

import asyncio
import heapq
from asyncio import AbstractEventLoop, Task
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from typing import Any, TypeVar, cast

Result = TypeVar("Result")

_MOST_TURNS = 100_000
"""Callbacks after which a settling counts as endless."""


class Timer:
    """What `call_later` returns."""

    __slots__ = ("callback", "cancelled", "due", "order")

    def __init__(self, due: float, order: int, callback: Callable[[], object]) -> None:
        self.due, self.order, self.callback = due, order, callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True

    def __lt__(self, other: Timer) -> bool:
        return (self.due, self.order) < (other.due, other.order)


class SteppedLoop:
    """asyncio's loop without a selector: its time is what `now` says, and only `settle` runs it.

    Tasks run in the order in which they became ready, so a run is the same each time. It has what
    tasks, futures and timeouts ask of a loop, and no more.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self.time = now
        self.as_loop = cast(AbstractEventLoop, self)
        self.errors: list[dict[str, Any]] = []
        """What nobody caught."""
        self._ready: deque[tuple[Callable[..., object], tuple[Any, ...], Context]] = deque()
        self._timers: list[Timer] = []
        self._order = 0

    def settle(self) -> None:
        """Run every task until each waits for something from outside. Raises `RuntimeError`."""
        self._wake()
        ready = self._ready
        before = asyncio._get_running_loop()
        asyncio._set_running_loop(self.as_loop)
        try:
            for _ in range(_MOST_TURNS):
                if not ready:
                    return
                callback, arguments, context = ready.popleft()
                context.run(callback, *arguments)
        finally:
            asyncio._set_running_loop(before)
        raise RuntimeError("the tasks never come to rest: one of them polls without waiting")

    def next_timer(self) -> list[float]:
        """When the next timer goes off, if there is one."""
        return [min(timer.due for timer in waiting)] if (waiting := self._waiting()) else []

    def _waiting(self) -> list[Timer]:
        return [timer for timer in self._timers if not timer.cancelled]

    def _wake(self) -> None:
        while self._timers and self._timers[0].due <= self.time():
            timer = heapq.heappop(self._timers)
            if not timer.cancelled:
                self.call_soon(timer.callback)

    # ---- what asyncio asks of a loop ----

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> None:
        self._ready.append((callback, args, copy_context() if context is None else context))

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> Timer:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> Timer:
        self._order += 1
        timer = Timer(when, self._order, lambda: callback(*args))
        heapq.heappush(self._timers, timer)
        return timer

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self.as_loop)

    def create_task(
        self,
        coro: Coroutine[Any, Any, Result],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> Task[Result]:
        return Task(coro, loop=self.as_loop, name=name, context=context)

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, OSError):  # the database was away, and its client went away too
            self.errors.append(context)
