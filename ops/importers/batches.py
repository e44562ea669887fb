"""One file, batch by batch: read, land in one transaction, purge, report."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final, Generic, TypeVar

import msgspec
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.exceptions import IntegrityError

from models.database import is_unavailable, transaction
from ops.importers.cells import Cells
from ops.importers.layout import Layout, digest
from ops.importers.problems import BadRow, ImportRefused, Problem
from ops.importers.purging import Purge, Purger
from ops.importers.records import Records
from ops.importers.rejects import Rejects
from ops.importers.report import Tally
from ops.importers.seen import Met, Seen
from ops.importers.target import Entry, Saved, Target

R = TypeVar("R", bound=msgspec.Struct)

ATTEMPTS: Final = 6
FIRST_PAUSE: Final = 0.1
"""Seconds before the second attempt; each further pause is twice as long."""

BREATHER: Final = 0.25
"""On SQLite: the pause after a batch, as a part of the time that its transaction took.

There is one writer at a time, and who waits for it only looks every 0.1 s: without a pause an order
that the running store takes could wait for seconds."""

_CONFLICTS: Final = frozenset({"40001", "40P01"})
"""SQLSTATEs of transactions that lost against another one: the same again will do."""


@dataclass(frozen=True)
class Job:
    """What the files of one import share. `advanced` is told the bytes read of a file so far."""

    directory: Path
    rejects: Rejects
    purger: Purger
    batch_rows: int
    advanced: Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that does not go in."""

    line: int
    problem: Problem
    raw: bytes


@dataclass(slots=True)
class _Landed(Generic[R]):
    """What became of a batch's rows."""

    saved: Saved = field(default_factory=Saved)
    accepted: list[Entry[R]] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    note: str | None = None
    """The id of its outbox row."""
    pause: float = 0.0
    """Seconds to leave the database to others."""


@dataclass(frozen=True)
class FileImport(Generic[R]):
    """The import of one file: its layout, and who takes a batch in an open transaction."""

    job: Job
    layout: Layout[R]
    target: Callable[[BaseDBAsyncClient], Target[R]]

    async def run(self) -> Tally:
        """Bring the file in. Raises `ImportRefused` when it cannot go on."""
        path = self.job.directory / self.layout.file
        with path.open("rb") as file, Seen() as seen:
            records = Records(path, file, self.layout.columns)
            tally = Tally(self.layout.file, ignored=records.ignored)
            rows = read_rows(records, self.layout)
            while batch := list(islice(rows, self.job.batch_rows)):
                pause = await self._batch(batch, seen, tally)
                self.job.advanced(self.layout.file, records.read)
                await asyncio.sleep(pause)
        return tally

    async def _batch(self, batch: Sequence[Entry[R] | Rejected], seen: Seen, tally: Tally) -> float:
        """Land one batch and report on it; the seconds to pause before the next."""
        entries = [row for row in batch if isinstance(row, Entry)]
        rejected = [row for row in batch if isinstance(row, Rejected)]
        landed = await self._land(entries, seen)
        seen.remember({one.key: Met(one.line, one.digest) for one in landed.accepted})
        rejected += landed.rejected
        for one in sorted(rejected, key=lambda one: one.line):
            self.job.rejects.add(self.layout.file, one.line, one.problem, one.raw)
        self.job.rejects.flush()
        tally.added += landed.saved.added
        tally.changed += landed.saved.changed
        tally.unchanged += len(landed.accepted) - landed.saved.added - landed.saved.changed
        tally.rejected += len(rejected)
        return landed.pause

    async def _land(self, entries: Sequence[Entry[R]], seen: Seen) -> _Landed[R]:
        """Land the good rows, and purge what that made stale.

        An attempt may have landed although it failed (a connection that broke during the commit):
        what any attempt made stale is purged, also when the import then stops.
        """
        purge, landed = Purge(), _Landed[R]()
        if not entries:
            return landed
        try:
            landed = await self._persist(entries, seen, purge)
        finally:
            if purge:
                await self.job.purger.purge(purge.names(), landed.note)
        return landed

    async def _persist(self, entries: Sequence[Entry[R]], seen: Seen, purge: Purge) -> _Landed[R]:
        """The batch in one transaction; once more when another one was in the way."""
        pause = FIRST_PAUSE
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._attempt(entries, seen, purge)
            except Exception as error:
                if not _may_pass(error):
                    raise
                if attempt == ATTEMPTS:
                    raise ImportRefused(_stopped(self.layout.file, error)) from error
            await asyncio.sleep(pause)
            pause *= 2
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _attempt(self, entries: Sequence[Entry[R]], seen: Seen, purge: Purge) -> _Landed[R]:
        landed: _Landed[R] = _Landed()
        began = time.monotonic()
        async with transaction() as connection:
            target = self.target(connection)
            await target.load(entries)
            self._admit(target, entries, seen, landed)
            landed.saved = await target.save(landed.accepted)
            if landed.saved.purge:
                purge.merge(landed.saved.purge)
                landed.note = await self.job.purger.note(landed.saved.purge.names())
        if connection.capabilities.dialect == "sqlite":
            landed.pause = (time.monotonic() - began) * BREATHER
        return landed

    def _admit(
        self, target: Target[R], entries: Sequence[Entry[R]], seen: Seen, landed: _Landed[R]
    ) -> None:
        """Sort the rows into good and bad ones. Of those with one key the first *good* one wins."""
        met = seen.find({entry.key for entry in entries})
        column = self.layout.key_columns[-1]
        for entry in entries:
            problem = _repeated(entry, met.get(entry.key), column) or target.admit(entry)
            if problem is None:
                met[entry.key] = Met(entry.line, entry.digest)
                landed.accepted.append(entry)
            else:
                landed.rejected.append(Rejected(entry.line, problem, entry.raw))


def read_rows(records: Records, layout: Layout[R]) -> Iterator[Entry[R] | Rejected]:
    """Each row of a file: as what it says, or as what is wrong with it."""
    for record in records:
        if record.problem is not None:
            yield Rejected(record.line, record.problem, record.raw)
            continue
        try:
            row = layout.read(Cells(records.positions, record.fields))
        except BadRow as error:
            yield Rejected(record.line, error.problem, record.raw)
        else:
            yield Entry(record.line, record.raw, row, layout.key(row), digest(row))


def _repeated(entry: Entry[R], first: Met | None, column: str) -> Problem | None:
    if first is None:
        return None
    if first.digest == entry.digest:
        return Problem(column, f"an exact duplicate of line {first.line}: nothing to do")
    return Problem(column, f"the key of line {first.line} with other values: that line stays")


def _may_pass(error: BaseException) -> bool:
    """Whether the same transaction can succeed a little later.

    It met another one (a unique key that both added, a deadlock), or the database is away.
    """
    state = getattr(error, "sqlstate", None)
    return isinstance(error, IntegrityError) or state in _CONFLICTS or is_unavailable(error)


def _stopped(file: str, error: BaseException) -> str:
    return (
        f"The database did not take a batch of {file} in {ATTEMPTS} attempts: {error}. "
        "What landed before stays. Run the import again: it goes on from there"
    )
