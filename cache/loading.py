"""Loads: one for each key at a time, in a clean context, completed and then kept."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple

from .call import Call
from .codec import Codec
from .context import Frame, Scope
from .facts import Defect, Loaded, NotStored
from .filling import Fills, Payload, Start
from .flight import Flight, Outcome
from .leasing import Leasing
from .looking import LookUps
from .protocol import Dependencies, Position
from .tasks import end
from .worker import Worker

log = logging.getLogger(__name__)


class Result(NamedTuple):
    """What a load returned, and the seconds that it took."""

    value: Any
    cost: float


class Loads:
    """The loads of one cache. `leasing` is set where processes share them, and `refind` then looks
    for what another process has stored instead of a load that begins so."""

    def __init__(self, worker: Worker, look_ups: LookUps, codec: Codec, fills: Fills) -> None:
        self._worker = worker
        self._look_ups = look_ups
        self._codec = codec
        self._fills = fills
        self.flights: dict[str, Flight] = {}
        self._tasks: set[asyncio.Task[Outcome]] = set()
        """Of every load that runs, those included that another one of the same key displaced."""
        self.leasing: Leasing | None = None
        self.refind: Callable[[Call, Start], Awaitable[Outcome | None]] = _nothing

    def begin(self, call: Call, scope: Scope, start: Start) -> Flight:
        """Start loading, for whoever joins. The barrier goes with it, and what is below (L0)."""
        strict = start.position if call.policy.is_strict else None
        below = Scope(scope.cache, scope.viewer, scope.barrier.below(strict))
        frame = Frame(start.position, call.policy.is_public, Dependencies(self._worker.rules))
        flight = Flight(partial(self._run, call, start), scope=below, frame=frame)
        self.flights[call.key] = flight
        self._tasks.add(flight.task)
        flight.task.add_done_callback(lambda _: self._land(call.key, flight))
        return flight

    async def close(self, patience: float) -> None:
        """Wait for the loads that run, and cancel those that take longer than `patience` seconds:
        a load that hangs must not keep its process from ending."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + patience
        while self._tasks and loop.time() < ends:
            await asyncio.wait(self._tasks, timeout=ends - loop.time())
        if self._tasks:
            log.warning("%d loads still run and are cancelled", len(self._tasks))
        await end(self._tasks)

    def _land(self, key: str, flight: Flight) -> None:
        self._tasks.discard(flight.task)
        if self.flights.get(key) is flight:
            del self.flights[key]

    async def _run(self, call: Call, start: Start, frame: Frame) -> Outcome:
        load = partial(self._load, call, start, frame)
        seconds = call.policy.lease
        if self.leasing is None or seconds is None:
            return await load()
        return await self.leasing.run(call, seconds, load, partial(self.refind, call, start))

    async def _load(self, call: Call, start: Start, frame: Frame) -> Outcome:
        clock, began, failed = self._worker.clock, self._worker.clock.now(), True
        try:
            value = await call.load()
            failed = False
        finally:
            cost = clock.now() - began
            self._worker.tell(Loaded(call.key, call.name, cost, failed))
        return await self._finish(call, await self._stamped(start), frame, Result(value, cost))

    async def _stamped(self, start: Start) -> Start:
        """`start` as it is (L1, L5). Only with one of those rules off: the load's end instead."""
        rules = self._worker.rules
        if rules.l1_stamp and rules.l1_epoch and (rules.l5_began or not start.background):
            return start
        head = (await self._look_ups.look()).head
        if rules.l1_stamp and not rules.l1_epoch:
            return Start(Position(head.epoch, start.position.id), start.now)
        return Start(head, start.now)

    async def _finish(self, call: Call, start: Start, frame: Frame, result: Result) -> Outcome:
        """Complete the dependencies, with the position at which the load began, and keep it."""
        made_of, value = frame.dependencies, result.value
        made_of.strict = made_of.strict or call.policy.is_strict
        made_of.add_all(call.tags(), start.position)
        if call.declared.result_tags is not None:
            made_of.add_all(call.declared.result_tags(value), start.position)
        try:
            payload = self._codec.encode_value(value, call.policy.grain)
            # As a store will hand it out, so that nobody can tell a miss from a hit.
            value = call.declared.decode(payload)
        except (TypeError, ValueError) as error:
            self._defect(call, f"the result is not what the function declares: {error}")
            return Outcome(value, made_of, frame.viewer_read, shareable=False)
        shareable = not (frame.public and frame.viewer_read)
        outcome = Outcome(value, made_of, frame.viewer_read, shareable)
        if not shareable:
            self._defect(call, "a public load read the viewer")
        elif not made_of.known or made_of.epoch not in (None, start.position.epoch):
            reason = "read under two epochs, or at an unknown position"
            self._worker.tell(NotStored(call.key, call.name, reason))
        else:
            await self._fills.keep(call, start, outcome, Payload(payload, result.cost))
        return outcome

    def _defect(self, call: Call, what: str) -> None:
        self._worker.tell(Defect(call.key, call.name, what, {}))
        self._worker.tell(NotStored(call.key, call.name, what))


async def _nothing(call: Call, start: Start) -> Outcome | None:
    return None
