"""What must hold at each answer, and when all is at rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ...protocol import MAX_STALENESS
from .application import STRICT, Seen, parts_of
from .database import UNKNOWN, Part
from .knowledge import Floor
from .stepped import Verdict

if TYPE_CHECKING:
    from .request import Operation, Request
    from .worker import SimulatedWorker
    from .world import World


class Demand(NamedTuple):
    """What a reader must see at least, and why."""

    why: str
    floor: Floor
    settled: bool = False
    """Only of a worker that stays where it is: a split brain promises less."""


class Checker(Verdict):
    """Checks a world's answers against the promises; the first violation is kept."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def fail(self, request: Request, what: str) -> None:
        self.violated(f"{request.name}: {what}")

    # ---- what a request must see ----

    def floors(self, request: Request) -> list[Demand]:
        """What holds for a request that arrives now."""
        world, worker = self._world, request.worker
        known = world.knowledge
        demands = [Demand("what its client wrote or was told of", request.client.floor)]
        if self._is_settled(worker):
            applied = known.of(worker.cache.applied)
            why = "what this worker had applied when it came"
            demands.append(Demand(why, applied, settled=True))
            due = known.primary.before(world.now - MAX_STALENESS / 2)
            why = "what was published more than half of Δ before"
            demands.append(Demand(why, due, settled=True))
            if worker.cache.is_current:
                why = "what was acknowledged when this worker had lost the servers"
                demands.append(Demand(why, worker.regained, settled=True))
        if world.health.is_well(worker.name):
            world.statistics.bounded += 1
            old = known.acknowledged.before(world.now - MAX_STALENESS)
            demands.append(Demand("what was acknowledged more than Δ before", old))
        return demands

    def when_it_begins(self, request: Request, name: str) -> list[Demand]:
        """What holds for a read that begins now: more than for all of its request."""
        demands = [*request.floors, Demand("what its request wrote itself", request.own)]
        if name in STRICT and self._is_settled(request.worker):
            floor = self._world.knowledge.primary.floor
            demands.append(
                Demand("what was published when it began, strictly", floor, settled=True)
            )
        return demands

    def _is_settled(self, worker: SimulatedWorker) -> bool:
        """Whether it has been on the primary for a while: a split brain promises less."""
        world, link = self._world, worker.link
        return link.state is world.primary and world.now - link.moved_at > 2 * MAX_STALENESS

    # ---- answers ----

    def answered(
        self, request: Request, operation: Operation, value: Seen | None, demands: list[Demand]
    ) -> None:
        """A read of `request` returned `value`; `demands` were made when it began."""
        name, *arguments = operation
        said = f"{name}({', '.join(map(str, arguments))})"
        parts = parts_of(name, arguments, value)
        self._world.note(lambda: f"{request.name}: {said} is {', '.join(map(shown, parts))}")
        self._world.read(request, parts)
        if value is not None and value.viewer not in (None, request.client.viewer):
            self.fail(request, f"{said} shows what is {value.viewer}'s")
        if request.is_excused:
            demands = []
            if not self._world.database_failed:
                self.fail(request, f"{said} is stale, and the database was never away")
        elif request.worker.link.moved_at >= request.arrived:
            demands = [demand for demand in demands if not demand.settled]
        for part in parts:
            self._check(request, said, part, demands)

    def _check(self, request: Request, said: str, part: Part, demands: list[Demand]) -> None:
        history = self._world.database.history[part.cell]
        found = _committed(history, part)
        if found is None:
            self.fail(request, f"{said} shows {shown(part)}, never committed")
            return
        for why, floor, _ in demands:
            if found < floor.get(part.cell, 0):
                self.fail(
                    request,
                    f"{said} shows {shown(part)}, and must show version "
                    f"{floor[part.cell]} or a later one: {why}",
                )

    def failed(self, request: Request, operation: Operation, error: Exception) -> None:
        if not self._world.database_failed:
            self.fail(request, f"{operation} fails, and the database was never away: {error}")


def _committed(history: Sequence[Part], part: Part) -> int | None:
    """The version up to which a part is known to have been what it is; None: it never was.

    That of what is not there is unknown: then it is the last moment at which it was not there.
    """
    if part.version != UNKNOWN:
        return part.version if part in history else None
    for index in range(len(history) - 1, -1, -1):
        if history[index].value == part.value:
            return history[index + 1].version - 1 if index + 1 < len(history) else 2**60
    return None


def shown(part: Part) -> str:
    """A part in words."""
    version = "" if part.version == UNKNOWN else f" in version {part.version}"
    return f"{part.cell} {'nothing' if part.value is None else part.value!r}{version}"
