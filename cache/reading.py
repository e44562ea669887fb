"""The read path: memory, then the store, judged; then a load."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from .call import Call
from .context import (
    Scope,
    current_frame,
    current_scope,
    is_bypassed,
    loading_alone,
    viewer_was_read,
    why_bypassed,
)
from .errors import StoreUnavailable
from .facts import Bypassed, Missed, Why
from .filling import Start
from .flight import Flight, Outcome
from .judging import Judge
from .loading import Loads
from .looking import LookUps
from .protocol import Barrier, Stamp, Verdict
from .resolving import Resolver
from .serving import Candidate, Serving, Sight, made_of
from .tier import MemoryTier
from .worker import Worker

_LOOKS = 3
"""How often a reader looks before it loads by itself, whoever else is loading."""

MISS: Any = object()
"""What is not there: `None` is a value."""


class Reader:
    """Answers the calls of one cache's functions.

    `is_unavailable` says which of a load's errors mean that the database is away; `loads_alone`
    is how many loads may run at once without the store.
    """

    def __init__(  # noqa: PLR0913 - the composition root of a worker names each once
        self,
        worker: Worker,
        *,
        tier: MemoryTier,
        look_ups: LookUps,
        judge: Judge,
        resolver: Resolver,
        loads: Loads,
        serving: Serving,
        loads_alone: int,
        is_unavailable: Callable[[BaseException], bool],
    ) -> None:
        self._worker = worker
        self._tier = tier
        self._look_ups = look_ups
        self._judge = judge
        self._resolver = resolver
        self._loads = loads
        self._serving = serving
        self._alone = asyncio.Semaphore(loads_alone)
        self._is_unavailable = is_unavailable

    async def read(self, call: Call) -> Any:
        """The value of a call: remembered, stored and valid, from a load under way, or loaded."""
        if not call.policy.is_public:
            viewer_was_read()
        if is_bypassed() and self._worker.rules.l0_transaction:
            self._worker.tell(Bypassed(call.name, why_bypassed()))
            _made_of_the_unknown()
            return await call.load_unstored()
        scope = current_scope()
        if self._resolver.is_due(scope.barrier):
            await self._resolver.resolve(scope.barrier)
        if scope.barrier.alone:
            return await self._load_alone(call)
        value = self._from_memory(call, scope)
        return value if value is not MISS else await self._from_store(call, scope)

    # ---- memory ----

    def _from_memory(self, call: Call, scope: Scope) -> Any:
        item, log = self._tier.get(call.key), self._worker.log
        if item is None or self._is_strict(call):
            return MISS
        position = log.position
        if position is None or not self._judge.may_use_log(scope.barrier, None):
            return MISS
        if item.judged != log.mark:
            if log.judge(item.stamp.epoch, item.stamp.dependencies) is not None:
                self._tier.discard(call.key)
                return MISS
            item.judged = log.mark
        now, policy = self._worker.server_time, call.policy
        if now < item.stamp.soft and not policy.early:
            return self._serving.serve_remembered(call, scope, item, None)
        if now >= item.stamp.soft + policy.stale_while_revalidate:
            return MISS
        start = Start(position, now, background=True)
        return self._serving.serve_remembered(call, scope, item, start)

    # ---- the store ----

    async def _from_store(self, call: Call, scope: Scope) -> Any:
        for attempt in range(1, _LOOKS + 1):
            began = self._worker.clock.now()
            try:
                sight = await self._find(call, scope.barrier)
            except StoreUnavailable as error:
                self._worker.failed("look-up", error, began, scope.barrier)
                break
            value = await self._from_sight(call, scope, sight, is_last=attempt == _LOOKS)
            if value is not MISS:
                return value
        # Not in the handler above: an error of the load would have the store's as its context, and
        # be taken for one of a database that is away.
        return await self._load_alone(call)

    async def _from_sight(self, call: Call, scope: Scope, sight: Sight, *, is_last: bool) -> Any:
        """The value that this sight leads to, or `MISS`: look again."""
        if sight.candidate is not None and self._serving.is_servable(call, sight):
            start = Start(sight.look.head, sight.look.now, background=True)
            return self._serving.serve(call, scope, sight.candidate, start)
        if sight.verdict is Verdict.BARRIER and not is_last:
            await self._resolver.resolve(scope.barrier, again=True)
            return MISS if not scope.barrier.alone else await self._load_alone(call)
        flight = self._loads.flights.get(call.key)
        joins = flight is not None and not is_last
        if flight is None or not joins:
            self._worker.tell(Missed(call.key, call.name, sight.reason))
            flight = self._loads.begin(call, scope, Start(sight.look.head, sight.look.now))
        return await self._land(call, scope, sight, flight, joins=joins)

    async def _find(self, call: Call, barrier: Barrier) -> Sight:
        """Look up and judge. Raises `StoreUnavailable`."""
        asked = barrier.token
        found = await self._look_ups.find(call.key)
        self._resolver.clip(barrier, found.look.head, asked)
        if self._worker.rules.w5_heads:
            barrier.saw(found.look.head)
        if found.entry is None:
            why = Verdict.UNREADABLE if found.unreadable else Verdict.ABSENT
            return Sight(found.look, why)
        stamp = found.entry.stamp
        if _lacks(stamp, call.tags()):
            return Sight(found.look, Verdict.OTHER_TAGS)
        judged = await self._judge.judge(stamp, found, barrier, strict=self._is_strict(call))
        if self._worker.rules.w5_heads:
            barrier.saw(judged.look.head)
        try:
            value = call.declared.decode(found.entry.payload)
        except ValueError:
            return Sight(judged.look, Verdict.UNREADABLE)
        more = call.declared.result_tags
        if more is not None and _lacks(stamp, more(value)):
            return Sight(judged.look, Verdict.OTHER_TAGS)
        size, old = len(found.entry.payload), found.entry if judged.was_unknown else None
        candidate = Candidate(value, stamp, judged.as_of, size, old)
        return Sight(judged.look, judged.verdict, candidate)

    # ---- loading ----

    async def _land(
        self, call: Call, scope: Scope, sight: Sight, flight: Flight, *, joins: bool
    ) -> Any:
        """Wait for a flight: the value to serve, or `MISS` where its result may not be joined."""
        candidate, head = sight.candidate, sight.look.head
        if candidate is not None and await self._is_better(candidate, sight, call, flight):
            return self._serving.serve_instead(call, candidate, sight, Why.SLOW)
        try:
            outcome = await flight.join()
        except Exception as error:
            is_away = self._is_unavailable(error)
            if candidate is not None and is_away and _is_in_time_for_errors(call, candidate, sight):
                return self._serving.serve_instead(call, candidate, sight, Why.ERROR)
            if is_away or not joins or self._judge.may_fail_with(flight.frame, head, scope.barrier):
                raise
            return MISS  # what the load read may be older than what this reader has written
        if not joins:
            return self._serving.accept(outcome, scope.barrier)
        strict = self._is_strict(call)
        if not self._judge.may_join(outcome, head, scope.barrier, strict=strict):
            return MISS
        return self._serving.join(call, outcome, scope.barrier)

    async def _is_better(
        self, candidate: Candidate, sight: Sight, call: Call, flight: Flight
    ) -> bool:
        """J7: whether a clean value past its time is served, since its load takes too long."""
        if sight.verdict is not None or not await self._is_slow(call, flight):
            return False
        # It was clean when it was looked up: a purge may have come while the load was awaited.
        return not self._judge.knows_a_purge_of(candidate.stamp)

    async def _is_slow(self, call: Call, flight: Flight) -> bool:
        """Whether a load takes longer than its policy's readers want to wait for it (J7)."""
        patience = call.policy.load_timeout
        if patience is None:
            return False
        limit = asyncio.ensure_future(self._worker.clock.sleep(patience))
        try:
            await asyncio.wait({flight.task, limit}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            limit.cancel()
        return not flight.task.done()

    async def _load_alone(self, call: Call) -> Any:
        """Load without a store: in no flight, and stored nowhere; not too many at once."""
        self._worker.tell(Missed(call.key, call.name, None))
        _made_of_the_unknown()
        with loading_alone() as outermost:
            # Its outermost load holds a place already; or it is part of a flight, for which
            # somebody may wait who holds a place.
            if not outermost or current_frame() is not None:
                return await call.load_unstored()
            async with self._alone:
                return await call.load_unstored()

    async def find_again(self, call: Call, start: Start) -> Outcome | None:
        """What another process has stored, for a load that begins at `start` under a lease."""
        sight = await self._find(call, current_scope().barrier)
        candidate = sight.candidate
        if candidate is None or not self._serving.is_servable(call, sight):
            return None
        if start.replaces is not None and candidate.stamp.stored <= start.replaces:
            return None  # it is the value that a refresh is to replace
        self._serving.remember(call, candidate)
        return Outcome(
            candidate.value, made_of(candidate.stamp, candidate.as_of, self._worker.rules)
        )

    def _is_strict(self, call: Call) -> bool:
        return call.policy.is_strict and self._worker.rules.j6_strict


def _lacks(stamp: Stamp, tags: Iterable[str]) -> bool:
    """Whether an entry does not depend on one of these: another version of the program, that did
    not name it, stored the entry, and this one's purges would miss it."""
    return not stamp.dependencies.keys() >= set(tags)


def _is_in_time_for_errors(call: Call, candidate: Candidate, sight: Sight) -> bool:
    """Whether `stale_if_error` serves this, purged or not, where its database is away (J7)."""
    patience = call.policy.stale_if_error
    return patience > 0 and sight.look.now < candidate.stamp.soft + patience


def _made_of_the_unknown() -> None:
    """The load that runs here, if any, is not stored: nobody told what this part depends on."""
    frame = current_frame()
    if frame is not None:
        frame.dependencies.known = False
