"""One call for everything that is asked within one tick of the event loop.

The mechanism of Facebook's DataLoader (graphql/dataloader, `src/index.js`), without its memory:
the first item schedules the dispatch, which runs when every task that was ready has had its turn.
The cache's look-ups and fills and the row loaders all go through it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Generic, TypeVar

Item = TypeVar("Item")
Reply = TypeVar("Reply")
First = TypeVar("First")
Second = TypeVar("Second")


_MOST_TURNS = 8
"""Turns of the event loop after which a batch leaves, however many items still come."""

MOST_ITEMS = 1_000
"""Items of one call of `run`."""

MOST_RUNNING = 16
"""Calls of `run` at once: what comes meanwhile waits, and leaves together."""


class TickBatcher(Generic[Item, Reply]):
    """Gathers the items of one tick and answers them by one call of `run`.

    `run` gets the items in the order of their submission and returns one reply for each, in that
    order; its error is every waiter's error. It runs in an empty context: it must not see the
    transaction, the viewer or the deadline of whoever happened to come first. What is in flight
    is bounded: `most_items` for each call, `most_running` calls.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Awaitable[Sequence[Reply]]],
        *,
        most_items: int = MOST_ITEMS,
        most_running: int = MOST_RUNNING,
    ) -> None:
        self._run = run
        self._most_items = most_items
        self._most_running = most_running
        self._waiting: list[tuple[Item, asyncio.Future[Reply]]] = []
        self._running: set[asyncio.Task[None]] = set()
        self._scheduled = False

    def submit(self, item: Item) -> asyncio.Future[Reply]:
        """A future for the reply to `item`. Cancelling it cancels nobody else's."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Reply] = loop.create_future()
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._dispatch, 0, _MOST_TURNS, context=Context())
        self._waiting.append((item, future))
        return future

    def _dispatch(self, seen: int, turns: int) -> None:
        # A field that asks for ten rows does so through `gather`, in tasks that run a turn later
        # than its sibling that asks for one. So a batch leaves when a turn has brought nothing new,
        # as DataLoader waits until no promise job is left.
        if len(self._waiting) > seen and turns > 0:
            asyncio.get_running_loop().call_soon(self._dispatch, len(self._waiting), turns - 1)
            return
        self._scheduled = False
        self._leave()

    def _leave(self) -> None:
        while self._waiting and len(self._running) < self._most_running:
            batch = self._waiting[: self._most_items]
            self._waiting = self._waiting[self._most_items :]
            task = asyncio.get_running_loop().create_task(self._answer(batch))
            self._running.add(task)
            task.add_done_callback(self._landed)

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not self._scheduled:
            self._leave()

    async def _answer(self, batch: Sequence[tuple[Item, asyncio.Future[Reply]]]) -> None:
        try:
            replies = await self._ask([item for item, _ in batch])
        except asyncio.CancelledError:
            for _, future in batch:
                future.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - it becomes the error of everyone who waits
            for future in _unanswered(batch):
                future.set_exception(error)
        else:
            for (_, future), reply in zip(batch, replies, strict=True):
                if not future.done():
                    future.set_result(reply)

    async def _ask(self, items: Sequence[Item]) -> Sequence[Reply]:
        replies = await self._run(items)
        if len(replies) != len(items):
            raise RuntimeError(
                f"a batch of {len(items)} items must get as many replies, got {len(replies)}"
            )
        return replies


def _unanswered(
    batch: Sequence[tuple[Item, asyncio.Future[Reply]]],
) -> Sequence[asyncio.Future[Reply]]:
    return [future for _, future in batch if not future.done()]


async def together(first: Awaitable[First], second: Awaitable[Second]) -> tuple[First, Second]:
    """Both results of two awaitables that are asked in the same tick.

    Both are awaited to their end: a failure of one must not leave the other's unobserved.
    """
    one, two = await asyncio.gather(first, second, return_exceptions=True)
    if isinstance(one, BaseException):
        raise one
    if isinstance(two, BaseException):
        raise two
    return one, two
