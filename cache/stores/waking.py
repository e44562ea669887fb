"""Waits to be woken by messages of one channel, over one connection for the process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context

from redis.asyncio import Redis

from ..errors import StoreUnavailable
from ..tasks import end, raise_if_cancelled
from .script import translated

log = logging.getLogger(__name__)

_FIRST_PAUSE = 0.05
_LAST_PAUSE = 1.0


class Waiter:
    """What waits for messages about one name. `woken` is set by each, and when some may be lost."""

    def __init__(self) -> None:
        self.woken = asyncio.Event()
        self.has_message = False


class Waking:
    """Hears `channel`, whose messages are names, and wakes who waits for them.

    It connects at the first wait, and again whenever the connection breaks; then everybody is
    woken, for what may have been missed meanwhile.
    """

    def __init__(self, redis: Redis, channel: str) -> None:
        self._redis = redis
        self._channel = channel
        self._waiters: dict[str, set[Waiter]] = {}
        self._hearing: asyncio.Task[None] | None = None
        self._is_connected = asyncio.Event()

    @contextmanager
    def waiting(self, name: str) -> Iterator[Waiter]:
        """A waiter for messages about `name`, in the block."""
        if self._hearing is None or self._hearing.done():
            loop = asyncio.get_running_loop()
            self._hearing = loop.create_task(self._hear_for_ever(), context=Context())
        waiter = Waiter()
        waiters = self._waiters.setdefault(name, set())
        waiters.add(waiter)
        try:
            yield waiter
        finally:
            waiters.discard(waiter)
            if not waiters:
                self._waiters.pop(name, None)

    async def connected(self, patience: float) -> bool:
        """Wait until messages are heard, at most `patience` seconds."""
        try:
            async with asyncio.timeout(patience):
                await self._is_connected.wait()
        except TimeoutError:
            return False
        return True

    async def aclose(self) -> None:
        hearing, self._hearing = self._hearing, None
        if hearing is not None:
            await end([hearing])

    async def _hear_for_ever(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                with translated():
                    await self._hear()
            except StoreUnavailable as error:
                log.debug("waiting for messages: %s; connecting again", error)
            if self._is_connected.is_set():
                self._is_connected.clear()
                pause = _FIRST_PAUSE
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LAST_PAUSE)

    async def _hear(self) -> None:
        async with self._redis.pubsub() as pubsub:
            await pubsub.subscribe(self._channel)
            while True:
                raise_if_cancelled()
                message = await pubsub.get_message(timeout=None)
                if message is None:
                    continue
                if message["type"] == "message":
                    self._wake(message["data"].decode())
                else:
                    self._is_connected.set()
                    self._wake_all()

    def _wake(self, name: str) -> None:
        for waiter in self._waiters.get(name, ()):
            waiter.has_message = True
            waiter.woken.set()

    def _wake_all(self) -> None:
        for waiters in self._waiters.values():
            for waiter in waiters:
                waiter.woken.set()
