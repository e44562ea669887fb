"""Entries, watermarks and the log on Redis or Valkey (7.0 and up)."""

from __future__ import annotations

import asyncio
import math
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import msgspec
from redis.asyncio import Redis

from ..facts import Observer, RoundTrip, StoreFailed
from ..keys import storage_key
from ..observers import Observers
from ..policy import MAX_LIFETIME
from ..protocol import Followed, Look, Position
from . import wire
from .base import Fill
from .connection import open_redis
from .line import Command, Line
from .node import insisting
from .script import Argument, Script, translated

_WATERMARK_LIFETIME = MAX_LIFETIME + 3_600
"""Seconds: longer than any entry lives, or a purge would be forgotten before what it purged."""

_LOG_LIFETIME = 600.0
"""Seconds for which the log remembers a purge."""

_MOST_PURGES = 1_000
"""Purges in one answer to a follower."""

_FOLLOWER_PATIENCE = 0.25
"""Seconds that an answer to the follower may take beyond its wait. No request waits for it."""

_SHORTEST_BLOCK = 0.12
"""Seconds. A server that has nothing else to do looks ten times a second (`hz 10`) at whether
blocked clients have waited long enough: a shorter wait is the worker's own, since two that became
twice as long would leave it not current (F2)."""


def _new_epoch() -> str:
    return secrets.token_hex(8)


class RedisStore:
    """A `Store` on `redis`, all of its keys under `prefix`.

    Epoch, log and watermarks are on `state`, if it is given: then the server of the entries may
    evict as it likes. They share a hash slot, entries spread. The state and the log have no time
    to live: each is one key, and every purge trims the log to ten minutes and 100,000 purges.
    Watermarks and entries expire.

    With clients of `open_redis` all that is asked in one tick of the event loop is one round trip
    for each server.
    """

    def __init__(
        self,
        redis: Redis,
        prefix: str,
        *,
        state: Redis | None = None,
        observers: Iterable[Observer] = (),
        new_epoch: Callable[[], str] = _new_epoch,
    ) -> None:
        self._redis = redis
        self._state = state or redis
        self._prefix = prefix
        self._observe = Observers(observers)
        self._new_epoch = new_epoch
        self._keys = [f"{{{prefix}}}:state", f"{{{prefix}}}:log"]
        self._line = Line(self._state, self._keys[1])
        self._opened: tuple[Redis, ...] = ()

    @classmethod
    def open(
        cls,
        url: str,
        prefix: str,
        *,
        state_url: str | None = None,
        observers: Iterable[Observer] = (),
    ) -> RedisStore:
        """A store with clients of its own, which `aclose` closes; nothing is sent yet.

        `url` and `state_url` are what `open_redis` takes. `prefix` is one for each application
        *and database*: two databases with one prefix would share entries. Raises `ValueError` for
        URLs that are none.
        """
        told = tuple(observers)
        clients = [open_redis(one, observers=told) for one in (url, state_url) if one is not None]
        store = cls(clients[0], prefix, state=clients[-1], observers=told)
        store._opened = tuple(clients)
        return store

    # ---- entries ----

    async def get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        if not keys:
            return []
        self._tell("get", len(keys))
        with translated():
            stored = await self._redis.mget([storage_key(self._prefix, key) for key in keys])
        return cast(list[bytes | None], stored)

    async def put(self, fills: Sequence[Fill]) -> None:
        if not fills:
            return
        pipeline = self._redis.pipeline(transaction=False)
        for fill in fills:
            key = storage_key(self._prefix, fill.key)
            pipeline.set(key, fill.stored, px=wire.milliseconds(fill.lifetime))
        self._tell("put", len(fills))
        with translated():
            replies = await pipeline.execute(raise_on_error=False)
            failed = [reply for reply in replies if isinstance(reply, Exception)]
            if len(failed) == len(fills):
                raise failed[0]
        if failed:  # a node of a cluster is away, the entries on the others are stored
            self._observe(StoreFailed("put", f"{len(failed)} of {len(fills)}: {failed[0]}"))

    # ---- state ----

    async def look(self, tags: Iterable[str]) -> Look:
        asked = list(tags)
        return wire.look(await self._ask("look", wire.LOOK, asked), asked)

    async def remember(self, lifetimes: Mapping[str, float]) -> None:
        if lifetimes:
            arguments = map(wire.milliseconds, lifetimes.values())
            await self._ask("remember", wire.REMEMBER, lifetimes, *arguments)

    async def invalidate(self, tags: Iterable[str]) -> Position:
        named = sorted(set(tags))
        lifetimes = map(wire.milliseconds, (_WATERMARK_LIFETIME, _LOG_LIFETIME))
        encoded = msgspec.json.encode(named)
        with insisting():
            told = await self._ask("invalidate", wire.INVALIDATE, named, encoded, *lifetimes)
        return wire.position(told)

    async def follow(self, after: Position | None, wait: float) -> Followed:
        epoch, identifier = after or Position("", 0)
        arguments: list[Argument] = [self._new_epoch(), epoch, identifier, _MOST_PURGES]
        # With its source: this is no place to learn that the server has forgotten it.
        commands: list[Command] = [
            ("EVAL", wire.FOLLOW.source, len(self._keys), *self._keys, *arguments)
        ]
        if after is not None and wait >= _SHORTEST_BLOCK:
            commands.insert(0, self._doorbell(identifier, wait))
        elif after is not None:
            await asyncio.sleep(wait)
        self._tell("follow", len(commands))
        with translated():
            told = await self._line.ask(commands, max(0.0, wait) + _FOLLOWER_PATIENCE)
        return wire.followed(told)

    def _doorbell(self, after: int, wait: float) -> Command:
        # What it brings is not used: the script tells all as of one moment.
        block = wire.milliseconds(wait)  # 0 would block for ever
        return ("XREAD", "COUNT", 1, "BLOCK", block, "STREAMS", self._keys[1], f"{after}-0")

    async def renew(self, expected: str | None = None) -> Position:
        return wire.position(await self._ask("renew", wire.RENEW, (), expected or ""))

    async def relay_begins(self, patience: float) -> Look:
        allowed = wire.milliseconds(patience)
        return wire.look(await self._ask("relay", wire.RELAY_BEGINS, (), allowed), ())

    async def relay_looked(self, epoch: str, at: float) -> None:
        await self._ask("relay", wire.RELAY_LOOKED, (), epoch, math.floor(at * 1000))

    async def aclose(self) -> None:
        """Close the follower's connection, and what `open` opened: other clients are their
        owner's."""
        await self._line.close()
        for client in self._opened:
            await client.aclose()

    async def _ask(
        self, purpose: str, script: Script, tags: Iterable[str], *arguments: Argument
    ) -> Any:
        keys = [*self._keys, *(f"{{{self._prefix}}}:w:{tag}" for tag in tags)]
        self._tell(purpose, 1)
        return await script.run(self._state, keys, [self._new_epoch(), *arguments])

    def _tell(self, purpose: str, commands: int) -> None:
        self._observe(RoundTrip(purpose, commands))
