"""What must be done before a purge is published: for what is live, and not in the log's reach.

A write-behind's live values are no entries, so no purge makes them invalid. Where SQL was changed
past the stream, a row of the outbox says so by a tag; whoever publishes that row, and be it for
a reader's token, first does the work that this tag asks for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from .errors import StoreUnavailable

Work = Callable[[], Awaitable[None]]


class Beforehand:
    """Work by tag, which may be done many times. While it cannot be done, within `patience`
    seconds, the purges that name its tag are not published."""

    def __init__(self, patience: float = 5.0) -> None:
        self._work: dict[str, Work] = {}
        self._patience = patience

    def add(self, tag: str, work: Work) -> None:
        """Do `work` before a purge that names `tag`."""
        self._work[tag] = work

    def asks(self, tags: Iterable[str]) -> bool:
        """Whether these tags ask for any."""
        return not self._work.keys().isdisjoint(tags)

    async def do(self, tags: Iterable[str]) -> None:
        """Do what these tags ask for. Raises `StoreUnavailable` if it failed or took too long."""
        for tag in sorted(self._work.keys() & set(tags)):
            try:
                async with asyncio.timeout(self._patience):
                    await self._work[tag]()
            except StoreUnavailable:
                raise
            except Exception as error:
                raise StoreUnavailable(
                    f"what must be done before {tag!r} is purged failed: {error!r}", sent=False
                ) from error
