"""What every random driver does: it chooses each step of a world by a seed, which repeats it."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Mapping

from .gates import Gate
from .stepped import Choice, SteppedWorld

ATTEMPTS = 20


class RandomDriver(ABC):
    """Chooses what happens next in `world`."""

    def __init__(self, world: SteppedWorld, seed: int) -> None:
        self._stepped = world
        self._pace = world.pace
        self._chance = random.Random(seed)  # noqa: S311 - not for secrets
        self._slow: dict[Gate, bool] = {}

    def run(self, steps: int) -> None:
        """So many steps. Raises `Violation`."""
        for _ in range(steps):
            self.step()
        self._stepped.do(("settle",))

    def step(self) -> None:
        """One step that can happen."""
        for _ in range(ATTEMPTS):
            if self._stepped.do(self._choose()):
                self._stepped.statistics.steps += 1
                return
        self._stepped.do(("wait", 0.01))

    def _choose(self) -> Choice:
        pace, draw = self._pace, self._chance.random() * 100
        if draw < pace.settling:
            return ("settle",)
        draw -= pace.settling
        if draw < pace.start:
            return self._begin()
        draw -= pace.start
        if draw < pace.fault:
            return self._fault()
        draw -= pace.fault
        if draw < pace.wait:
            return self._wait()
        return self._open()

    @abstractmethod
    def _begin(self) -> Choice:
        """A request."""

    @abstractmethod
    def _fault(self) -> Choice:
        """A fault."""

    def _wait(self) -> Choice:
        return ("wait", self._chance.choice(self._pace.waits))

    def _open(self) -> Choice:
        gates = self._stepped.openable()
        if not gates:
            return self._wait()
        for _ in range(ATTEMPTS):
            gate = self._chance.choice(gates)
            if not self._is_slow(gate) or self._chance.random() < 0.05:
                break
        return ("open", gate.name, self._stepped.gates.number_of(gate))

    def _is_slow(self, gate: Gate) -> bool:
        if gate.owner[0] in self._pace.lagging and gate.due is not None:
            return gate.at == "state"
        if not self._pace.slow:
            return False
        if len(self._slow) > 500:
            self._slow.clear()
        if gate not in self._slow:
            self._slow[gate] = self._chance.random() < self._pace.slow
        return self._slow[gate]

    def _pick(self, weights: Mapping[str, float]) -> str:
        return self._chance.choices(list(weights), list(weights.values()))[0]
