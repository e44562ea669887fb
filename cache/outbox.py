"""The outbox: the tags of a write, in a table beside what it wrote (W1).

A purge cannot be part of a database's transaction; a row can. Once it is committed the purge is
published, and the row is marked; what a process left unmarked when it ended, its relays publish.
Adapters are in `integrations/`; `docs/outbox.md` has the design.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from .errors import CacheError
from .protocol import Position


class NoTransactionError(CacheError, RuntimeError):
    """A row was to be added to a transaction, and none is open; or the other way round."""


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One write's purge: its tags, and where it was published last; None while it is not."""

    id: str
    tags: frozenset[str]
    published: Position | None = None


class Outbox(Protocol):
    """The table, as the cache uses it. Every method may raise the errors of the database's driver.

    `epoch` is that of the state server: a row that was published under another one only is
    *unpublished*, and goes out again (W1).
    """

    async def add(self, tags: Iterable[str]) -> str:
        """Add a row in the caller's open transaction; its id is 16 random hexadecimal digits.

        Raises `NoTransactionError` where no transaction is open.
        """
        ...

    async def add_alone(self, tags: Iterable[str]) -> str:
        """Add a row in a transaction of its own, committed on return.

        Raises `NoTransactionError` inside an open transaction: what that one writes is not there
        yet for whoever reads after this purge.
        """
        ...

    async def waiting(self, epoch: str, limit: int) -> Sequence[OutboxRow]:
        """Rows unpublished under `epoch`, at most `limit`, oldest first; read fresh.

        Without locks, and also those that another relay holds: it may have died holding them.
        """
        ...

    def unpublished(
        self, epoch: str, limit: int
    ) -> AbstractAsyncContextManager[Sequence[OutboxRow]]:
        """The same, held for the block where the database can (SKIP LOCKED): without those that
        another relay holds. `mark` inside the block ends with it."""
        ...

    async def mark(self, ids: Iterable[str], position: Position) -> None:
        """Note that these rows were published, at `position` at the latest.

        Rows that are gone, or that another relay holds, are left out: it marks them.
        """
        ...

    async def read(self, ids: Iterable[str]) -> Mapping[str, OutboxRow]:
        """Those of these rows that are there; read fresh, unlocked, in no transaction."""
        ...

    async def prune(self, age: float) -> bool:
        """Remove rows that were first published `age` seconds ago, by the database's clock.

        A bounded number at once. Returns whether there may be more.
        """
        ...
