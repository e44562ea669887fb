"""A board's stream: a `cache.writes` journal in the board's own hash slot."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Final

from redis.asyncio import Redis

from ..writes import Applied, Journal

_LONGEST_NAME: Final = 100


def stream_name(key: str) -> str:
    """What the stream of the board `key` is called, in its row of progress and in the log.

    At most 100 characters: a longer one ends with a digest of the key.
    """
    name = f"leaderboard:{key}"
    if len(name) <= _LONGEST_NAME:
        return name
    digest = sha256(key.encode()).hexdigest()[:32]
    return f"{name[: _LONGEST_NAME - 33]}~{digest}"


class BoardJournal(Journal):
    """The stream of the board `key`, and the names of the board's other keys."""

    def __init__(
        self, key: str, redis: Redis, prefix: str, fence: Callable[[], Awaitable[Applied]]
    ) -> None:
        # The digit is the format's: another one shall not read what this one wrote.
        super().__init__(stream_name(key), redis, f"{{{prefix}:lb2:{key}}}", fence)

    def key(self, part: str) -> str:
        """A key in the board's slot."""
        return f"{self._slot}:{part}"
