"""When a world is well, worker by worker: then, and some time after a fault, Δ is promised."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .gates import Gate, Stage

if TYPE_CHECKING:
    from .world import World

HEALING = 10.0
"""Seconds after a fault within which the staleness bound holds again (promise 4)."""

LATE = 0.02
"""Seconds after which a message is late."""

UNTIMED = ("database", "commit")
"""Statements may take their time: nobody is promised anything before a write is acknowledged.
The relays' looks at the outbox are not among them."""

HARMLESS = frozenset({"evict_entry", "evict_watermark", "evict_memory", "disconnect", "crash"})
"""Faults through which the bound holds: an eviction is a miss, and what a process that is killed
had not published the others do. One that has just started is not well yet: it may be the first to
see what was left unpublished."""

LOCAL = frozenset({"cut", "pause", "lose", "time_out"})
"""Faults of one worker: at the others the bound holds, for its writes too."""


class Health:
    """Since when each worker has been well, and has had well servers."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._troubled: dict[str, float] = {}

    def is_well(self, name: str) -> bool:
        """Whether the staleness bound is promised to who reads at this worker now."""
        return self._world.now >= self._troubled.get(name, float("-inf")) + HEALING

    def strike(self, fault: str, *arguments: object) -> None:
        """A fault struck."""
        if fault in LOCAL:
            self._trouble(str(arguments[0])[0])
        elif fault not in HARMLESS:
            self._trouble(*self._world.workers)

    def time_passed(self) -> None:
        """See what is not well."""
        world = self._world
        if world.faults.are_everywhere:
            self._trouble(*world.workers)
        for name, worker in world.workers.items():
            if worker.is_paused or worker.link.is_cut or not worker.is_alive:
                self._trouble(name)
        for gate in world.gates.pending:
            if self._is_late(gate):
                self._trouble(gate.owner[0])

    def margin(self) -> float:
        """Seconds for which nothing more can be late."""
        now = self._world.now
        limits = [
            _expected(gate) + LATE for gate in self._world.gates.pending if self._counts(gate)
        ]
        return max(0.0, min(limits, default=now + 1) - now)

    def _trouble(self, *names: str) -> None:
        self._troubled |= dict.fromkeys(names, self._world.now)

    def _counts(self, gate: Gate) -> bool:
        worker = self._world.owner_of(gate)
        return gate.at not in UNTIMED and worker is not None and not worker.is_paused

    def _is_late(self, gate: Gate) -> bool:
        is_over = self._world.now - _expected(gate) > LATE
        return is_over and self._counts(gate) and self._world.gates.is_ready(gate)


def _expected(gate: Gate) -> float:
    """When a step should happen."""
    return gate.since if gate.due is None or gate.stage is Stage.REPLY else gate.due
