"""Purges that the store has not confirmed, kept until it has."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextvars import Context

from .errors import StoreUnavailable
from .tasks import end

log = logging.getLogger(__name__)

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0


class Purges:
    """Keeps purges that could not be published, and publishes them again until they are.

    `publish` says whether the store confirmed. A second publication of the same tags is harmless,
    so a purge whose outcome is unknown is published again. They live in memory: a process that
    dies takes them along.
    """

    def __init__(self, publish: Callable[[frozenset[str]], Awaitable[bool]]) -> None:
        self._publish = publish
        self._waiting: dict[str, object] = {}
        self._retrying: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> frozenset[str]:
        return frozenset(self._waiting)

    def keep(self, tags: frozenset[str]) -> None:
        """Publish these as soon as the store confirms."""
        # A mark for each purge, not only its tag: a publication that began before this purge must
        # not be taken for it when it succeeds.
        self._waiting |= dict.fromkeys(tags, object())
        if self._retrying is None:
            loop = asyncio.get_running_loop()
            self._retrying = loop.create_task(self._retry(), context=Context())

    async def publish_waiting(self) -> None:
        """Publish what waits. Raises `StoreUnavailable` while some of it still does."""
        if not await self._publish_what_waits():
            raise StoreUnavailable(
                f"{len(self._waiting)} tags wait to be purged: until then the store is not asked"
            )

    async def close(self) -> None:
        """Retry no more, but try once more now. What is left is logged: it is lost."""
        if self._retrying is not None:
            await end([self._retrying])
            self._retrying = None
        if not await self._publish_what_waits():
            log.warning(
                "%d tags were changed and could not be purged before the end, for example %s: "
                "other processes may serve them as they were until their time to live ends",
                len(self._waiting),
                ", ".join(sorted(self._waiting)[:5]),
            )

    async def _publish_what_waits(self) -> bool:
        tried = dict(self._waiting)
        if tried and await self._publish(frozenset(tried)):
            for tag, mark in tried.items():
                if self._waiting.get(tag) is mark:
                    del self._waiting[tag]
        return not self._waiting

    async def _retry(self) -> None:
        pause = _FIRST_PAUSE
        while not await self._publish_what_waits():
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        self._retrying = None
