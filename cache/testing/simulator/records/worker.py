"""A simulated worker: the real write-behind, on a simulated server and database."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, cast

from redis.asyncio import Redis

from ....errors import StoreUnavailable
from ....writes import Flusher, Lease, WriteBehind, WriteBehindSettings
from ..process import Process
from .client import SimulatedRedis
from .database import SqlAway
from .progress import SimulatedProgress

if TYPE_CHECKING:
    from .world import RecordWorld

RELAY = 0.5
"""Seconds between two looks at the outbox."""


class RecordWorker(Process):
    """A process with a write-behind, and a relay if there is an outbox.

    `failures` counts its calls of the server that came to nothing, `closed` those that found the
    stream closed, `refusals` the rebuilds that needed a newer snapshot.
    """

    def __init__(self, name: str, world: RecordWorld) -> None:
        super().__init__(name)
        self.is_cut = False
        self.failures = self.refusals = self.closed = 0
        self._world = world
        self.progress: SimulatedProgress
        self.behind: WriteBehind

    def make(self) -> None:
        """A new process."""
        self.begin()
        world, scenario = self._world, self._world.scenario
        self.progress = SimulatedProgress(self.owner, world)
        settings = WriteBehindSettings(
            batch=scenario.batch,
            limit=scenario.limit,
            tries=scenario.tries,
            lease=scenario.lease,
            live_ttl=scenario.live_ttl,
        )
        redis = cast("Redis", SimulatedRedis(self, world))
        self._publishing = Publishing(self.progress)
        cache = self._publishing if scenario.has_outbox else None
        self.behind = WriteBehind(self.progress, redis, "simulated", settings=settings, cache=cache)
        kind = Flusher if scenario.rules.outcome else SureFlusher
        flusher = kind(self.behind.journal, self.progress, settings, clock=lambda: world.now)
        if not scenario.rules.turns:
            flusher._turn = NoTurn()
        self.behind.flusher = flusher

    @property
    def missed(self) -> int:
        """How often Redis was not asked, or did not answer: reads are SQL's then."""
        return self.failures + self.progress.failures

    def start(self) -> None:
        """Start what runs in the background."""
        scenario = self._world.scenario
        if scenario.runs:
            self.behind.start()
        if scenario.has_outbox:
            self._world.loop.create_task(self._relay())

    async def _relay(self) -> None:
        while True:
            await self._world.gates.sleep(self.owner, RELAY)
            try:
                rows = await self.progress.waiting_rows()
            except SqlAway:
                continue
            for row, tags in rows.items():
                await self._publishing.publish(row, tags)


class Publishing:
    """What `Cache` does with a row of the outbox: a failure is made good by a relay."""

    def __init__(self, progress: SimulatedProgress) -> None:
        self._progress = progress
        self._work: dict[str, Callable[[], Awaitable[None]]] = {}

    def before_purge(self, tag: str, work: Callable[[], Awaitable[None]]) -> None:
        self._work[tag] = work

    async def publish(self, identifier: str, tags: Iterable[str]) -> None:
        """Do what its tags ask for, and mark it as published."""
        with suppress(StoreUnavailable, SqlAway):
            for tag in tags:
                await self._work[tag]()
            await self._progress.mark(identifier)


class NoTurn(asyncio.Lock):
    """A lock that keeps nobody out."""

    async def acquire(self) -> Literal[True]:
        return True

    def release(self) -> None:
        """Nobody waits."""


class SureFlusher(Flusher):
    """One that takes a commit of unknown outcome for one that did not happen."""

    _last: Lease | None = None

    async def _held_lease(self) -> Lease | None:
        if self._lease is None and self._last is not None and self._clock() < self._lease_ends:
            self._lease = self._last
        self._last: Any = await super()._held_lease()
        return self._last
