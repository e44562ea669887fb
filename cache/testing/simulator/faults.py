"""What may go wrong in a world. Each fault says in words what it did; None where it cannot."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .message_faults import ASKED, MessageFaults
from .server_faults import ServerFaults

if TYPE_CHECKING:
    from .world import World


class Faults(MessageFaults):
    """The faults of one world, and how they are healed."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._world = world
        self.servers = ServerFaults(world)

    @property
    def are_everywhere(self) -> bool:
        """Whether something is away now that all workers need."""
        return self.servers.are_active or self._world.database.is_down

    def strike(self, name: str, *arguments: str) -> str | None:
        """Let the fault `name` happen."""
        holder = self if hasattr(self, name) else self.servers
        fault: Callable[..., str | None] = getattr(holder, name)
        said = fault(*arguments)
        if said is not None:
            self._world.statistics.faults[name] += 1
            self._world.health.strike(name, *arguments)
        return said

    def heal(self) -> None:
        """End whatever lasts."""
        world = self._world
        world.health.time_passed()
        world.database.is_down = False
        for name, worker in world.workers.items():
            worker.is_paused = worker.link.is_cut = False
            if not worker.is_alive:
                world.start(name)
        self.servers.heal()

    # ---- workers ----

    def cut(self, name: str) -> str | None:
        """A worker cannot reach the servers; the next time, it can again."""
        link = self._world.workers[name].link
        link.is_cut = not link.is_cut
        return f"{name} {'loses the servers' if link.is_cut else 'reaches the servers again'}"

    def crash(self, name: str) -> str | None:
        """A process ends as it is; the next time, it is started again."""
        world = self._world
        worker = world.workers[name]
        if not worker.is_alive:
            world.start(name)
            return f"{name} starts again"
        # What it asked the database is rolled back as its connection closes.
        world.gates.forget(worker.owner, sent=lambda gate: gate.at in ASKED and gate.due is None)
        world.database.release(worker.owner)
        worker.end()
        return f"{name} is killed"

    def evict_memory(self, name: str, key: str) -> str | None:
        worker = self._world.workers[name]
        if worker.cache.memory.get(key) is None:
            return None
        worker.cache.memory.discard(key)
        return f"{name} forgets {key}"

    def disconnect(self, client: str) -> str | None:
        """A client goes away: what it asked for is cancelled."""
        running = [
            request
            for worker in self._world.workers.values()
            for request in worker.running
            if request.client.name == client and not worker.is_paused
        ]
        for request in running:
            request.task.cancel()
        return f"{client} hangs up" if running else None

    # ---- the database ----

    def database_down(self) -> str | None:
        """The database is away; the next time, it is back."""
        database = self._world.database
        database.is_down = not database.is_down
        self._world.database_failed = True
        return "the database is down" if database.is_down else "the database is back"

    def database_clock(self, seconds: float) -> str | None:
        self._world.database_offset += seconds
        return f"the database's clock is set by {seconds:g} s"
