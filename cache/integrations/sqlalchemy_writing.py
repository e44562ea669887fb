"""A write with SQLAlchemy whose purge is committed with it, and published before the answer.

async with writing(cache, sessions, f"book:{book_id}") as session:
    book = await session.get_one(Book, book_id, with_for_update=True)
    purges(session, f"shelf:{book.shelf}", f"shelf:{shelf}")     # where it was, where it will be
    book.shelf = shelf
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar, runtime_checkable

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from ..context import bypass
from ..engine import Cache
from ..outbox import NoTransactionError
from ..tasks import to_its_end

S = TypeVar("S", bound=AsyncSession)

_TAGS = "freshql_cache.purges"


@runtime_checkable
class AddsToSessions(Protocol):
    """What `SqlAlchemyOutbox` is to this module."""

    async def add_to(self, connection: AsyncSession, tags: Iterable[str]) -> str:
        """Add a row in the open transaction of a session; returns its id."""
        ...


@asynccontextmanager
async def writing(cache: Cache, sessions: async_sessionmaker[S], *tags: str) -> AsyncIterator[S]:
    """A session whose transaction ends with the block: committed, then the `tags` are purged.

    - The cache's outbox, a `SqlAlchemyOutbox`, gets its row in the same transaction. Without an
      outbox the purge is sent after the commit, and can be lost with the process.
    - Inside, caches are bypassed: what a transaction reads may never be committed (L0).
    - An error in the block rolls it back and purges nothing. One of the commit is raised; what
      then was committed nevertheless, the relays purge.
    - Whoever is cancelled during the commit waits for it and its purge, and is cancelled then.

    Tags that only rows can tell: `purges(session, ...)` in the block, after these rows are read
    *under lock* (W3). Raises `TypeError` where the cache's outbox is another database's, and
    `NoTransactionError` where the block ended the transaction itself.
    """
    outbox: object = cache.outbox
    if outbox is not None and not isinstance(outbox, AddsToSessions):
        raise TypeError(
            f"the outbox must be in the database that is written to: expected a SqlAlchemyOutbox, "
            f"got {type(outbox).__name__}"
        )
    async with sessions() as session:
        purges(session, *tags)
        transaction = await session.begin()
        try:
            with bypass():
                yield session
        except BaseException:
            # One that a statement's error has ended is still the session's, and rolled back.
            if session.get_transaction() is not transaction:
                await _purge_what_was_committed(cache, session)
            raise
        if not transaction.is_active:
            await _purge_what_was_committed(cache, session)
            raise NoTransactionError(
                "the transaction of `writing` ends with its block, but was ended inside of it: "
                "leave commit() to it, and raise an error to roll back"
            )
        await to_its_end(_commit(cache, session))  # a session may not be closed before


def purges(session: AsyncSession, *tags: str) -> None:
    """Inside of `writing`: after the commit, purge these too."""
    session.info.setdefault(_TAGS, set()).update(tags)


async def _purge_what_was_committed(cache: Cache, session: AsyncSession) -> None:
    """The block ended its transaction itself: that may have been a commit."""
    try:
        await session.rollback()  # what began since holds locks: on SQLite nobody else could write
    finally:
        await cache.invalidate(session.info[_TAGS])


async def _commit(cache: Cache, session: AsyncSession) -> None:
    tags = frozenset[str](session.info[_TAGS])
    outbox: object = cache.outbox
    if not tags:
        await session.commit()
    elif isinstance(outbox, AddsToSessions):
        await session.flush()
        identifier = await outbox.add_to(session, tags)  # last: it is locked for a moment only
        await session.commit()
        await cache.publish(identifier, tags)
    else:
        try:
            await session.commit()
        finally:
            # A commit that fails may have happened. A purge too many costs a load, one too few
            # would leave the old value.
            await cache.invalidate(tags)
