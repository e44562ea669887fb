"""What a batch makes stale, and its purge after the commit."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Protocol

from ops.importers.problems import ImportRefused

MANY: Final = 256
"""From so many tags of one namespace on, the namespace is purged instead."""

PROBE: Final = "import:superstore"
"""A tag that nothing depends on."""
PROBE_PATIENCE: Final = 5.0

_PAUSE: Final = 0.05


class Invalidates(Protocol):
    """What an import needs of the cache: `cache.Cache` is one."""

    @property
    def unpublished(self) -> frozenset[str]:
        """Tags whose purge is not confirmed."""

    async def invalidate(self, tags: Iterable[str]) -> None:
        """Purge everything that depends on one of these tags."""


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
    """Purges, and does not go on before the cache has confirmed.

    `patience` is in seconds: after that much time without an answer the import stops.
    """

    cache: Invalidates
    patience: float = 30.0

    async def reach(self) -> None:
        """Find out whether purges arrive. Raises `ImportRefused` when they do not."""
        if not await self._confirmed({PROBE}, min(self.patience, PROBE_PATIENCE)):
            raise ImportRefused(
                "Redis does not answer, and an import that cannot purge would leave old answers "
                "behind. Start it, or correct REDIS_URL. Nothing was imported"
            )

    async def purge(self, names: Iterable[str]) -> None:
        """Purge these tags. Raises `ImportRefused` when the cache's server stays away."""
        if not await self._confirmed(names, self.patience):
            raise ImportRefused(
                f"Redis did not answer for {self.patience:g} s, and what landed last may still be "
                "answered as it was before. Run the import again once Redis is back: it purges "
                "that first, and goes on"
            )

    async def _confirmed(self, names: Iterable[str], patience: float) -> bool:
        await self.cache.invalidate(names)
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while self.cache.unpublished:  # noqa: ASYNC110 (the cache has no event for it)
                    await asyncio.sleep(_PAUSE)
        return not self.cache.unpublished
