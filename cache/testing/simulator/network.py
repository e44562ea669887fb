"""A worker's way to the servers: every call of the store is a step, and may be lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ...errors import StoreUnavailable
from ...protocol import Followed, Look, Position
from ...stores.base import Fill

if TYPE_CHECKING:
    from .request import Request
    from .worker import SimulatedWorker
    from .world import World

BUDGET = 0.1
"""Seconds after which a worker waits no more for a server."""


class Server(Protocol):
    """What a server does, each in one step: `MemoryServer`, or a real one behind it."""

    def get(self, keys: Sequence[str]) -> Sequence[bytes | None]: ...
    def put(self, fills: Sequence[Fill]) -> None: ...
    def look(self, tags: Iterable[str]) -> Look: ...
    def remember(self, lifetimes: Mapping[str, float]) -> None: ...
    def invalidate(self, tags: Iterable[str]) -> Position: ...
    def follow(self, after: Position | None) -> Followed: ...
    def renew(self, expected: str | None) -> Position: ...
    def relay_begins(self, patience: float) -> Look: ...
    def relay_looked(self, epoch: str, at: float) -> None: ...
    def position(self) -> Position: ...
    def evict(self, key: str) -> None: ...
    def evict_watermark(self, tag: str) -> None: ...
    def lose_log(self) -> None: ...
    def trim(self, keep: int = 0) -> None: ...
    def restart(self, *, empty: bool = False) -> None: ...
    def fork(self) -> Any: ...
    def promote(self) -> None: ...
    def fail_over(self, replica: Any) -> None: ...
    def close(self) -> None: ...


class Place:
    """A server's address: what answers there may be away, or be another one."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.is_down = False


@dataclass(slots=True, eq=False)
class Link:
    """What one worker reaches."""

    state: Place
    entries: Place
    is_cut: bool = False
    moved_at: float = float("-inf")
    """When it last changed servers."""

    def reach(self, place: Place) -> Server:
        if self.is_cut or place.is_down:
            raise StoreUnavailable("the server cannot be reached", sent=False)
        return place.server

    def move(self, state: Place, now: float) -> None:
        self.state = state
        self.moved_at = now


class LinkedStore:
    """The engine's store in a simulated worker."""

    def __init__(self, worker: SimulatedWorker, world: World) -> None:
        self._worker = worker
        self._owner = worker.owner
        self._link = worker.link
        self._world = world

    async def _state(
        self,
        what: str,
        action: Callable[[Server], Any],
        ready: Callable[[], bool] | None = None,
        due: float | None = None,
    ) -> Any:
        def step() -> Any:
            server = self._link.reach(self._link.state)
            result = action(server)
            self._world.knowledge.epoch_begun(server.position())
            return result

        return await self._world.gates.call(self._owner, "state", what, step, ready=ready, due=due)

    async def get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        def step() -> Sequence[bytes | None]:
            return self._link.reach(self._link.entries).get(keys)

        stored: Sequence[bytes | None] = await self._world.gates.call(
            self._owner, "entries", "gets", step
        )
        return stored

    async def put(self, fills: Sequence[Fill]) -> None:
        def step() -> None:
            self._link.reach(self._link.entries).put(fills)
            self._world.stored_keys.update(fill.key for fill in fills)

        await self._world.gates.call(self._owner, "entries", "puts", step)

    async def look(self, tags: Iterable[str]) -> Look:
        asked = list(tags)
        before = self._alone()
        look: Look = await self._state("looks", lambda server: self._look(server, asked))
        if before is not None and before is self._alone():
            before.looked(look.head)
        return look

    def _alone(self) -> Request | None:
        """The request whose every look-up this worker's are, if there is but one."""
        [request] = self._worker.running if len(self._worker.running) == 1 else [None]
        return request if request is not None and request.looks_alone else None

    def _look(self, server: Server, tags: Sequence[str]) -> Look:
        replica = self._world.faults.servers.replica
        if replica is not None and "f3_primary" in self._world.scenario.broken:
            return replica.look(tags)
        return server.look(tags)

    async def remember(self, lifetimes: Mapping[str, float]) -> None:
        await self._state("remembers", lambda server: server.remember(lifetimes))

    async def invalidate(self, tags: Iterable[str]) -> Position:
        named = sorted(tags)

        def purge(server: Server) -> Position:
            position = server.invalidate(named)
            self._world.knowledge.epoch_begun(position)
            on_primary = self._link.state is self._world.primary
            self._world.knowledge.published(named, position, self._world.now, on_primary=on_primary)
            return position

        position: Position = await self._state("purges " + ", ".join(named), purge)
        return position

    async def follow(self, after: Position | None, wait: float) -> Followed:
        due = self._world.now + wait

        def has_news() -> bool:
            place = self._link.state
            return self._link.is_cut or place.is_down or place.server.position() != after

        try:
            followed: Followed = await self._state(
                "follows", lambda server: self._follow(server, after), has_news, due
            )
        except StoreUnavailable:
            self._worker.has_lost = True
            raise
        return followed

    def _follow(self, server: Server, after: Position | None) -> Followed:
        if self._worker.has_lost:  # everything up to now is due once it trusts the server again
            self._worker.has_lost = False
            self._worker.regained = self._world.knowledge.acknowledged.floor
        return server.follow(after)

    async def renew(self, expected: str | None = None) -> Position:
        position: Position = await self._state("renews", lambda server: server.renew(expected))
        return position

    async def relay_begins(self, patience: float) -> Look:
        look: Look = await self._state("relay begins", lambda server: server.relay_begins(patience))
        return look

    async def relay_looked(self, epoch: str, at: float) -> None:
        await self._state("relay looked", lambda server: server.relay_looked(epoch, at))

    async def aclose(self) -> None:
        """Nothing is open."""
