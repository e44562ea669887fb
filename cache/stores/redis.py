"""Entries, watermarks and the log on one Redis or Valkey server (7.0 and up)."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
from redis.asyncio import Redis

from ..facts import Fact, Observer, RoundTrip
from ..keys import storage_key
from ..policy import MAX_LIFETIME
from ..protocol import Look, Position
from .base import Fill
from .connection import GuardedRedis
from .script import Argument, Script, run_pipeline

_WATERMARK_LIFETIME = MAX_LIFETIME + 3_600
"""Seconds: longer than any entry lives, or a purge would be forgotten before what it purged."""

_LOG_LIFETIME = 600.0
"""Seconds for which the log remembers a purge."""

_LUA = __package__ + ".lua"
_LOOK = Script.read(_LUA, "epoch.lua", "look.lua")
_INVALIDATE = Script.read(_LUA, "epoch.lua", "invalidate.lua")
_FILL = Script.read(_LUA, "epoch.lua", "fill.lua")


class RedisStore:
    """A `Store` on `redis`, all of its keys under `prefix`.

    State, log and watermarks share a hash slot, entries spread. The state and the log have no
    time to live: each is one key, and every purge trims the log to ten minutes. Watermarks and
    entries expire.
    """

    def __init__(
        self,
        redis: Redis,
        prefix: str,
        *,
        observers: Iterable[Observer] = (),
        new_epoch: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self._redis = redis
        self._prefix = prefix
        self._observers = tuple(observers)
        self._new_epoch = new_epoch
        self._state = [f"{{{prefix}}}:state", f"{{{prefix}}}:log"]

    async def look_up(self, keys: Sequence[str]) -> tuple[Sequence[bytes | None], Look]:
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.mget([storage_key(self._prefix, key) for key in keys])
        _LOOK.add_to(pipeline, self._state, [self._new_epoch()])
        self._tell(RoundTrip("look-up", 2))
        stored, told = await run_pipeline(self._redis, pipeline, _LOOK)
        return stored, _look(told, [])

    async def look(self, tags: Iterable[str]) -> Look:
        asked = list(tags)
        self._tell(RoundTrip("judge", 1))
        told = await _LOOK.run(self._redis, self._keys(asked), [self._new_epoch()])
        return _look(told, asked)

    async def fill(self, fills: Sequence[Fill]) -> None:
        lifetimes: dict[str, float] = {}
        pipeline = self._redis.pipeline(transaction=False)
        for fill in fills:
            for tag in fill.tags:
                lifetimes[tag] = max(lifetimes.get(tag, 0.0), fill.lifetime)
            key = storage_key(self._prefix, fill.key)
            pipeline.set(key, fill.stored, px=_milliseconds(fill.lifetime))
        arguments: list[Argument] = [
            self._new_epoch(),
            *map(_milliseconds, lifetimes.values()),
        ]
        _FILL.add_to(pipeline, self._keys(lifetimes), arguments)
        self._tell(RoundTrip("fill", len(fills) + 1))
        await run_pipeline(self._redis, pipeline, _FILL)

    async def invalidate(self, tags: Iterable[str]) -> Position:
        named = sorted(set(tags))
        arguments: list[Argument] = [
            self._new_epoch(),
            msgspec.json.encode(named),
            _milliseconds(_WATERMARK_LIFETIME),
            _milliseconds(_LOG_LIFETIME),
        ]
        if isinstance(self._redis, GuardedRedis):
            # A pause of this process can open the breaker of a server that is well. Readers load
            # then; a purge that is not even tried would leave everyone else an old value.
            self._redis.breaker.insist()
        self._tell(RoundTrip("invalidate", 1))
        epoch, identifier = await _INVALIDATE.run(self._redis, self._keys(named), arguments)
        return Position(epoch.decode(), int(identifier))

    def _tell(self, fact: Fact) -> None:
        for observer in self._observers:
            observer(fact)

    def _keys(self, tags: Iterable[str]) -> list[str]:
        return [*self._state, *(f"{{{self._prefix}}}:w:{tag}" for tag in tags)]


def _look(told: Sequence[Any], tags: Sequence[str]) -> Look:
    epoch, head, seconds, microseconds, marks = told
    return Look(
        head=Position(epoch.decode(), int(head)),
        now=int(seconds) + int(microseconds) / 1e6,
        watermarks={tag: _position(mark) for tag, mark in zip(tags, marks, strict=True)},
    )


def _position(mark: bytes | None) -> Position | None:
    if mark is None:
        return None
    epoch, _, identifier = mark.decode().rpartition(":")
    return Position(epoch, int(identifier))


def _milliseconds(seconds: float) -> int:
    return max(1, math.ceil(seconds * 1000))
