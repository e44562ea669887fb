"""A world of records: workers with a write-behind, one state server, one database, clients."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from ..logs import LogWatch
from ..process import Process
from ..stepped import SteppedWorld
from .database import RecordDatabase
from .faults import RecordFaults
from .progress import NAME
from .request import Operation, RecordRequest
from .rest import RecordRest
from .scenario import RecordScenario
from .server import RecordServer
from .truth import Truth
from .worker import RecordWorker

BEGIN = 1_700_000_000.0
"""The clocks' time, in seconds (Unix), when a world begins."""


class RecordWorld(SteppedWorld):
    """Made of a scenario and a seed; `do` is the only thing that makes anything happen.

    `is_down`: nobody reaches the server. `poisoned` are the keys that the database refuses.
    """

    def __init__(self, scenario: RecordScenario, seed: int = 0) -> None:
        super().__init__(scenario, seed)
        self.scenario = scenario
        self.is_down = False
        self.poisoned: set[str] = set()
        self.server_offset = self.database_offset = BEGIN
        self.stream = f"simulated:{{wb:{NAME}}}:stream"
        self._names, self._keys = itertools.count(1), itertools.count(1)
        self.truth = Truth(scenario.names, is_sum=scenario.is_sum)
        self.watch(LogWatch(self.truth.violated))
        self.server = RecordServer(self._server_time, self.name, scenario.rules)
        self.server.on_append = self._appended
        self.database = RecordDatabase(self.gates, lambda: self.now + self.database_offset)
        self.database.committed.append(
            lambda writes: self.truth.committed(writes, self.database.rows)
        )
        self.keys: list[str] = []
        for _ in range(scenario.records):
            self._make_record()
        self.clients = [f"c{number}" for number in range(3)]
        self.faults = RecordFaults(self)
        self.rest = RecordRest(self)
        self.workers: dict[str, RecordWorker] = {}
        for number in range(scenario.workers):
            name = chr(ord("A") + number)
            self.workers[name] = RecordWorker(name, self)
            self.start(name)

    # ---- what a world brings ----

    @property
    def processes(self) -> Mapping[str, Process]:
        return self.workers

    @property
    def verdict(self) -> Truth:
        return self.truth

    @property
    def striking(self) -> RecordFaults:
        return self.faults

    @property
    def resting(self) -> RecordRest:
        return self.rest

    def begin(self, client: str, worker: str, *operations: Operation) -> str | None:
        """A request arrives."""
        where = self.workers[worker]
        keys = (key for name, *rest in operations for key in _keys(name, rest))
        if not where.is_alive or where.is_paused or any(key not in self.keys for key in keys):
            return None
        request = RecordRequest(self, client, where, operations)
        where.running.add(request)
        task = request.task = self.loop.create_task(request.run())

        def done(_: object) -> None:
            where.running.discard(request)
            if not task.cancelled() and (error := task.exception()) is not None:
                self.truth.violated(f"{request.said} ends with {error!r}")

        task.add_done_callback(done)
        said = ", ".join(f"{name}({', '.join(map(str, rest))})" for name, *rest in operations)
        return f"{request.said} asks for {said}"

    # ---- making ----

    def start(self, name: str) -> None:
        """Start a worker's process."""
        worker = self.workers[name]
        worker.make()
        self.loop.call_soon(worker.start)
        self.loop.settle()

    def name(self) -> str:
        """A name that there was never before."""
        return f"{next(self._names):08x}"

    def _make_record(self) -> None:
        key = f"r{next(self._keys)}"
        initial = 0 if self.scenario.is_sum else None
        self.keys.append(key)
        self.database.rows[("record", key)] = dict.fromkeys(self.scenario.names, initial)

    def _server_time(self) -> float:
        return self.now + self.server_offset

    def _appended(self, key: str, name: str, payload: str, epoch: str, identifier: str) -> None:
        self.truth.appended((key, name), payload, epoch, identifier)

    # ---- how it is ----

    @property
    def is_quiet(self) -> bool:
        """Whether nobody is served."""
        return all(worker.is_quiet for worker in self.workers.values()) and not any(
            self.living(gate) is None for gate in self.gates.pending
        )

    @property
    def is_told(self) -> bool:
        """Whether every change past the stream is published."""
        return not any(table == "outbox" for table, _ in self.database.rows)

    @property
    def waiting(self) -> int:
        """How many operations are in the stream, SQL's too."""
        return self.server.data.xlen(self.stream)

    def letters(self) -> Sequence[Mapping[str, Any]]:
        """The dead letters."""
        return [row for (table, _), row in self.database.rows.items() if table == "letter"]

    # ---- at rest ----

    def gone(self, worker: str, keys: Sequence[str]) -> None:
        """Read records that are removed, whose last operation was dropped: nothing is left."""
        behind = self.workers[worker].behind

        async def look() -> None:
            initial = behind.operation.rule.initial
            for key, record in zip(
                keys, await behind.read_fields(keys, self.scenario.names), strict=True
            ):
                if any(value != initial for value in record.values()):
                    self.truth.violated(f"{key} is removed, and at rest {worker} reads {record}")

        request = RecordRequest(self, "rest", self.workers[worker], ())
        self.workers[worker].running.add(request)
        task = request.task = self.loop.create_task(look())
        task.add_done_callback(lambda _: self.workers[worker].running.discard(request))
        self.loop.settle()

    def begin_anew(self) -> None:
        """What SQL has is where everything begins; a new record for each that was removed."""
        for key in [key for key in self.keys if key in self.truth.removals]:
            self.keys.remove(key)
            self._make_record()
        self.truth.rest(self.database.rows)


def _keys(name: str, arguments: Sequence[str]) -> Sequence[str]:
    """The records that an operation is about."""
    return arguments[:1] if name in ("add", "once") else arguments
