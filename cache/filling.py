"""Fills: what a load brought goes into memory and into the store, as old as the load's begin."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from .batch import TickBatcher, together
from .call import Call
from .codec import Codec
from .context import current_scope
from .entry import Entry
from .errors import StoreUnavailable
from .facts import Filled, NotStored, StoreFailed
from .flight import Outcome
from .protocol import Position, Stamp
from .stores.base import Fill, Store
from .tier import MemoryTier
from .worker import Worker

_Filling = tuple[Fill, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Start:
    """Where a load begins: a position that is known before its first read (L1), the server's time
    then, whether nobody waits for it, and when the value was stored that it is to replace."""

    position: Position
    now: float
    background: bool = False
    replaces: float | None = None


@dataclass(frozen=True, slots=True)
class Payload:
    """An encoded value, and the seconds that its load took."""

    encoded: bytes
    cost: float


class Fills:
    """Stores what loads brought; all fills of a tick in one round trip.

    `random` gives numbers in [0, 1) for the jitter; entries of more than `max_bytes` are not kept.
    """

    def __init__(  # noqa: PLR0913 - the composition root of a worker names each once
        self,
        store: Store,
        worker: Worker,
        *,
        tier: MemoryTier,
        codec: Codec,
        max_bytes: int,
        random: Callable[[], float],
    ) -> None:
        self._store = store
        self._worker = worker
        self._tier = tier
        self._codec = codec
        self._max_bytes = max_bytes
        self._random = random
        self._batch: TickBatcher[_Filling, None] = TickBatcher(self._fill_all)

    async def keep(self, call: Call, start: Start, outcome: Outcome, payload: Payload) -> None:
        """Store a value whose dependencies are all known, with the position of its load's begin."""
        ttl = call.policy.ttl_of(outcome.value, self._random)
        lifetime = call.policy.lifetime_of(ttl)
        stamp = Stamp(
            epoch=start.position.epoch,
            dependencies=outcome.dependencies.ids,
            stored=start.now,
            soft=start.now + ttl,
            hard=start.now + lifetime,
            cost=payload.cost,
            strict=outcome.dependencies.strict,
        )
        stored = self._codec.encode(Entry(call.key, stamp, payload.encoded, call.policy.grain))
        if len(stored) > self._max_bytes:
            reason = f"too large: {len(stored)} bytes are more than {self._max_bytes}"
            self._worker.tell(NotStored(call.key, call.name, reason))
            return
        self.remember(call.key, outcome.value, stamp, len(payload.encoded))
        await self._fill(call, Fill(call.key, stored, lifetime), stamp)

    def restamp(self, entry: Entry, head: Position, now: float) -> None:
        """Store an entry again that the server found valid as of `head`, in the background.

        It is older than what logs remember, and would be judged by the server for every reader. A
        newer entry that this overwrites was stored after a purge that came after `head`: then this
        one is a miss, like any that is older than the purge.
        """
        lifetime = entry.stamp.hard - now
        if lifetime > 0:
            raised = msgspec.structs.replace(entry, stamp=entry.stamp.raised_to(head))
            stored = self._codec.encode(raised)
            filled = self._batch.submit((Fill(entry.key, stored, lifetime), {}))
            filled.add_done_callback(self._restamped)

    def _restamped(self, filled: asyncio.Future[None]) -> None:
        error = None if filled.cancelled() else filled.exception()
        if error is not None:
            self._worker.tell(StoreFailed("restamp", str(error)))

    def remember(self, key: str, value: object, stamp: Stamp, size: int) -> None:
        """Put a value into memory; `size` is that of its payload, in bytes."""
        log = self._worker.log
        if log.position is not None:  # else nothing would ever be served from memory
            judged = None if log.rules.j2_never else log.mark
            self._tier.put(key, value, stamp, size, judged)

    async def _fill(self, call: Call, fill: Fill, stamp: Stamp) -> None:
        barrier = current_scope().barrier
        if barrier.alone:
            return  # this request waited for the store already
        tags = dict.fromkeys(stamp.dependencies, fill.lifetime)
        began = self._worker.clock.now()
        try:
            await self._batch.submit((fill, tags))
        except StoreUnavailable as error:
            self._worker.failed("fill", error, began, barrier)
        else:
            self._worker.tell(Filled(call.key, call.name, len(fill.stored)))

    async def _fill_all(self, filled: Sequence[_Filling]) -> Sequence[None]:
        """L3: the entries, and their watermarks where they are missing; two steps in any order."""
        lifetimes: dict[str, float] = {}
        for _, tags in filled:
            for tag, lifetime in tags.items():
                lifetimes[tag] = max(lifetime, lifetimes.get(tag, 0.0))
        fills = [fill for fill, _ in filled]
        await together(self._store.put(fills), self._store.remember(lifetimes))
        return [None] * len(filled)
