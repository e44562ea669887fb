"""At rest: everything heals, is published and applied, and then compared with the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...codec import Codec
from ...protocol import Stamp, judge_remotely
from .application import Seen, parts_of
from .checker import shown
from .database import UNKNOWN

if TYPE_CHECKING:
    from .world import World

PATIENCE = 90.0
"""Seconds within which a healed world must come to rest: a lease, and times to live, may end."""

MOST_STEPS = 50_000
FEW_STEPS = 3_000
"""The same with a rule off: then it may never come to rest."""


class Rest:
    """Brings a world to rest, and checks that nothing that is judged valid is old."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._codec = Codec()

    def settle(self) -> str:
        """Heal, and let everything happen in the order in which it came."""
        world = self._world
        world.faults.heal()
        limit = world.now + PATIENCE
        for _ in range(MOST_STEPS if world.scenario.is_whole else FEW_STEPS):
            if self._is_reached():
                world.statistics.rests += 1
                self._check()
                return "everything heals, and comes to rest"
            if world.now > limit:
                break
            self._step()
        if world.scenario.is_whole:  # with a rule off that is not what is looked for
            world.checker.violated(f"it does not come to rest within {PATIENCE:g} s")
        return "everything heals, and does not come to rest"

    def _step(self) -> None:
        world = self._world
        ready = world.openable()
        if ready:
            world.open(ready[0])
        else:
            dues = [gate.due for gate in world.gates.pending if gate.due is not None]
            world.now = round(min(dues, default=world.now + 0.01) + 1e-6, 6)
        world.loop.settle()

    def _is_reached(self) -> bool:
        world = self._world
        head = world.primary.server.position()
        rules = world.scenario.rules
        for row in world.database.outbox.values():
            if row.published is None or (rules.w1_epoch and row.published.epoch != head.epoch):
                return False
        return all(
            worker.is_quiet and worker.cache.is_current and worker.cache.applied == head
            for worker in world.workers.values()
        )

    def _check(self) -> None:
        for key, stored in self._world.stored():
            entry = self._codec.decode(stored, key)
            if entry is not None:
                value = self._world.calls[key].call.declared.decode(entry.payload)
                self._check_entry(key, entry.stamp, value)
        for worker in self._world.workers.values():
            for item in worker.remembered():
                stamp, log = item.stamp, worker.log
                is_judged = item.judged == log.mark
                if is_judged or log.judge(stamp.epoch, stamp.dependencies) is None:
                    self._compare(f"valid in {worker.name}'s memory", item.key, item.value)

    def _check_entry(self, key: str, stamp: Stamp, value: Seen | None) -> None:
        world = self._world
        look = world.primary.server.look(stamp.dependencies)
        if judge_remotely(stamp, look, world.scenario.rules) is None:
            self._compare("judged valid by its watermarks", key, value)
        for worker in world.workers.values():
            if worker.log.judge(stamp.epoch, stamp.dependencies) is None:
                self._compare(f"judged valid by {worker.name}'s log", key, value)

    def _compare(self, where: str, key: str, value: Seen | None) -> None:
        known = self._world.calls[key]
        for part in parts_of(known.name, known.arguments, value):
            now = self._world.database.now(part.cell)
            if part.value != now.value or part.version not in (UNKNOWN, now.version):
                said = f"{known.name}{known.arguments}"
                self._world.checker.violated(
                    f"at rest, {said} is {where}: {shown(part)}, and by now {shown(now)}"
                )
