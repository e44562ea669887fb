"""Leases in Redis, and the channel on which waiters are woken."""

from __future__ import annotations

import asyncio
import contextlib
import math
import secrets
from collections.abc import Mapping
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from ..keys import storage_key
from .cluster import primary_of
from .script import Script, translated

_RELEASE = Script(
    """#!lua flags=allow-oom
-- Only who has the lease gives it back: it may have ended, and be somebody else's by now.
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
  redis.call('PUBLISH', ARGV[2], KEYS[1])
  return 1
end
return 0
"""
)

_PAUSE = 0.1
"""Seconds between two attempts to subscribe."""


class RedisLeases:
    """`Leases` on `redis`, all keys and the one channel under `prefix`. Leases end by themselves.

    Waiting opens one subscription for the process, at the first wait.
    """

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis = redis
        self._prefix = f"{prefix}:lease"
        self._channel = f"{{{prefix}}}:leases"
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._listener: asyncio.Task[None] | None = None

    async def acquire(self, key: str, seconds: float) -> str | None:
        token = secrets.token_hex(8)
        with translated():
            got = await self._redis.set(
                self._name(key), token, nx=True, px=max(1, math.ceil(seconds * 1000))
            )
        return token if got else None

    async def release(self, key: str, token: str) -> None:
        await _RELEASE.run(self._redis, [self._name(key)], [token, self._channel])

    async def wait(self, key: str, timeout: float) -> bool:  # noqa: ASYNC109 - it ends waiting
        name, woken = self._name(key), asyncio.Event()
        if self._listener is None or self._listener.done():
            self._listener = asyncio.get_running_loop().create_task(self._listen())
        self._waiting.setdefault(name, set()).add(woken)
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(woken.wait(), timeout)
        finally:
            self._waiting[name].discard(woken)
            if not self._waiting[name]:
                del self._waiting[name]
        return woken.is_set()

    async def aclose(self) -> None:
        if self._listener is not None:
            self._listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listener
            self._listener = None

    def _name(self, key: str) -> str:
        return storage_key(self._prefix, key)

    async def _listen(self) -> None:
        while True:
            try:
                await self._subscribed()
            except (RedisError, OSError, TimeoutError):
                await asyncio.sleep(_PAUSE)

    async def _subscribed(self) -> None:
        server = await primary_of(self._redis, self._channel)
        async with server.pubsub(ignore_subscribe_messages=False) as pubsub:
            await pubsub.subscribe(self._channel)
            while True:
                message: Mapping[str, Any] | None = await pubsub.get_message(timeout=None)
                if message is None:
                    continue
                if message["type"] == "subscribe":
                    # Whoever came before this may have missed what it waits for: look again.
                    self._wake(*self._waiting)
                else:
                    self._wake(message["data"].decode())

    def _wake(self, *names: str) -> None:
        for name in names:
            for event in self._waiting.get(name, ()):
                event.set()
