"""Records: Redis hashes whose fields are read and written one at a time.

An entry of the cache is one value that is judged, and replaced, as a whole. A record is the other
kind of thing: a few small fields that change often and by themselves, such as when a session was
last seen. Nothing is decided by a record's presence: it has a time to live, Redis may be emptied,
and whoever needs it to be there makes it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from redis.asyncio import Redis

from .batch import TickBatcher
from .stores.script import Script, run_pipeline

Value = str | bytes | int
Fields = tuple[bytes | None, ...]

_PUT = Script(
    """#!lua
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
return redis.call('PEXPIRE', KEYS[1], ARGV[1])"""
)
"""In one step: a record that got its field and not its time to live would stay for ever."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    key: str
    fields: tuple[str, ...]


class Records:
    """The records of one kind, each under `<prefix>:<kind>:<name>`.

    `prefix` tells deployments and databases apart; `ttl` is in seconds and starts anew with each
    write. All reads of one event-loop tick go out in one round trip, and so do all fields of a
    write and all records of `put_many`. Every method raises `StoreUnavailable` when Redis is away.
    """

    def __init__(self, redis: Redis, prefix: str, kind: str, ttl: float) -> None:
        if ttl <= 0:
            raise ValueError(f"a record's ttl must be more than 0 seconds, got {ttl!r}")
        self._redis = redis
        self._prefix = f"{prefix}:{kind}"
        self._ttl = round(ttl * 1000)
        self._reads = TickBatcher(self._read_all)

    def key(self, name: str) -> str:
        """The Redis key of the record `name`."""
        return f"{self._prefix}:{name}"

    async def get(self, name: str, field: str) -> bytes | None:
        """One field; None where the record or the field is missing."""
        [value] = await self._reads.submit(_Wanted(self.key(name), (field,)))
        return value

    async def get_many(self, names: Sequence[str], fields: Sequence[str]) -> list[Fields]:
        """These fields of each record, in the order asked for; None for each one missing."""
        wanted = tuple(fields)
        reads = [self._reads.submit(_Wanted(self.key(name), wanted)) for name in names]
        return list(await asyncio.gather(*reads))

    async def put(self, name: str, field: str, value: Value) -> None:
        """Write one field, leave the others, and start the record's time to live anew."""
        await self.put_many({name: {field: value}})

    async def put_many(self, records: Mapping[str, Mapping[str, Value]]) -> None:
        """Write these fields of each record, in one round trip; each record is one step."""
        pipeline = self._redis.pipeline(transaction=False)
        for name, fields in records.items():
            flat = [part for item in fields.items() for part in item]
            if flat:
                _PUT.add_to(pipeline, [self.key(name)], [self._ttl, *flat])
        if len(pipeline):
            await run_pipeline(self._redis, pipeline, _PUT)

    async def drop(self, *names: str) -> None:
        """Remove these records; missing ones are fine."""
        pipeline = self._redis.pipeline(transaction=False)
        for name in names:
            pipeline.unlink(self.key(name))
        if len(pipeline):
            await run_pipeline(self._redis, pipeline)

    async def _read_all(self, wanted: Sequence[_Wanted]) -> Sequence[Fields]:
        pipeline = self._redis.pipeline(transaction=False)
        for read in wanted:
            pipeline.hmget(read.key, read.fields)
        return [tuple(values) for values in await run_pipeline(self._redis, pipeline)]
