"""A simulated world's server that is a real one: each of its steps is awaited to its end."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from redis.asyncio import Redis

from ...keys import storage_key
from ...protocol import Followed, Look, Position
from ...stores.base import Fill
from ...stores.redis import RedisStore

Result = TypeVar("Result")

_ANOTHER = "f" * 40
"""The incarnation of a server that is none."""


class RealRedis:
    """A connection to a Redis or Valkey at `url`, with an event loop of its own."""

    def __init__(self, url: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.client = Redis.from_url(url)

    def run(self, step: Coroutine[Any, Any, Result]) -> Result:
        return self.loop.run_until_complete(step)

    def command(self, *words: str) -> Any:
        return self.run(self._command(*words))

    async def _command(self, *words: str) -> Any:
        return await self.client.execute_command(*words)  # type: ignore[no-untyped-call]

    def close(self) -> None:
        self.run(self.client.aclose())
        self.loop.close()


class RedisServer:
    """What `RedisStore` has under `prefix`. `tags` and `keys` are all that there can be.

    Its time is the real one: in a simulated world its clock runs slowly. Restarts and failovers
    are played: by another incarnation in its state, and by copies of its keys.
    """

    def __init__(
        self, redis: RealRedis, prefix: str, tags: Sequence[str], keys: Sequence[str]
    ) -> None:
        self._redis = redis
        self._prefix = prefix
        self._tags, self._keys = tags, keys
        self._store = RedisStore(redis.client, prefix)
        self._forks = itertools.count(1)
        self._position = Position("", 0)

    # ---- a store's steps ----

    def get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        return self._redis.run(self._store.get(keys))

    def put(self, fills: Sequence[Fill]) -> None:
        self._redis.run(self._store.put(fills))

    def look(self, tags: Iterable[str]) -> Look:
        look = self._redis.run(self._store.look(tags))
        self._position = look.head
        return look

    def remember(self, lifetimes: Mapping[str, float]) -> None:
        self._redis.run(self._store.remember(lifetimes))

    def invalidate(self, tags: Iterable[str]) -> Position:
        self._position = self._redis.run(self._store.invalidate(tags))
        return self._position

    def follow(self, after: Position | None) -> Followed:
        followed = self._redis.run(self._store.follow(after, 0))
        self._position = followed.head
        return followed

    def renew(self, expected: str | None) -> Position:
        self._position = self._redis.run(self._store.renew(expected))
        return self._position

    def relay_begins(self, patience: float) -> Look:
        look = self._redis.run(self._store.relay_begins(patience))
        self._position = look.head
        return look

    def relay_looked(self, epoch: str, at: float) -> None:
        self._redis.run(self._store.relay_looked(epoch, at))

    def position(self) -> Position:
        """The newest position that it told of."""
        return self._position

    # ---- faults ----

    def evict(self, key: str) -> None:
        self._redis.command("DEL", storage_key(self._prefix, key))

    def evict_watermark(self, tag: str) -> None:
        self._redis.command("DEL", f"{{{self._prefix}}}:w:{tag}")

    def lose_log(self) -> None:
        self._redis.command("DEL", f"{{{self._prefix}}}:log")
        self._position = Position(self._position.epoch, 0)

    def trim(self, keep: int = 0) -> None:
        self._redis.command("XTRIM", f"{{{self._prefix}}}:log", "MAXLEN", str(keep))

    def restart(self, *, empty: bool = False) -> None:
        if empty:
            self._redis.command("DEL", *self._names(self._prefix))
            self._position = Position("", 0)
        else:
            self.promote()

    def fork(self) -> RedisServer:
        replica = RedisServer(
            self._redis, f"{self._prefix}-{next(self._forks)}", self._tags, self._keys
        )
        replica._take(self)
        return replica

    def promote(self) -> None:
        self._redis.command("HSET", f"{{{self._prefix}}}:state", "incarnation", _ANOTHER)

    def fail_over(self, replica: RedisServer) -> None:
        self._redis.command("DEL", *self._names(self._prefix))
        self._take(replica)
        self.promote()

    def close(self) -> None:
        """Leave nothing behind."""
        self._redis.command("DEL", *self._names(self._prefix))
        self._redis.run(self._store.aclose())

    def _take(self, other: RedisServer) -> None:
        self._position = other._position
        for mine, its in zip(self._names(self._prefix), self._names(other._prefix), strict=True):
            self._redis.command("COPY", its, mine, "REPLACE")

    def _names(self, prefix: str) -> list[str]:
        """Every key that there may be; those of entries only matter where they are here too."""
        state = [f"{{{prefix}}}:{name}" for name in ("state", "log")]
        marks = [f"{{{prefix}}}:w:{tag}" for tag in self._tags]
        return [*state, *marks, *(storage_key(prefix, key) for key in self._keys)]
