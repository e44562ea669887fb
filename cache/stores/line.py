"""A connection of one's own, for what waits in the server."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

Command = Sequence[str | bytes | int | float]


class Line:
    """One connection to the server of `redis`, outside of its pool and of its time-outs.

    It is opened at the first question, and again at the first one after it broke. One caller at a
    time.
    """

    def __init__(self, redis: Redis) -> None:
        pool = redis.connection_pool
        self._connection = pool.make_connection()  # type: ignore[no-untyped-call]

    async def ask(self, commands: Sequence[Command], patience: float) -> list[Any]:
        """The replies to these commands, errors of the server among them, within `patience` s.

        Whatever else goes wrong, and cancellation too, closes the connection: no reply is left on
        it for the next question. Raises redis-py's errors and `TimeoutError`.
        """
        try:
            async with asyncio.timeout(patience):
                await self._connection.connect()
                packed = self._connection.pack_commands(commands)
                await self._connection.send_packed_command(packed, check_health=False)
                return [await self._reply() for _ in commands]
        except BaseException:
            await self.close()
            raise

    async def _reply(self) -> Any:
        try:
            return await self._connection.read_response(timeout=math.inf)
        except ResponseError as error:
            return error

    async def close(self) -> None:
        """Close the connection; the next question opens another."""
        await self._connection.disconnect(nowait=True)
