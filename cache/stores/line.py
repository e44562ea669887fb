"""A connection of one's own, for what waits in the server."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import AskError, ResponseError, TryAgainError

from .cluster import GuardedCluster, primary_of

Command = Sequence[str | bytes | int | float]


class Line:
    """One connection to the primary that serves `key`, outside of its pool and its time-outs.

    It is opened at the first question, and again at the first one after anything went wrong: then
    to whichever server is the primary by now. One caller at a time.
    """

    def __init__(self, redis: Redis, key: str) -> None:
        self._redis = redis
        self._key = key
        self._server: Redis | None = None
        self._connection: Any = None  # redis-py leaves these without types

    async def ask(self, commands: Sequence[Command], patience: float) -> Any:
        """The reply to the last of these commands, sent together, within `patience` seconds.

        Whatever goes wrong, cancellation too, closes the connection: no reply is left on it for the
        next question. Raises redis-py's errors and `TimeoutError`.
        """
        try:
            async with asyncio.timeout(patience):
                return await self._exchange(commands)
        except (AskError, TryAgainError):
            # The keys are moving, or have moved: the ordinary client knows how to find them.
            await self.close()
            redis: Any = self._redis
            return await redis.execute_command(*commands[-1])
        except BaseException:
            await self.close()
            if isinstance(self._redis, GuardedCluster):
                self._redis.doubt()
            raise

    async def _exchange(self, commands: Sequence[Command]) -> Any:
        server = await primary_of(self._redis, self._key)
        if server is not self._server:
            await self.close()
            self._server = server
            pool: Any = server.connection_pool
            self._connection = pool.make_connection()
            # Only `patience` counts. redis-py applies this one through `asyncio.wait_for`, which
            # can lose a cancellation (python/cpython#86296), and this would wait for ever.
            self._connection.socket_timeout = None
        connection = self._connection
        await connection.connect()
        await connection.send_packed_command(connection.pack_commands(commands), False)
        replies = [await _reply(connection) for _ in commands]
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies[-1]

    async def close(self) -> None:
        """Close the connection; the next question opens another."""
        connection, self._server, self._connection = self._connection, None, None
        if connection is not None:
            await connection.disconnect(nowait=True)


async def _reply(connection: Any) -> Any:
    try:
        return await connection.read_response(timeout=math.inf)
    except ResponseError as error:
        return error
