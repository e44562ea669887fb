"""The random driver: it chooses each step of a world by a seed, so that the seed repeats it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .application import OF_CATEGORIES
from .database import tag_of
from .driving import RandomDriver
from .health import UNTIMED
from .request import Operation
from .stepped import Choice
from .world import World


class Driver(RandomDriver):
    """Chooses what happens next in `world`."""

    def __init__(self, world: World, seed: int) -> None:
        super().__init__(world, seed)
        self._world = world
        self._scenario = world.scenario

    def _wait(self) -> Choice:
        if not self._scenario.calm:
            return super()._wait()
        seconds = self._chance.choice(self._scenario.waits)
        moment = self._world.health.margin()
        if moment <= 0.001:
            late = min(
                (gate for gate in self._world.openable() if gate.at not in UNTIMED),
                key=lambda gate: gate.since if gate.due is None else gate.due,
                default=None,
            )
            if late is not None:
                return ("open", late.name, self._world.gates.number_of(late))
            return ("wait", 0.001)
        return ("wait", round(min(seconds, moment - 0.0005), 6))

    def _begin(self) -> Choice:
        world, chance = self._world, self._chance
        running = sum(len(worker.running) for worker in world.workers.values())
        free = [
            client
            for client in world.clients.values()
            if client.requests == 0 or not client.echoes or chance.random() < 0.05
        ]
        if running >= self._scenario.requests or not free:
            return self._open()
        client = chance.choice(free)
        if chance.random() < self._scenario.anonymous:
            client = world.clients["anyone"]
        worker = chance.choice(list(world.workers))
        operations = [self._operation() for _ in range(chance.randint(1, self._scenario.longest))]
        if len(operations) > 2 and chance.random() < 0.3:
            operations = [("together", *operations)]
        return ("begin", client.name, worker, *operations)

    def _operation(self) -> Operation:
        scenario, chance = self._scenario, self._chance
        if chance.random() < scenario.writing:
            name = self._pick(scenario.writes)
        else:
            name = self._pick(scenario.reads)
        if name in ("mine", "replay"):
            return (name,)
        if name == "namespace":
            return (name, "items")
        if name == "purge":
            return (name, chance.choice(["other", *map(tag_of, self._world.database.history)]))
        number, category = chance.randrange(scenario.items), chance.choice(scenario.categories)
        if name == "move":
            return (name, number, category)
        return (name, category if name in OF_CATEGORIES else number)

    # ---- faults ----

    def _fault(self) -> Choice:
        if not self._scenario.faults:
            return self._open()
        name = self._pick(self._scenario.faults)
        arguments = _ARGUMENTS.get(name, _none)(self)
        return ("fault", name, *arguments)

    def _worker(self) -> tuple[Any, ...]:
        return (self._chance.choice(list(self._world.workers)),)

    def _gate(self) -> tuple[Any, ...]:
        gates = [gate for gate in self._world.gates.pending if gate.at in ("state", "entries")]
        if not gates:
            return ("", 0)
        gate = self._chance.choice(gates)
        return (gate.name, self._world.gates.number_of(gate))

    def _key(self) -> tuple[Any, ...]:
        return (self._chance.choice(sorted(self._world.stored_keys) or [""]),)

    def _seconds(self) -> tuple[Any, ...]:
        return (self._chance.choice((-3600.0, -1.0, 0.05, 3600.0)),)


def _none(_driver: Driver) -> tuple[Any, ...]:
    return ()


_ARGUMENTS: Mapping[str, Callable[[Driver], tuple[Any, ...]]] = {
    "cut": Driver._worker,
    "pause": Driver._worker,
    "crash": Driver._worker,
    "split": Driver._worker,
    "leave": Driver._worker,
    "evict_memory": lambda driver: driver._worker() + driver._key(),
    "disconnect": lambda driver: (driver._chance.choice(list(driver._world.clients)),),
    "lose": Driver._gate,
    "time_out": Driver._gate,
    "evict_entry": Driver._key,
    "evict_watermark": lambda driver: (
        tag_of(driver._chance.choice(list(driver._world.database.history))),
    ),
    "trim": lambda driver: (driver._chance.choice((0, 1, 2)),),
    "restart": lambda driver: (driver._chance.random() < 0.6,),
    "server_clock": Driver._seconds,
    "database_clock": Driver._seconds,
}
