"""At rest: everything heals, is flushed, replayed and read at every worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .world import RecordWorld

PATIENCE = 120.0
"""Seconds within which a healed world must come to rest."""

MOST_STEPS = 20_000
FEW_STEPS = 3_000
"""The same with a rule off: then it may never come to rest."""


class Restless(Exception):  # noqa: N818 - what it names is what it is
    """It does not come to rest."""


class RecordRest:
    """Brings a world to rest, and checks that SQL and the live values are exactly what was done."""

    def __init__(self, world: RecordWorld) -> None:
        self._world = world
        self._limit, self._left = 0.0, 0

    def settle(self) -> str:
        """Heal, and let everything happen in the order in which it came."""
        world = self._world
        world.faults.heal()
        self._limit = world.now + PATIENCE
        self._left = MOST_STEPS if world.scenario.is_whole else FEW_STEPS
        try:
            self._drain(lambda: world.is_quiet)
            self._ask("A", "settle")
            self._read_all()
            self._flush_all()
            self._replay_all()
            self._drain(lambda: world.is_told)
            self._read_all()
            world.truth.check_rows(world.database.rows)
            self._remove_all()
        except Restless:
            if world.scenario.is_whole:
                world.truth.violated(f"it does not come to rest within {PATIENCE:g} s")
            return "everything heals, and does not come to rest"
        world.statistics.rests += 1
        world.begin_anew()
        return "everything heals, and comes to rest"

    # ---- parts ----

    def _read_all(self) -> None:
        """Whatever happened is in what everybody reads."""
        world = self._world
        for one in world.truth.all():
            one.acknowledged = one.acknowledged or one.happened
        for name in world.workers:
            self._ask(name, "read", *world.keys)
        self._ask("A", "anew", *world.keys)

    def _flush_all(self) -> None:
        world = self._world
        while world.waiting:
            if world.scenario.runs:
                self._drain(lambda: world.waiting == 0)
            else:
                for name in world.workers:
                    self._ask(name, "flush")
                self._pass(0.3)

    def _replay_all(self) -> None:
        world = self._world
        while keys := sorted({row["key"] for row in world.letters()}):
            for key in keys:
                self._ask("A", "replay", key)
            self._flush_all()

    def _remove_all(self) -> None:
        """What is appended to a record that is removed is dropped, and nothing of it stays."""
        world = self._world
        removed = [key for key in world.keys if key in world.truth.removals]
        for key in removed:
            world.truth.removals[key].is_told = True
            self._ask("A", "add", key, world.scenario.names[0])
        self._flush_all()
        self._drain(lambda: world.is_told)
        for name in world.workers if removed else ():
            world.gone(name, removed)
            self._drain(lambda: world.is_quiet)

    def _ask(self, worker: str, *operation: object) -> None:
        world = self._world
        if world.begin("rest", worker, operation) is None:
            raise Restless
        world.loop.settle()
        self._drain(lambda: world.is_quiet)

    def _drain(self, until: Callable[[], bool]) -> None:
        while not until():
            self._step()

    def _pass(self, seconds: float) -> None:
        end = self._world.now + seconds
        self._drain(lambda: self._world.now >= end)

    def _step(self) -> None:
        world = self._world
        self._left -= 1
        if self._left < 0 or world.now > self._limit or world.truth.violation is not None:
            raise Restless
        ready = world.openable()
        if ready:
            world.open(ready[0])
        else:
            dues = [gate.due for gate in world.gates.pending if gate.due is not None]
            dues += [world.now + 0.1, *world.loop.next_timer()]
            world.now = round(max(world.now, min(dues)) + 1e-6, 6)
        world.loop.settle()
