"""The random driver of a world of records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..driving import RandomDriver
from ..stepped import Choice
from .request import Operation
from .world import RecordWorld


class RecordDriver(RandomDriver):
    """Chooses what happens next in `world`."""

    def __init__(self, world: RecordWorld, seed: int) -> None:
        super().__init__(world, seed)
        self._world = world
        self._scenario = world.scenario

    def _begin(self) -> Choice:
        world, chance = self._world, self._chance
        running = sum(len(worker.running) for worker in world.workers.values())
        if running >= self._scenario.requests:
            return self._open()
        client, worker = chance.choice(world.clients), chance.choice(list(world.workers))
        return ("begin", client, worker, self._operation())

    def _operation(self) -> Operation:
        world, chance = self._world, self._chance
        name = self._pick(self._scenario.operations)
        if name == "flush":
            return (name,)
        if name in ("read", "anew"):
            return (name, *chance.sample(world.keys, chance.randint(1, len(world.keys))))
        key = chance.choice(world.keys)
        if name in ("add", "once"):
            return (name, key, chance.choice(self._scenario.names))
        return (name, key)

    # ---- faults ----

    def _fault(self) -> Choice:
        if not self._scenario.faults:
            return self._open()
        name = self._pick(self._scenario.faults)
        return ("fault", name, *_ARGUMENTS.get(name, _none)(self))

    def _worker(self) -> tuple[Any, ...]:
        return (self._chance.choice(list(self._world.workers)),)

    def _gate(self) -> tuple[Any, ...]:
        gates = [gate for gate in self._world.gates.pending if gate.at != "clock"]
        if not gates:
            return ("", 0)
        gate = self._chance.choice(gates)
        return (gate.name, self._world.gates.number_of(gate))

    def _seconds(self) -> tuple[Any, ...]:
        return (self._chance.choice((-3600.0, -1.0, 0.05, 3600.0)),)

    def _later(self) -> tuple[Any, ...]:
        # A lease lasts as much longer as the database's clock is set back: no race, but a wait.
        return (self._chance.choice((-1.0, 0.05, 3600.0)),)


def _none(_driver: RecordDriver) -> tuple[Any, ...]:
    return ()


_ARGUMENTS: Mapping[str, Callable[[RecordDriver], tuple[Any, ...]]] = {
    "cut": RecordDriver._worker,
    "pause": RecordDriver._worker,
    "crash": RecordDriver._worker,
    "disconnect": lambda driver: (driver._chance.choice(driver._world.clients),),
    "lose": RecordDriver._gate,
    "time_out": RecordDriver._gate,
    "server_clock": RecordDriver._seconds,
    "database_clock": RecordDriver._later,
    "evict": lambda driver: (driver._chance.randrange(8),),
    "poison": lambda driver: (driver._chance.choice(driver._world.keys),),
}
