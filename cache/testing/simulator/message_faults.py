"""What may go wrong with any process and any message."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import StoreUnavailable
from .gates import Gate, Stage
from .network import BUDGET
from .stepped import SteppedWorld

ASKED = ("state", "entries", "leases")
"""Where a call may be lost."""


class MessageFaults:
    """Each says in words what it did; None where it cannot."""

    asked: Sequence[str] = ASKED

    def __init__(self, world: SteppedWorld) -> None:
        self._stepped = world

    def failure(self, gate: Gate, what: str, *, late: bool = False) -> Exception:
        """What its caller gets; `late` where nobody answered."""
        return StoreUnavailable(what)

    def pause(self, name: str) -> str | None:
        worker = self._stepped.processes[name]
        if not worker.is_alive:
            return None
        worker.is_paused = not worker.is_paused
        return f"{name} {'is paused' if worker.is_paused else 'goes on'}"

    # ---- messages ----

    def lose(self, name: str, nth: int = 0) -> str | None:
        """A call fails: it did not get there, or its answer is lost."""
        gate = self._find(name, nth)
        if gate is None:
            return None
        self._stepped.gates.refuse(gate, self.failure(gate, f"the connection broke: {name}"))
        return f"the connection breaks while {name.removesuffix(' ' + gate.stage.value)}"

    def time_out(self, name: str, nth: int = 0) -> str | None:
        """A caller waits no more; what it asked for may be done later."""
        gate = self._find(name, nth)
        if gate is None or gate.stage is Stage.REPLY or gate.future.done():
            return None
        if self._stepped.now < max(gate.since, gate.due or 0) + BUDGET:
            return None
        gate.give_up(self.failure(gate, f"no answer in time: {name}", late=True))
        return f"nobody waits any more for {name.removesuffix(' ' + gate.stage.value)}"

    def _find(self, name: str, nth: int) -> Gate | None:
        gate = self._stepped.gates.find(name, nth)
        if gate is None or gate.at not in self.asked:
            return None
        worker = self._stepped.living(gate)
        return None if worker is None or worker.is_paused else gate
