"""Reading live values: from their hashes, rebuilt where they are missing, else from SQL."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from redis.exceptions import OutOfMemoryError

from ..batch import TickBatcher
from ..errors import StoreUnavailable
from ..stores.script import Argument
from . import scripts
from .journal import Journal
from .progress import Progress, Snapshot

T = TypeVar("T")
Record = Mapping[str, Any]

_SNAPSHOTS = 3
"""Newer snapshots that are read because a flush trimmed the stream past the last one."""

_CHUNK = 1_000
"""Keys of one script and one snapshot."""


class LiveValues:
    """The values of a write-behind, acknowledged operations included.

    All reads of one event-loop tick, of all requests, are one round trip; what is missing is
    rebuilt together, by one snapshot and one script. While Redis is away the values are SQL's:
    they lack what is not flushed yet.
    """

    def __init__(self, journal: Journal, progress: Progress, life: float) -> None:
        """`life` is that of a live value without changes, in seconds."""
        self._journal = journal
        self._progress = progress
        self._operation = progress.operation
        self._life = round(life * 1000)
        self._reads = TickBatcher(self._read_all)
        self._anew = TickBatcher(self._read_all_anew)

    async def read(self, keys: Sequence[str], fields: Sequence[str]) -> list[Record]:
        """These fields of each key, in the order asked for. Raises the database's errors."""
        names = tuple(fields)
        return list(await asyncio.gather(*(self._reads.submit((key, names)) for key in keys)))

    async def read_anew(self, keys: Sequence[str]) -> list[Record]:
        """All fields, from SQL and the stream's tail, whatever the live values say."""
        return list(await asyncio.gather(*(self._anew.submit(key) for key in keys)))

    async def _read_all_anew(self, keys: Sequence[str]) -> Sequence[Record]:
        records: dict[str, Record] = {}
        for some in _chunks(dict.fromkeys(keys)):
            try:
                records.update(await self._rebuild(some))
            except StoreUnavailable:
                records.update((await self._progress.read(some)).values)
        return [records[key] for key in keys]

    async def _read_all(self, asked: Sequence[tuple[str, tuple[str, ...]]]) -> Sequence[Record]:
        fields = list(dict.fromkeys(name for _, names in asked for name in names))
        records: dict[str, Record] = {}
        for keys in _chunks(dict.fromkeys(key for key, _ in asked)):
            records.update(await self._read_some(keys, fields))
        return [{name: records[key][name] for name in names} for key, names in asked]

    async def _read_some(self, keys: Sequence[str], fields: Sequence[str]) -> Mapping[str, Record]:
        try:
            return await self._from_redis(keys, fields)
        except StoreUnavailable:
            return (await self._progress.read(keys)).values

    async def _from_redis(self, keys: Sequence[str], fields: Sequence[str]) -> Mapping[str, Record]:
        live = [self._journal.live(key) for key in keys]
        _, found = await self._journal.run(scripts.LIVE, live, list(fields))
        decode = self._operation.rule.decode
        records: dict[str, Record] = {
            key: {name: decode(value.decode()) for name, value in zip(fields, values, strict=True)}
            for key, values in zip(keys, found, strict=True)
            if None not in values
        }
        missing = [key for key in keys if key not in records]
        if missing:
            records.update(await self._rebuild(missing))
        return records

    async def _rebuild(self, keys: Sequence[str]) -> Mapping[str, Record]:
        records: Mapping[str, Record] = {}
        newest = 0
        for _ in range(_SNAPSHOTS):
            snapshot = await self._progress.read(keys)
            if snapshot.applied.revision < newest:
                # Redis heard of a later one before this was read: SQL has gone back, to a copy.
                await self._progress.raise_revision(newest)
                snapshot = await self._progress.read(keys)
            records, status, newest = await self._install(snapshot)
            if status == b"ok":
                break
        # Still not exact: SQL has gone back behind the trim (the flusher reports it), or each
        # snapshot was slower than a flush. The value lacks what is neither in it nor the stream.
        return records

    async def _install(self, snapshot: Snapshot) -> tuple[Mapping[str, Record], bytes, int]:
        """The true values of the snapshot's keys at this moment, stored as live values.

        Unless the status is `ok` nothing is stored, and a newer snapshot is needed: the stream was
        trimmed past this one, whose values lack what was trimmed (`trimmed`), or SQL was changed
        past the stream since (`outdated`). Last comes the revision of SQL that Redis knows.
        """
        applied, rule = snapshot.applied, self._operation.rule
        keys = [self._journal.live(key) for key in snapshot.values]
        fields = self._operation.fields
        arguments: list[Argument] = ["1", applied.epoch, applied.last_id, applied.revision]
        arguments += [self._life, rule.script, len(fields), *fields]
        for key, record in snapshot.values.items():
            arguments += [key, *(rule.encode(record[name]) for name in fields)]
        try:
            status, tails, newest = await self._journal.run(scripts.INSTALL, keys, arguments)
        except StoreUnavailable as error:
            if not isinstance(error.__cause__, OutOfMemoryError):
                raise
            arguments[0] = "0"
            status, tails, newest = await self._journal.run(scripts.COMPUTE, keys, arguments)
        return self._with_tails(snapshot, iter(tails)), status, int(newest)

    def _with_tails(self, snapshot: Snapshot, tails: Iterator[bytes | None]) -> dict[str, Record]:
        rule = self._operation.rule
        records: dict[str, Record] = {}
        for key, record in snapshot.values.items():
            whole = dict(record)
            for name in self._operation.fields:
                tail = next(tails)
                if tail is not None:
                    whole[name] = rule.merge(whole[name], rule.decode(tail.decode()))
            records[key] = whole
        return records


def _chunks(items: Iterable[T]) -> Iterator[list[T]]:
    found = list(items)
    for start in range(0, len(found), _CHUNK):
        yield found[start : start + _CHUNK]
