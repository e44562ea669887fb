"""Leases on Redis: one key each, and one channel on which those who wait are woken."""

from __future__ import annotations

import asyncio
import secrets

from redis.asyncio import Redis

from ..errors import StoreUnavailable
from ..keys import storage_key
from .node import BUDGET
from .script import Script, translated
from .waking import Waiter, Waking
from .wire import milliseconds

_RELEASE = Script.read(__package__ + ".lua", "release.lua")

_LOOK = 1.0
"""Seconds between two looks at a lease whose release was not heard of."""


class RedisLeases:
    """`Leases` on `redis`, one server or a cluster, all of its keys under `prefix`.

    A lease is a key that ends by itself (SET NX PX; https://redis.io/docs/latest/commands/set/,
    "Patterns"). A release publishes on the channel `<prefix>:leases`. Two processes may have the
    same lease after a failover: that costs a second load, and nothing else.
    """

    def __init__(self, redis: Redis, prefix: str) -> None:
        """Nothing is opened before the first wait."""
        self._redis = redis
        self._prefix = f"{prefix}:lease"
        self._channel = f"{prefix}:leases"
        self._waking = Waking(redis, self._channel)

    async def acquire(self, key: str, seconds: float) -> str | None:
        """A token for the lease on `key`; None while somebody has it."""
        token = secrets.token_hex(8)
        with translated():
            taken = await self._redis.set(self._name(key), token, nx=True, px=milliseconds(seconds))
        return token if taken else None

    async def release(self, key: str, token: str) -> None:
        """Give the lease back, if `token` still has it, and wake who waits for it."""
        await _RELEASE.run(self._redis, [self._name(key)], [token, self._channel])

    async def wait(self, key: str, timeout: float) -> bool:  # noqa: ASYNC109 - it ends waiting
        """Wait until the lease is free, at most `timeout` seconds; whether it is.

        Woken by the release, or at the end of the lease: who had it may be gone. It looks once a
        second, too, in case that a message was lost, as between nodes of a cluster. False at once
        when Redis is away: then the lease protects nothing.
        """
        name = self._name(key)
        ends = asyncio.get_running_loop().time() + timeout
        with self._waking.waiting(name) as waiter:
            # First the channel, then the question: a release in between is seen by one of them.
            await self._waking.connected(min(timeout, BUDGET))
            try:
                return await self._until_free(name, waiter, ends)
            except StoreUnavailable:
                return False

    async def aclose(self) -> None:
        """Close the connection of the channel."""
        await self._waking.aclose()

    async def _until_free(self, name: str, waiter: Waiter, ends: float) -> bool:
        clock = asyncio.get_running_loop().time
        while (left := ends - clock()) > 0:
            waiter.woken.clear()
            if waiter.has_message:
                return True
            with translated():
                remaining = int(await self._redis.pttl(name))
            if remaining == -2:  # there is no such key
                return True
            try:
                async with asyncio.timeout(min(left, max(remaining, 1) / 1000, _LOOK)):
                    await waiter.woken.wait()
            except TimeoutError:
                continue
        return False

    def _name(self, key: str) -> str:
        return storage_key(self._prefix, key)
