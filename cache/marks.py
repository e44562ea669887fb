"""Which rows of the outbox were published, written down a little later and many at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from contextvars import Context

from .clock import Clock
from .outbox import Outbox
from .protocol import Position
from .tasks import end

log = logging.getLogger(__name__)

_MOST = 10_000
"""Marks that are kept while the database is away; of more, the oldest are forgotten."""


class Marks:
    """Marks that are still to be written, off the path of whoever published.

    A mark that is late or lost costs a second purge, and nothing else. So it waits up to `pause`
    seconds for others, and rows of one epoch are marked together, at the newest of their
    positions: each was published by then.
    """

    def __init__(self, outbox: Outbox, clock: Clock, pause: float) -> None:
        self._outbox = outbox
        self._clock = clock
        self._pause = pause
        self._waiting: dict[str, Position] = {}
        self._writer: asyncio.Task[None] | None = None
        self._is_failing = False

    def add(self, ids: Iterable[str], position: Position) -> None:
        """Mark these rows soon."""
        for identifier in ids:
            self._waiting.pop(identifier, None)
            self._waiting[identifier] = position
        while len(self._waiting) > _MOST:
            del self._waiting[next(iter(self._waiting))]
        if self._writer is None:
            loop = asyncio.get_running_loop()
            self._writer = loop.create_task(self._write(), context=Context())

    def get(self, identifier: str) -> Position | None:
        """Where this row was published, if that is still to be written."""
        return self._waiting.get(identifier)

    def of(self, epoch: str) -> set[str]:
        """The rows that were published under `epoch`, as far as that is still to be written."""
        return {one for one, position in self._waiting.items() if position.epoch == epoch}

    async def flush(self) -> None:
        """Write all marks now. Raises the database's errors; then they are kept."""
        taken = dict(self._waiting)
        for epoch in dict.fromkeys(position.epoch for position in taken.values()):
            ids = [one for one, position in taken.items() if position.epoch == epoch]
            await self._outbox.mark(ids, max(taken[one] for one in ids))
            self._forget(ids, taken)

    async def close(self) -> None:
        """Write what is left. Where that fails the rows go out a second time, which is harmless."""
        if self._writer is not None:
            await end([self._writer])
        await self._try()

    def _forget(self, ids: Iterable[str], written: dict[str, Position]) -> None:
        for one in ids:
            if self._waiting.get(one) == written[one]:
                del self._waiting[one]

    async def _write(self) -> None:
        while self._waiting:
            await self._clock.sleep(self._pause)
            await self._try()
        self._writer = None

    async def _try(self) -> None:
        try:
            await self.flush()
            self._is_failing = False
        except Exception:
            if not self._is_failing:
                log.exception("published rows of the outbox could not be marked; trying again")
            self._is_failing = True
