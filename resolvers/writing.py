"""Write-through: one transaction, then the purge, and only then the answer.

1. Everything that chooses a tag is read inside the transaction, under lock: an old category read
   without one can be another writer's old value, and its list would stay stale (PROTOCOL.md, W3).
2. Inside, caches are bypassed: what the transaction reads may never be committed (L0).
3. After the commit the tags are purged; the mutation answers after that.
4. The values that the writer holds are *not* stored. A slower writer with an older value can
   purge later than a newer one, and its value would look newest. The answer's own reads, ordinary
   loads that begin after the purge, are the refill (W4).
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cache import bypass
from models.database import transaction
from resolvers.context import Context


class Change:
    """A write that is under way: collects the tags of what it changes."""

    def __init__(self) -> None:
        """Begin without any."""
        self.tags: set[str] = set()

    def purges(self, *tags: str) -> None:
        """After the commit, purge these."""
        self.tags.update(tags)


@asynccontextmanager
async def write(ctx: Context) -> AsyncIterator[Change]:
    """Open a write transaction; purge what its block named once it is committed.

    An error inside rolls it back and purges nothing. Afterwards this request reads anew.
    """
    change = Change()
    committing = False
    try:
        with bypass():
            async with transaction():
                yield change
                committing = True
    finally:
        # A commit that fails may have happened: its reply was lost, or the caller was cancelled. A
        # purge too many costs a load, one too few would leave the old value.
        if committing:
            ctx.loaders.clear()
            await ctx.cache.invalidate(change.tags)
