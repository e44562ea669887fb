"""What may go wrong in a world of records. Each says what it did; None where it cannot."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeout

from ..gates import Gate
from ..message_faults import MessageFaults
from .database import SqlAway
from .redis_data import RedisData

if TYPE_CHECKING:
    from .world import RecordWorld


class RecordFaults(MessageFaults):
    """The faults of one world, and how they are healed."""

    asked = ("state", "database")

    def __init__(self, world: RecordWorld) -> None:
        super().__init__(world)
        self._world = world
        self._kept: RedisData | None = None

    def failure(self, gate: Gate, what: str, *, late: bool = False) -> Exception:
        if gate.at == "database":
            return SqlAway(what)
        return RedisTimeout(what) if late else RedisConnectionError(what)

    def strike(self, name: str, *arguments: Any) -> str | None:
        """Let the fault `name` happen."""
        fault: Callable[..., str | None] = getattr(self, name)
        said = fault(*arguments)
        if said is not None:
            self._world.statistics.faults[name] += 1
        return said

    def heal(self) -> None:
        """End whatever lasts."""
        world = self._world
        world.is_down = world.server.is_full = world.database.is_down = False
        world.poisoned.clear()
        for name, worker in world.workers.items():
            worker.is_paused = worker.is_cut = False
            if not worker.is_alive:
                world.start(name)

    def time_out(self, name: str, nth: int = 0) -> str | None:
        """As for all; but a statement inside of a transaction ends with it, except its COMMIT."""
        gate = self._stepped.gates.find(name, nth)
        if gate is None or (gate.at == "database" and not gate.label.endswith(" commits")):
            return None
        return super().time_out(name, nth)

    # ---- workers ----

    def cut(self, name: str) -> str | None:
        """A worker's connections to the server are refused; the next time, they are not."""
        worker = self._world.workers[name]
        worker.is_cut = not worker.is_cut
        return f"{name} {'loses the server' if worker.is_cut else 'reaches the server again'}"

    def crash(self, name: str) -> str | None:
        """A process ends as it is; the next time, it is started again."""
        world = self._world
        worker = world.workers[name]
        if not worker.is_alive:
            world.start(name)
            return f"{name} starts again"
        database = world.database
        world.gates.forget(
            worker.owner, sent=lambda gate: gate.at == "state" or database.is_sent(gate)
        )
        database.release(worker.owner)
        worker.end()
        return f"{name} is killed"

    def disconnect(self, client: str) -> str | None:
        """A client goes away: what it asked for is cancelled."""
        running = [
            request
            for worker in self._world.workers.values()
            for request in worker.running
            if request.client == client and not worker.is_paused
        ]
        for request in running:
            request.task.cancel()
        return f"{client} hangs up" if running else None

    # ---- the server ----

    def restart(self) -> str | None:
        self._world.server.restart()
        return "the server comes back with its log"

    def keep(self) -> str | None:
        """A replica, or a copy, has everything up to now."""
        self._kept = self._world.server.data.copy()
        return "the replica has everything up to now"

    def come_back_older(self) -> str | None:
        """The copy comes back, or the replica is promoted."""
        if self._kept is None:
            return None
        self._restart_with(self._kept.copy())
        return "the server comes back with the older log"

    def come_back_empty(self) -> str | None:
        # No older copy comes back after that: SQL would not know its epoch again.
        self._kept = None
        self._restart_with(self._world.server.empty())
        return "the server comes back empty"

    def _restart_with(self, data: RedisData) -> None:
        self._world.server.restart(data)
        self._world.truth.lost(data, self._world.stream)

    def server_down(self) -> str | None:
        world = self._world
        world.is_down = not world.is_down
        return "the server refuses connections" if world.is_down else "the server is back"

    def server_full(self) -> str | None:
        server = self._world.server
        server.is_full = not server.is_full
        return f"the server is {'full' if server.is_full else 'no longer full'}"

    def server_clock(self, seconds: float) -> str | None:
        self._world.server_offset += seconds
        return f"the server's clock is set by {seconds:g} s"

    def evict(self, nth: int) -> str | None:
        """A live value is gone."""
        data = self._world.server.data
        live = [key for key in data.expiring() if ":live:" in key]
        if not live:
            return None
        key = live[nth % len(live)]
        data.delete(key)
        return f"{key} is evicted"

    # ---- the database ----

    def poison(self, key: str) -> str | None:
        """The database refuses a key's operations; the next time, it does not."""
        self._world.poisoned.symmetric_difference_update([key])
        return f"{key} is {'refused' if key in self._world.poisoned else 'no longer refused'}"

    def database_down(self) -> str | None:
        """The database is away, its transactions rolled back; the next time, it is back."""
        database = self._world.database
        database.is_down = not database.is_down
        database.break_off()
        return "the database is down" if database.is_down else "the database is back"

    def database_clock(self, seconds: float) -> str | None:
        self._world.database_offset += seconds
        return f"the database's clock is set by {seconds:g} s"
