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
from ..tasks import end, raise_if_cancelled

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
        self._listeners: dict[str, list[Ring]] = {}
        self._pubsub: PubSub | None = None
        self._task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def listening(self, channel: str, ring: Ring) -> AsyncIterator[None]:
        """Call `ring` at each message of `channel`."""
        rings = self._listeners.setdefault(channel, [])
        rings.append(ring)
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        try:
            if len(rings) == 1:
                await self._tell(PubSub.subscribe, channel)
            raise_if_cancelled()
            yield
        finally:
            rings.remove(ring)
            if not rings:
                await self._forget(channel)

    async def _forget(self, channel: str) -> None:
        del self._listeners[channel]
        if self._listeners:
            await self._tell(PubSub.unsubscribe, channel)
        elif self._task is not None:
            task, self._task = self._task, None
            await end([task])

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
            subscribed: set[str] = set()
            while missing := self._listeners.keys() - subscribed:  # more may come meanwhile
                await pubsub.subscribe(*missing)
                raise_if_cancelled()
                subscribed |= missing
            self._pubsub = pubsub
            try:
                for channel in list(self._listeners):
                    self._ring(channel)
                while True:
                    message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=None)
                    raise_if_cancelled()
                    if message is not None:
                        self._ring(message["channel"].decode())
            finally:
                if self._pubsub is pubsub:
                    self._pubsub = None

    def _ring(self, channel: str) -> None:
        for ring in self._listeners.get(channel, ()):
            ring()
