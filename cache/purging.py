"""Purges of this process's own writes: published, or kept until they are (W1, W2, W5)."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from .beforehand import Beforehand
from .errors import StoreUnavailable
from .facts import Invalidated, StoreFailed
from .outbox import Outbox
from .protocol import Barrier, Position
from .purges import Purges
from .relay import Relay
from .stores.base import State
from .worker import Worker


class Purging:
    """Publishes what a writer names. `barrier`, everywhere, is that of its request, if it has one.

    A purge that the store does not confirm is left to the relays, or, without an outbox, kept in
    this process, which until then uses nothing local.
    """

    def __init__(
        self,
        store: State,
        worker: Worker,
        *,
        outbox: Outbox | None,
        relay: Relay | None,
        beforehand: Beforehand,
    ) -> None:
        self._store = store
        self._worker = worker
        self._outbox = outbox
        self._relay = relay
        self._beforehand = beforehand
        self._kept = Purges(self._is_published)
        self._running: set[asyncio.Task[None]] = set()
        worker.unpublished = lambda: bool(self.waiting)
        worker.settle = self.publish_waiting

    @property
    def waiting(self) -> frozenset[str]:
        """Tags whose purge the store has not confirmed, kept by this process."""
        return self._kept.waiting

    async def publish_waiting(self) -> None:
        """Publish those. Raises `StoreUnavailable` while some of them still wait."""
        await self._kept.publish_waiting()

    async def invalidate(self, tags: frozenset[str], barrier: Barrier | None) -> None:
        """Publish a purge that no row of the outbox holds yet. Raises the outbox's errors."""
        await self._shielded(self._invalidate(tags, barrier))

    async def publish(self, identifier: str, tags: frozenset[str], barrier: Barrier | None) -> None:
        """Publish the purge that the committed row `identifier` of the outbox holds."""
        await self._shielded(self._publish(identifier, tags, barrier))

    async def close(self) -> None:
        """Wait for the purges that run, and try once more to publish those that wait."""
        while self._running:
            await asyncio.wait(self._running)
        await self._kept.close()

    async def _shielded(self, purge: Coroutine[Any, Any, None]) -> None:
        """Like `await purge`; it goes on when whoever asked for it goes away."""
        task = asyncio.get_running_loop().create_task(purge)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        await asyncio.shield(task)

    async def _invalidate(self, tags: frozenset[str], barrier: Barrier | None) -> None:
        if self._outbox is not None and self._worker.rules.w1_outbox:
            await self._publish(await self._outbox.add_alone(tags), tags, barrier)
        elif await self._purge(tags, barrier) is None:
            self._kept.keep(tags)

    async def _publish(
        self, identifier: str, tags: frozenset[str], barrier: Barrier | None
    ) -> None:
        # A request that waited for a store that is away does not wait again: the relay publishes.
        is_alone = barrier is not None and barrier.alone
        position = None if is_alone else await self._purge(tags, barrier)
        if position is not None:
            if self._relay is not None:
                self._relay.mark_later(identifier, position)
        elif barrier is not None:
            barrier.give_up()
            if self._worker.rules.w5_outbox_id:
                barrier.add_outbox(identifier)

    async def _is_published(self, tags: frozenset[str]) -> bool:
        return await self._purge(tags, None) is not None

    async def _purge(self, tags: frozenset[str], barrier: Barrier | None) -> Position | None:
        """W2. None when the store did not confirm it."""
        try:
            await self._beforehand.do(tags)
            position = await self._store.invalidate(tags)
        except StoreUnavailable as error:
            self._worker.tell(StoreFailed("invalidate", str(error)))
            return None
        self._worker.saw(position)
        self._worker.log.add_own(tags, position)
        if barrier is not None and self._worker.rules.w5_position:
            barrier.add(position)
        self._worker.tell(Invalidated(tags, position))
        return position
