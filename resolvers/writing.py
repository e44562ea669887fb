"""Write-through: one transaction with its outbox row, then the purge, and only then the answer.

1. Everything that chooses a tag is read inside the transaction, under lock: an old category read
   without one can be another writer's old value, and its list would stay stale (W3).
2. Inside, caches are bypassed: what the transaction reads may never be committed (L0).
3. The tags are the transaction's last statement, a row of the outbox (W1): they are committed with
   the rows, or not at all. Whatever happens from then on, a relay publishes them.
4. After the commit they are purged; the mutation answers after that. Both come to their end,
   whoever goes away meanwhile.
5. The values that the writer holds are *not* stored. A slower writer with an older value can
   purge later than a newer one, and its value would look newest. The answer's own reads, ordinary
   loads that begin after the purge, are the refill (W4).

The rules are those of `docs/protocol.md`.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

from tortoise.backends.base.client import NestedTransactionContext, TransactionalDBClient

from cache import Cache, bypass
from cache.tasks import to_its_end
from models.database import transaction
from resolvers.context import Context

_log = logging.getLogger(__name__)


Last: TypeAlias = Callable[[str | None], Awaitable[None]]


class Change:
    """A write that is under way: collects the tags of what it changes."""

    def __init__(self) -> None:
        """Begin without any."""
        self.tags: set[str] = set()
        self._last: Last | None = None

    def purges(self, *tags: str) -> None:
        """After the commit, purge these."""
        self.tags.update(tags)

    def wrote_nothing(self) -> None:
        """Purge nothing: what was written is undone."""
        self.tags.clear()

    def at_last(self, last: Last) -> None:
        """Run this last in the transaction, with the id of its outbox row if it has one."""
        self._last = last

    async def end(self, row: str | None) -> None:
        """Run what was to come last."""
        if self._last is not None:
            await self._last(row)


@asynccontextmanager
async def write(ctx: Context) -> AsyncIterator[Change]:
    """Open a write transaction; purge what its block named once it is committed.

    An error inside rolls it back and purges nothing. Afterwards this request reads anew. Raises
    `RuntimeError` inside another transaction: nothing could be purged before that one commits.
    """
    change, ending = Change(), None
    opened = transaction()
    is_inside = isinstance(opened, NestedTransactionContext)
    if is_inside:
        raise RuntimeError("a write inside a transaction: let one `write` cover what both change")
    try:
        with bypass():
            async with opened as connection:
                yield change
                ending = _Ending(ctx.cache, frozenset(change.tags))
                await change.end(await ending.note())
                await ending.commit(connection)
    finally:
        if ending is not None and ending.is_begun:
            ctx.loaders.clear()
            await to_its_end(ending.publish())


class _Ending:
    """The commit of a write and its purge."""

    def __init__(self, cache: Cache, tags: frozenset[str]) -> None:
        self._cache = cache
        self._tags = tags
        self._row: str | None = None
        self._is_committed = False
        self.is_begun = False
        """Whether the commit may have happened."""

    async def note(self) -> str | None:
        outbox = self._cache.outbox if self._cache.rules.w1_outbox else None
        if self._tags and outbox is not None:
            self._row = await outbox.add(self._tags)
        return self._row

    async def commit(self, connection: TransactionalDBClient) -> None:
        self.is_begun = True
        await to_its_end(self._commit(connection))

    async def _commit(self, connection: TransactionalDBClient) -> None:
        await connection.commit()
        self._is_committed = True

    async def publish(self) -> None:
        if not self._tags:
            return
        if self._is_committed and self._row is not None:
            await self._cache.publish(self._row, self._tags)
            return
        # A commit that failed may have happened, or happen yet: its reply was lost, or was late.
        # A purge too many costs a load. The row is not marked for it: if it is there one day, it
        # is published then.
        try:
            await self._cache.invalidate(self._tags)
        except Exception:  # noqa: BLE001 - the caller gets the commit's own error
            _log.exception("What a failed commit may have changed was not purged at once")
