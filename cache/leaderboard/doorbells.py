"""Doorbells: hears the changes of copies, over one pub/sub connection for all boards."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from ..errors import StoreUnavailable
from ..stores.script import translated

log = logging.getLogger(__name__)

_FIRST_RETRY: Final = 0.05
_LAST_RETRY: Final = 1.0

Ring = Callable[[], None]


class Doorbells:
    """Calls a function whenever a channel rings. A ring may be lost: listeners poll as well.

    The connection is open while anyone listens; it is made again when it breaks, and then every
    listener is called once, for what may have been missed.
    """

    def __init__(self, redis: Redis) -> None:
        """Connect to nothing yet."""
        self._redis = redis
        self._listeners: dict[str, Ring] = {}
        self._pubsub: PubSub | None = None
        self._task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def listening(self, channel: str, ring: Ring) -> AsyncIterator[None]:
        """Call `ring` at each message of `channel`; at most one listener a channel."""
        self._listeners[channel] = ring
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        try:
            await self._tell(PubSub.subscribe, channel)
            yield
        finally:
            del self._listeners[channel]
            if self._listeners:
                await self._tell(PubSub.unsubscribe, channel)
            else:
                await self._close()

    async def _close(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _tell(self, command: Callable[[PubSub, str], Awaitable[Any]], channel: str) -> None:
        if self._pubsub is None:
            return  # connecting subscribes to every channel
        try:
            with translated():
                await command(self._pubsub, channel)
        except StoreUnavailable as error:
            log.debug("doorbells: %s", error)  # the reading side meets the same, and reconnects

    async def _run(self) -> None:
        delay = _FIRST_RETRY
        while True:
            try:
                with translated():
                    await self._listen()
            except StoreUnavailable as error:
                log.debug("doorbells: %s; connecting again", error)
            else:
                delay = _FIRST_RETRY
            await asyncio.sleep(delay)
            delay = min(2 * delay, _LAST_RETRY)

    async def _listen(self) -> None:
        async with self._redis.pubsub() as pubsub:
            await pubsub.subscribe(*self._listeners)
            self._pubsub = pubsub
            try:
                for ring in list(self._listeners.values()):
                    ring()
                while True:
                    message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=None)
                    if message is not None:
                        self._ring(message["channel"].decode())
            finally:
                if self._pubsub is pubsub:
                    self._pubsub = None

    def _ring(self, channel: str) -> None:
        ring = self._listeners.get(channel)
        if ring is not None:
            ring()
