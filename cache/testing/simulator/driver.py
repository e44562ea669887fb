"""The random driver: it chooses each step of a world by a seed, so that the seed repeats it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

from .application import OF_CATEGORIES
from .database import tag_of
from .gates import Gate
from .health import UNTIMED
from .request import Operation
from .world import Choice, World

_ATTEMPTS = 20


class Driver:
    """Chooses what happens next in `world`."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._scenario = world.scenario
        self._chance = random.Random(seed)  # noqa: S311 - not for secrets
        self._slow: dict[Gate, bool] = {}

    def run(self, steps: int) -> None:
        """So many steps. Raises `Violation`."""
        for _ in range(steps):
            self.step()
        self._world.do(("settle",))

    def step(self) -> None:
        """One step that can happen."""
        for _ in range(_ATTEMPTS):
            if self._world.do(self._choose()):
                self._world.statistics.steps += 1
                return
        self._world.do(("wait", 0.01))

    def _choose(self) -> Choice:
        scenario, draw = self._scenario, self._chance.random() * 100
        if draw < scenario.settling:
            return ("settle",)
        draw -= scenario.settling
        if draw < scenario.start:
            return self._begin()
        draw -= scenario.start
        if draw < scenario.fault:
            return self._fault()
        draw -= scenario.fault
        if draw < scenario.wait:
            return self._wait()
        return self._open()

    # ---- steps ----

    def _open(self) -> Choice:
        gates = self._world.openable()
        if not gates:
            return self._wait()
        for _ in range(_ATTEMPTS):
            gate = self._chance.choice(gates)
            if not self._is_slow(gate) or self._chance.random() < 0.05:
                break
        return ("open", gate.name, self._world.gates.number_of(gate))

    def _is_slow(self, gate: Gate) -> bool:
        if gate.owner[0] in self._scenario.lagging and gate.due is not None:
            return gate.at == "state"
        if not self._scenario.slow:
            return False
        if len(self._slow) > 500:
            self._slow.clear()
        if gate not in self._slow:
            self._slow[gate] = self._chance.random() < self._scenario.slow
        return self._slow[gate]

    def _wait(self) -> Choice:
        seconds = self._chance.choice(self._scenario.waits)
        if not self._scenario.calm:
            return ("wait", seconds)
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

    def _pick(self, weights: Mapping[str, float]) -> str:
        return self._chance.choices(list(weights), list(weights.values()))[0]

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
