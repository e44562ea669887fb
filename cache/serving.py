"""What is done when a value is given to a reader: facts, refreshes, dependencies handed up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from .call import Call
from .context import Scope, current_frame
from .entry import Entry
from .facts import Hit, Joined, Refreshed, StaleServed, Tier, Why
from .filling import Fills, Start
from .flight import Outcome
from .loading import Loads
from .protocol import Barrier, Dependencies, Look, Position, Rules, Stamp, Verdict
from .tier import Remembered
from .worker import Worker

Served = Callable[[Call, Stamp, Any, Tier], None]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A stored value: `as_of` is the head of the server's verdict on it, if the server judged it,
    `size` the bytes of its payload. `old` is the entry, where logs no longer reach back to it."""

    value: Any
    stamp: Stamp
    as_of: Position | None = None
    size: int = 0
    old: Entry | None = None


def made_of(stamp: Stamp, as_of: Position | None, rules: Rules) -> Dependencies:
    """What a reader of a value depends on: its positions, raised to a head that judged it (J3)."""
    result = Dependencies(rules)
    result.strict = stamp.strict
    if as_of is not None:
        result.add_all(stamp.dependencies, as_of)
    else:
        result.add_ids(stamp.epoch, stamp.dependencies)
    return result


@dataclass(frozen=True, slots=True)
class Sight:
    """What a look-up came to: `verdict` is None where `candidate` is clean, whatever its age."""

    look: Look
    verdict: Verdict | None
    candidate: Candidate | None = None

    @property
    def reason(self) -> Verdict:
        """Why it is a miss, if it is one."""
        return self.verdict or Verdict.EXPIRED


class Serving:
    """Gives values to readers. `random` gives numbers in [0, 1); `audit` is told of each value."""

    def __init__(
        self,
        worker: Worker,
        *,
        fills: Fills,
        loads: Loads,
        random: Callable[[], float],
    ) -> None:
        self._worker = worker
        self._fills = fills
        self._loads = loads
        self._random = random
        self.audit: Served | None = None

    def is_servable(self, call: Call, sight: Sight) -> bool:
        """Whether what was found may be served without waiting for a load: clean, and in time."""
        if sight.candidate is None or not self._is_clean(sight):
            return False
        limit = sight.candidate.stamp.soft + call.policy.stale_while_revalidate
        return sight.look.now < limit

    def _is_clean(self, sight: Sight) -> bool:
        if sight.verdict is Verdict.PURGED and not self._worker.rules.j7_purged:
            return True
        return sight.verdict is None

    def serve(self, call: Call, scope: Scope, candidate: Candidate, start: Start) -> Any:
        """Serve a clean value from the store, and remember it. `start`: where a refresh begins."""
        self.remember(call, candidate)
        if candidate.old is not None and candidate.as_of is not None:
            self._fills.restamp(candidate.old, candidate.as_of, start.now)
        self._refresh_if_due(call, scope, candidate.stamp, start)
        self._tell_served(Tier.STORE, call, candidate.stamp, start.now)
        self._hand_up(candidate.stamp, scope, candidate.as_of)
        if self.audit is not None:
            self.audit(call, candidate.stamp, candidate.value, Tier.STORE)
        return candidate.value

    def serve_remembered(
        self, call: Call, scope: Scope, item: Remembered, start: Start | None
    ) -> Any:
        """Serve a clean value from memory; with `start`, see whether a refresh is due."""
        if start is not None:
            self._refresh_if_due(call, scope, item.stamp, start)
        if self._worker.is_observed:
            self._tell_served(Tier.MEMORY, call, item.stamp, self._worker.server_time)
        self._hand_up(item.stamp, scope)
        if self.audit is not None:
            self.audit(call, item.stamp, item.value, Tier.MEMORY)
        return item.value

    def _hand_up(self, stamp: Stamp, scope: Scope, as_of: Position | None = None) -> None:
        """Tell the load that a value becomes a part of, and the answer, what it depends on."""
        frame = current_frame()
        if frame is not None and self._worker.rules.l2_nested:
            frame.dependencies.merge(made_of(stamp, as_of, self._worker.rules))
        self._used(stamp, scope.barrier)

    def _refresh_if_due(self, call: Call, scope: Scope, stamp: Stamp, start: Start) -> None:
        """Refresh in the background what is stale, or is drawn to be refreshed early."""
        stale = start.now >= stamp.soft
        early = not stale and call.policy.refreshes_early(start.now, stamp, self._random)
        if (stale or early) and call.key not in self._loads.flights:
            self._worker.tell(Refreshed(call.key, call.name, early))
            self._loads.begin(call, scope, replace(start, replaces=stamp.stored))

    def _tell_served(self, tier: Tier, call: Call, stamp: Stamp, now: float) -> None:
        age = max(0.0, now - stamp.stored)
        if now < stamp.soft:
            self._worker.tell(Hit(call.key, call.name, tier, age))
        else:
            why = Why.REVALIDATING
            self._worker.tell(StaleServed(call.key, call.name, tier, age, why, purged=False))

    def _used(self, stamp: Stamp, barrier: Barrier) -> None:
        """W5: an answer's token reaches what was used for it, where that is ahead of the log."""
        if not stamp.dependencies or not self._worker.rules.w5_used:
            return
        newest = max(stamp.dependencies.values())
        applied = self._worker.log.position
        if applied is None or applied.epoch != stamp.epoch or newest > applied.id:
            barrier.saw(Position(stamp.epoch, newest))

    def serve_instead(self, call: Call, candidate: Candidate, sight: Sight, why: Why) -> Any:
        """Serve what is past its time, or (`Why.ERROR`) was purged: nothing is stored of it."""
        frame = current_frame()
        if frame is not None:
            frame.dependencies.known = False
        age = max(0.0, sight.look.now - candidate.stamp.stored)
        purged = sight.verdict is not None
        self._worker.tell(StaleServed(call.key, call.name, Tier.STORE, age, why, purged))
        return candidate.value

    def accept(self, outcome: Outcome, barrier: Barrier) -> Any:
        """Serve what a load brought."""
        if self._worker.rules.w5_used:
            barrier.saw(outcome.dependencies.newest)
        frame = current_frame()
        if frame is not None:
            if self._worker.rules.l2_nested:
                frame.dependencies.merge(outcome.dependencies)
            frame.viewer_read = frame.viewer_read or outcome.viewer_read
        return outcome.value

    def join(self, call: Call, outcome: Outcome, barrier: Barrier) -> Any:
        """Serve what somebody else's load brought."""
        self._worker.tell(Joined(call.key, call.name))
        return self.accept(outcome, barrier)

    def remember(self, call: Call, candidate: Candidate) -> None:
        """Put a clean value into memory, as old as it is."""
        stamp = candidate.stamp
        if candidate.as_of is not None:
            stamp = stamp.raised_to(candidate.as_of)
        self._fills.remember(call.key, candidate.value, stamp, candidate.size)
