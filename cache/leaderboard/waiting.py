"""Which boards may have a backlog: one sorted set, so that nobody has to search for streams.

A worker notes a board before it appends to its stream, and all workers look at what is noted. A
name is forgotten when nothing waits and nobody has noted it for a while, which is longer than a
worker trusts its own last note. What is missing here all the same (a worker was stopped for as
long between its note and its append, and then killed) a worker finds in the streams at its start.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from redis.asyncio import Redis

from ..stores.script import Script, run_pipeline
from . import scripts

TRUSTED: Final = 20.0
"""Seconds after which a worker notes a board again before it appends to its stream."""
FORGOTTEN: Final = 60.0
"""Seconds after which a board without a backlog may be forgotten."""


class WaitingBoards:
    """The boards that may have a backlog. Raises `StoreUnavailable`."""

    def __init__(
        self, redis: Redis, prefix: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._redis = redis
        self._key = f"{prefix}:lb2-waiting"
        self._clock = clock
        self._noted: dict[str, float] = {}

    async def note(self, board: str) -> None:
        """See to it that the board is noted: it is about to have a backlog."""
        now = self._clock()
        if now - self._noted.get(board, float("-inf")) > TRUSTED:
            await self._run(scripts.NOTE, board)
            self._noted[board] = now  # as of before it was sent

    async def found(self) -> Mapping[str, float]:
        """The boards that are noted, and how many seconds ago they last were."""
        reply = await scripts.NOTED.run(self._redis, [self._key], [])
        pairs = zip(reply[::2], reply[1::2], strict=True)
        return {name.decode(): int(age) / 1000 for name, age in pairs}

    async def forget(self, board: str) -> None:
        """Forget a board without a backlog, unless somebody noted it meanwhile."""
        await self._run(scripts.FORGET, round(FORGOTTEN * 1000), board)

    async def lengths(self, streams: Sequence[str]) -> Sequence[int]:
        """How much waits in each of these streams: 0 where there is none."""
        pipeline = self._redis.pipeline(transaction=False)
        for stream in streams:
            pipeline.xlen(stream)
        return await run_pipeline(self._redis, pipeline)

    async def _run(self, script: Script, *arguments: str | int) -> None:
        await script.run(self._redis, [self._key], arguments)
