"""Doorbells: who listens to the changes of copies, over one pub/sub connection for all boards."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from ..errors import StoreUnavailable
from ..stores.script import translated

log = logging.getLogger(__name__)

_WAIT = 1.0
_FIRST_RETRY = 0.05
_LAST_RETRY = 1.0


class Doorbells:
    """Calls a function whenever a channel rings. A ring may be lost: listeners poll as well.

    The connection is open while anyone listens; it is made again when it breaks, and then every
    listener is called once, for what may have been missed.
    """

    def __init__(self, redis: Redis) -> None:
        """Connect to nothing yet."""
        self._redis = redis
        self._listeners: dict[str, Callable[[], None]] = {}
        self._pubsub: PubSub | None = None
        self._task: asyncio.Task[None] | None = None

    async def listen(self, channel: str, ring: Callable[[], None]) -> None:
        """Call `ring` at each message of `channel`; one listener a channel."""
        self._listeners[channel] = ring
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        else:
            await self._tell("subscribe", channel)

    async def ignore(self, channel: str) -> None:
        """Stop listening to `channel`; the last one closes the connection."""
        self._listeners.pop(channel, None)
        if self._listeners:
            await self._tell("unsubscribe", channel)
        else:
            await self.aclose()

    async def aclose(self) -> None:
        """Close the connection."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _tell(self, command: str, channel: str) -> None:
        pubsub = self._pubsub
        if pubsub is None:
            return  # not connected: connecting subscribes to all channels
        try:
            with translated():
                await getattr(pubsub, command)(channel)
        except StoreUnavailable as error:
            log.debug("doorbells: %s", error)  # the reading side meets the same and reconnects

    async def _run(self) -> None:
        delay = _FIRST_RETRY
        while True:
            try:
                with translated():
                    async with self._redis.pubsub() as pubsub:
                        await pubsub.subscribe(*self._listeners)
                        self._pubsub = pubsub
                        delay = _FIRST_RETRY
                        self._ring_all()
                        await self._listen(pubsub)
            except StoreUnavailable as error:
                log.debug("doorbells: %s; connecting again", error)
            finally:
                self._pubsub = None
            await asyncio.sleep(delay)
            delay = min(2 * delay, _LAST_RETRY)

    async def _listen(self, pubsub: PubSub) -> None:
        while True:
            message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=_WAIT)
            if message is not None and message["type"] == "message":
                ring = self._listeners.get(message["channel"].decode())
                if ring is not None:
                    ring()

    def _ring_all(self) -> None:
        for ring in list(self._listeners.values()):
            ring()
