"""A world: workers, servers, a database and clients, in which nothing happens by itself."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from ...facts import Fact
from ...protocol import Position
from .checker import Checker
from .client import Client
from .database import Database, Part, Written, tag_of
from .faults import Faults
from .gates import Gate
from .health import Health
from .knowledge import Floor, Knowledge
from .leases import SimulatedLeases
from .logs import LogWatch
from .making import VIEWERS, calls, cells, in_memory
from .network import Link, LinkedStore, Place, Server
from .outbox import SimulatedOutbox
from .process import Process
from .request import Operation, Request, current
from .rest import Rest
from .scenario import Scenario
from .stepped import SteppedWorld
from .worker import Parts, SimulatedWorker, WorkerClock

BEGIN = 1_700_000_000.0
"""The servers' time, in seconds (Unix), when a world begins."""


class World(SteppedWorld):
    """Made of a scenario and a seed; `do` is the only thing that makes anything happen.

    `servers` makes the state server and that of the entries, in memory if not given.
    """

    def __init__(
        self,
        scenario: Scenario,
        seed: int = 0,
        *,
        servers: Callable[[World], tuple[Server, Server]] | None = None,
    ) -> None:
        super().__init__(scenario, seed)
        self.scenario = scenario
        self._names = itertools.count(1)
        self.server_offset = self.database_offset = BEGIN
        self.database = Database(self.gates, cells(scenario), self._database_time)
        self.database.lag = int("f4_rows" in scenario.broken)
        self.knowledge = Knowledge(self._versions)
        self.loads: list[Position | None] = []
        self.replays: list[tuple[str, Written]] = []
        self.health = Health(self)
        self.database_failed = False
        self.calls = dict(calls(scenario))
        self.tags = ["other", "namespace:items", *map(tag_of, self.database.history)]
        self.checker = Checker(self)
        self.watch(LogWatch(self.checker.violated))
        state, entries = (servers or in_memory)(self)
        self.primary, self.entries = Place(state), Place(entries)
        self.stored_keys: set[str] = set()
        self.leases = SimulatedLeases(self)
        self.workers: dict[str, SimulatedWorker] = {}
        self.clients: dict[str, Client] = {}
        self.faults = Faults(self)
        self.rest = Rest(self)
        self._make_workers()
        self._make_clients()

    # ---- making ----

    def _make_workers(self) -> None:
        for number in range(self.scenario.workers):
            name = chr(ord("A") + number)
            self.workers[name] = SimulatedWorker(
                name,
                Link(self.primary, self.entries),
                parts=self._parts,
                rules=self.scenario.rules,
                tell=self._tell,
            )
            self.start(name)

    def _make_clients(self) -> None:
        for number in range(self.scenario.clients):
            viewer = VIEWERS[number % 2]
            self.clients[f"c{number}"] = Client(self, f"c{number}", viewer)
        self.clients["anyone"] = Client(self, "anyone", VIEWERS[0], echoes=False)

    def _parts(self, worker: SimulatedWorker) -> Parts:
        store = LinkedStore(worker, self)
        ahead = 1000.0 * (ord(worker.name) - ord("A")) + worker.starts
        return Parts(
            store=store,
            outbox=SimulatedOutbox(
                worker.owner, self.database, now=self._database_time, names=self._outbox_name
            ),
            leases=self.leases.of(worker.owner),
            clock=WorkerClock(worker.owner, self.gates, lambda: self.now, ahead),
            random=self._random,
        )

    def start(self, name: str) -> None:
        """Start a worker's process."""
        worker = self.workers[name]
        worker.make()
        self.loop.create_task(worker.start())
        self.loop.settle()

    def server_time(self) -> float:
        """The servers' clock (Unix)."""
        return self.now + self.server_offset

    def _database_time(self) -> float:
        return self.now + self.database_offset

    def name(self) -> str:
        """A name that there was never before."""
        return f"e{next(self._names)}"

    def _outbox_name(self) -> str:
        return f"{next(self._names):016x}"

    def _random(self) -> float:
        return self.chance.random()

    def _versions(self, tags: Iterable[str]) -> Floor:
        cells = (tag.replace("category:", "list:") for tag in tags)
        history = self.database.history
        return {cell: history[cell][-1].version for cell in cells if cell in history}

    def _tell(self, worker: SimulatedWorker, fact: Fact) -> None:
        self.statistics.facts[type(fact).__name__] += 1
        request = current.get()
        if request is not None and request.worker is worker:
            request.told(fact)

    # ---- what happens ----

    @property
    def processes(self) -> Mapping[str, Process]:
        return self.workers

    @property
    def verdict(self) -> Checker:
        return self.checker

    @property
    def striking(self) -> Faults:
        return self.faults

    @property
    def resting(self) -> Rest:
        return self.rest

    def time_passed(self) -> None:
        self.health.time_passed()

    def owner_of(self, gate: Gate) -> SimulatedWorker | None:
        """The worker that waits at a gate, if it still lives."""
        worker = self.workers[gate.owner[0]]
        return worker if worker.is_alive and worker.owner == gate.owner else None

    def begin(self, client: str, worker: str, *operations: Operation) -> str | None:
        """A request arrives."""
        who, where = self.clients[client], self.workers[worker]
        if not where.is_alive or where.is_paused:
            return None
        request = Request(self, who, where, operations)
        where.running.add(request)
        who.requests += 1
        task = self.loop.create_task(request.run())
        request.task = task

        def done(_: object) -> None:
            where.running.discard(request)
            who.requests -= 1
            if not task.cancelled() and (error := task.exception()) is not None:
                self.checker.fail(request, f"ends with {error!r}")

        task.add_done_callback(done)
        return f"{request.name} asks for {_said(operations)}"

    # ---- what the requests tell ----

    def read(self, request: Request, parts: Sequence[Part]) -> None:
        """Count a read, and whether a write of what it read happened meanwhile."""
        self.statistics.reads += 1
        cells = {part.cell for part in parts}
        if any(
            cells.intersection(written.cells)
            for written in self.database.commits[request.commits :]
        ):
            self.statistics.overlaps += 1

    def wrote(self, written: Written) -> None:
        self.statistics.writes += 1

    def acknowledge(self, request: Request) -> None:
        for written in request.written:
            floor = dict.fromkeys(written.cells, written.version)
            self.knowledge.acknowledged.add(self.now, floor)

    def stored(self) -> Iterator[tuple[str, bytes]]:
        """Every entry that there is."""
        keys = sorted(self.stored_keys)
        for key, stored in zip(keys, self.entries.server.get(keys), strict=True):
            if stored is not None:
                yield key, stored

    def close(self) -> None:
        """End every task."""
        super().close()
        self.faults.servers.close()


def _said(operations: Sequence[Operation]) -> str:
    return ", ".join(f"{name}({', '.join(map(str, rest))})" for name, *rest in operations)
