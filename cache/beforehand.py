"""What must be done before a purge is published: for what is live, and not in the log's reach.

A write-behind's live values are no entries, so no purge makes them invalid. Where SQL was changed
past the stream, a row of the outbox says so by a tag; whoever publishes that row, and be it for
a reader's token, first does the work that this tag asks for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

Work = Callable[[], Awaitable[None]]


class Beforehand:
    """Work by tag. It may be done many times, and raises `StoreUnavailable` when it cannot be
    done: then the purge is not published."""

    def __init__(self) -> None:
        self._work: dict[str, Work] = {}

    def add(self, tag: str, work: Work) -> None:
        """Do `work` before a purge that names `tag`."""
        self._work[tag] = work

    async def do(self, tags: Iterable[str]) -> None:
        """Do what these tags ask for."""
        for tag in sorted(self._work.keys() & set(tags)):
            await self._work[tag]()
