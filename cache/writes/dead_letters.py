"""Operations that were acknowledged and that SQL refused: listing, replaying, dropping them.

They wait in a table. While one of a key is there, the key is *parked*: later operations on it
follow, in order, so that nothing gets ahead of what waits. All other keys go on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from ..errors import CacheError
from .operation import Entry, Operation, merged
from .progress import Applied

PAGE = 500
"""Dead letters that are read, and applied, at once."""


class NoRowError(CacheError, LookupError):
    """A dead letter cannot be replayed: there is no row that it could go to. Nothing was done."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An operation that waits; `id` is its place among the others, `error` why it is here."""

    id: int
    epoch: str
    entry: Entry
    error: str
    created_at: str


@dataclass(frozen=True, slots=True)
class Parked:
    """How many keys are parked, and how many operations wait."""

    keys: int
    letters: int


@dataclass(frozen=True, slots=True)
class Status:
    """How far SQL is, who holds the lease (None: nobody), and until when (by the database)."""

    applied: Applied
    owner: str | None
    lease_until: str | None


@dataclass(slots=True)
class Past:
    """A transaction that changes SQL's values past the stream: its connection, and the revision
    that it is; once it is committed, the outbox row that tells of it, if there is an outbox."""

    connection: Any
    revision: int
    outbox: str | None = None


@runtime_checkable
class Letters(Protocol):
    """The SQL side of this; `integrations.progress_sql.SqlProgress` has it."""

    @property
    def operation(self) -> Operation[Any]:
        """What the stream is of."""

    @property
    def has_outbox(self) -> bool:
        """Whether there is an outbox to tell of changes past the stream."""

    async def applied(self) -> Applied:
        """How far SQL is, read fresh."""

    async def status(self) -> Status:
        """How far SQL is, and who applies the stream."""

    def past(self, tags: Sequence[str]) -> AbstractAsyncContextManager[Past]:
        """A transaction for changes past the stream; `tags` are those of its outbox row.

        It raises the revision *first*: that locks the row of progress, so that no flusher commits
        before it has ended.
        """

    async def parked(self) -> Parked:
        """What waits."""

    async def letters(
        self, connection: Any, *, key: str | None, after: int, limit: int
    ) -> Sequence[DeadLetter]:
        """Dead letters, of one key if it is named, behind the id `after`, in order."""

    async def remove(self, connection: Any, ids: Sequence[int]) -> int:
        """Remove these in an open transaction; returns how many there were."""


class DeadLetters:
    """The dead letters of one stream. Every method raises the database's errors.

    What is replayed or dropped changes SQL past the stream, so live values are made invalid
    (`told` is called with the transaction when it is committed).
    """

    def __init__(self, letters: Letters, tag: str, told: Callable[[Past], Awaitable[None]]) -> None:
        self._letters = letters
        self._tag = tag
        self._told = told

    async def parked(self) -> Parked:
        """How many keys are parked, and how many operations wait."""
        return await self._letters.parked()

    async def listed(
        self, key: str | None = None, *, after: int = 0, limit: int = PAGE
    ) -> Sequence[DeadLetter]:
        """Dead letters in order, those behind the id `after`; of one key if it is named."""
        return await self._letters.letters(None, key=key, after=after, limit=limit)

    async def replay(self, key: str, last: int | None = None) -> int:
        """Apply the dead letters of a key in order, up to the id `last`, and remove them.

        All in one transaction, with the row of progress locked, so that no flusher parks an
        operation beside it. Returns how many there were. Raises what `apply` raises, and
        `NoRowError` where it found no row: then everything is as it was.
        """
        operation = self._letters.operation
        done = 0
        async with self._letters.past([self._tag]) as past:
            after = 0
            while True:
                found = await self._letters.letters(
                    past.connection, key=key, after=after, limit=PAGE
                )
                wanted = [one for one in found if last is None or one.id <= last]
                if wanted:
                    changes = merged(operation, (one.entry for one in wanted))
                    if await operation.apply(past.connection, changes):
                        raise NoRowError(
                            f"the {len(wanted)} dead letters of {key!r} have no row to go to: make "
                            "one, or drop them"
                        )
                    ids = [one.id for one in wanted]
                    done += await self._letters.remove(past.connection, ids)
                    after = ids[-1]
                if len(wanted) < PAGE:
                    break
        await self._told(past)
        return done

    async def drop(self, ids: Sequence[int]) -> int:
        """Remove these, which were acknowledged and will never be applied; returns how many."""
        async with self._letters.past([self._tag]) as past:
            removed = await self._letters.remove(past.connection, ids)
        await self._told(past)
        return removed
