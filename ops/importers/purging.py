"""What a batch makes stale: noted in its transaction, purged after the commit."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

from ops.importers.problems import ImportRefused

MANY: Final = 256
"""From so many tags of one namespace on, the namespace is purged instead."""

_PAUSE: Final = 0.05


class Notes(Protocol):
    """What an import needs of the outbox."""

    async def add(self, tags: Iterable[str]) -> str:
        """Add a row in the open transaction; returns its id."""


class Invalidates(Protocol):
    """What an import needs of the cache: `cache.Cache` is one."""

    @property
    def outbox(self) -> Notes | None:
        """Where the tags of a batch are committed with it."""

    async def publish(self, identifier: str, tags: Iterable[str]) -> None:
        """Purge what was committed with the outbox row `identifier`."""

    async def invalidate(self, tags: Iterable[str]) -> None:
        """Purge everything that depends on one of these tags."""

    async def reaches_store(self) -> bool:
        """Whether the cache's server answers."""


@dataclass(slots=True)
class Purge:
    """The tags of one batch, by the namespace that their entries are in (None: in none)."""

    _tags: defaultdict[str | None, set[str]] = field(default_factory=lambda: defaultdict(set))

    def add(self, namespace: str | None, *names: str) -> None:
        """Add tags of one namespace."""
        if names:
            self._tags[namespace].update(names)

    def merge(self, other: "Purge") -> None:
        """Add everything that `other` has."""
        for namespace, names in other._tags.items():
            self._tags[namespace] |= names

    def __bool__(self) -> bool:
        return bool(self._tags)

    def names(self) -> frozenset[str]:
        """What to purge: the tags, or their namespace where they are many."""
        found: set[str] = set()
        for namespace, names in self._tags.items():
            found |= names if namespace is None or len(names) < MANY else {namespace}
        return frozenset(found)


@dataclass(frozen=True, slots=True)
class Purger:
    """Purges what a batch changed, from its transaction on.

    `patience` is in seconds: so long the cache's server may not answer before an import begins.
    Later it may go away: what is not published then, relays publish.
    """

    cache: Invalidates
    patience: float = 5.0

    async def reach(self) -> None:
        """Find out whether purges arrive. Raises `ImportRefused` when they do not."""
        ends = time.monotonic() + self.patience
        while not await self.cache.reaches_store():
            if time.monotonic() > ends:
                raise ImportRefused(
                    "Redis does not answer. Start it, or correct REDIS_URL: with another Redis "
                    "than the server's an import would purge nothing. Nothing was imported"
                )
            await asyncio.sleep(_PAUSE)

    async def note(self, names: Iterable[str]) -> str | None:
        """Write in the open transaction, at its end, what it makes stale. Returns the row's id."""
        outbox = self.cache.outbox
        return None if outbox is None else await outbox.add(names)

    async def purge(self, names: Iterable[str], row: str | None = None) -> None:
        """Purge these tags; `row` says that they were committed.

        Without it nobody knows: then the rows of the attempts that were committed nevertheless are
        left to the relays.
        """
        if row is None:
            await self.cache.invalidate(names)
        else:
            await self.cache.publish(row, names)
