"""The engine: look up, judge, load once, store, invalidate."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from .batch import TickBatcher
from .context import Scope, current_frame, current_scope, is_bypassed, scoped, viewer_was_read
from .entry import Entry, decode_entry, encode_entry
from .errors import StoreUnavailable
from .facts import (
    Defect,
    Fact,
    Filled,
    Hit,
    Invalidated,
    Joined,
    Missed,
    NotStored,
    Observer,
    StoreFailed,
)
from .flight import Flight, Outcome
from .policy import CachePolicy
from .protocol import Look, Position, Protocol, Stamp, Verdict
from .purges import Purges
from .stores.base import Fill, Store

MAX_ENTRY_BYTES = 1_048_576
"""Larger values are served and not stored."""

_LOOKS = 3
"""How often a reader looks before it loads by itself, whoever else is loading."""


@dataclass(frozen=True, slots=True)
class Request:
    """One call of a cached function: its key, its policy, and how to load it."""

    name: str
    key: str
    policy: CachePolicy
    result: Any
    tags: frozenset[str]
    result_tags: Callable[[Any], Iterable[str]] | None
    load: Callable[[], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class _Found:
    entry: Entry | None
    verdict: Verdict
    look: Look
    value: Any = None


class Cache:
    """A cache whose entries are judged by the purges of what they were made of.

    `store` keeps the entries; `observers` are told every fact; `protocol` holds the rules. One
    for each application and event loop; `activate` makes it the one that cached functions find.
    """

    def __init__(
        self, store: Store, *, observers: Iterable[Observer] = (), protocol: Protocol | None = None
    ) -> None:
        self._store = store
        self._observers = tuple(observers)
        self._protocol = protocol or Protocol()
        self._flights: dict[str, Flight] = {}
        self._look_ups = TickBatcher(self._look_up_all)
        self._fills = TickBatcher(self._fill_all)
        self._purges = Purges(self._publish)
        self._background: set[asyncio.Task[Any]] = set()
        self._latest: Position | None = None

    # ---- for the application ----

    def activate(self, viewer: str) -> AbstractContextManager[None]:
        """Serve the cached functions called in this block, for this viewer.

        `viewer` is an opaque name that tells apart who may see different things: an identity with
        its rights, such as `7:STAFF`, or `anonymous`.
        """
        return scoped(Scope(self, viewer))

    async def invalidate(self, tags: Iterable[str]) -> None:
        """Purge everything that depends on one of these tags, in time O(tags).

        Call it after the commit and before the answer. When the store is away the purge is kept
        and published as soon as it is back; until then this cache serves nothing from the store.
        """
        wanted = frozenset(tags)
        if wanted:
            # Shielded: a client that goes away must not leave its write unpublished.
            await asyncio.shield(asyncio.ensure_future(self._purges.add(wanted)))

    async def close(self) -> None:
        """Wait for what runs in the background, and try once more to publish what waits."""
        await self._purges.close()
        while running := [*self._background, *(flight.task for flight in self._flights.values())]:
            await asyncio.wait(running)

    @property
    def position(self) -> Position | None:
        """The newest head of the log that this cache was told of; None if it was told of none."""
        return self._latest

    @property
    def unpublished(self) -> frozenset[str]:
        """Tags whose purge the store has not confirmed."""
        return self._purges.waiting

    async def reaches_store(self) -> bool:
        """Whether the store answers now."""
        try:
            await self._store.look(())
        except StoreUnavailable:
            return False
        return True

    # ---- reading ----

    async def get_or_load(self, request: Request) -> Any:
        """The value of a cached call: stored and valid, from a load under way, or loaded."""
        if is_bypassed():
            return await request.load()
        if not request.policy.is_public:
            viewer_was_read()
        for attempt in range(1, _LOOKS + 1):
            found = await self._look_up(request)
            if found is None:
                return await self._load_alone(request)
            if found.entry is not None and found.verdict.is_hit:
                self._served(request, found.entry, found)
                return found.value
            flight = self._flights.get(request.key)
            if flight is None or attempt == _LOOKS:
                self._emit(Missed(request.key, request.name, found.verdict))
                return self._accept(await self._fly(request, found.look).join())
            outcome = await flight.join()
            if outcome.shareable and self._protocol.joinable(outcome.dependencies, found.look):
                self._emit(Joined(request.key, request.name))
                return self._accept(outcome)
        raise AssertionError("unreachable: the last look loads")

    async def _look_up(self, request: Request) -> _Found | None:
        try:
            found = await self._look_ups.submit(request.key)
        except StoreUnavailable as error:
            self._emit(StoreFailed("look-up", str(error)))
            return None
        if found.entry is None or not found.verdict.is_hit:
            return found
        try:
            value = msgspec.msgpack.decode(found.entry.payload, type=request.result)
        except msgspec.MsgspecError:
            return _Found(None, Verdict.ABSENT, found.look)
        return replace(found, value=value)

    async def _look_up_all(self, keys: Sequence[str]) -> Sequence[_Found]:
        await self._purges.publish_waiting()
        distinct = list(dict.fromkeys(keys))
        stored, look = await self._store.look_up(distinct)
        entries = {
            key: decode_entry(value, key)
            for key, value in zip(distinct, stored, strict=True)
            if value is not None
        }
        tags = {tag for entry in entries.values() if entry for tag in entry.stamp.dependencies}
        if any(entries.values()):
            look = await self._store.look(tags)
        self._note(look.head)
        found = {key: self._judge(entries.get(key), look) for key in distinct}
        return [found[key] for key in keys]

    def _judge(self, entry: Entry | None, look: Look) -> _Found:
        verdict = Verdict.ABSENT if entry is None else self._protocol.judge(entry.stamp, look)
        return _Found(entry, verdict, look)

    def _served(self, request: Request, entry: Entry, found: _Found) -> None:
        frame = current_frame()
        if frame is not None:
            frame.dependencies.merge(self._protocol.raised(entry.stamp, found.look))
        stale = found.verdict is Verdict.STALE
        if stale and request.key not in self._flights:
            self._fly(request, found.look)
        age = max(0.0, found.look.now - entry.stamp.stored)
        self._emit(Hit(request.key, request.name, age, stale))

    # ---- loading ----

    async def _load_alone(self, request: Request) -> Any:
        """Load without a store: in no flight, and stored nowhere."""
        self._emit(Missed(request.key, request.name, None))
        frame = current_frame()
        if frame is not None:
            frame.dependencies.known = False
        return await request.load()

    def _fly(self, request: Request, look: Look) -> Flight:
        flight = Flight(
            request.load,
            scope=current_scope(),
            position=self._protocol.stamp(look),
            public=request.policy.is_public,
            finish=lambda outcome: self._finish(request, look, outcome),
        )
        self._flights[request.key] = flight
        flight.task.add_done_callback(lambda _: self._land(request.key, flight))
        return flight

    def _land(self, key: str, flight: Flight) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]

    def _accept(self, outcome: Outcome) -> Any:
        frame = current_frame()
        if frame is not None:
            frame.dependencies.merge(outcome.dependencies)
            frame.viewer_read = frame.viewer_read or outcome.viewer_read
        return outcome.value

    async def _finish(self, request: Request, look: Look, outcome: Outcome) -> None:
        """Complete a load's dependencies and store it, with the position at which it began (L5)."""
        position = self._protocol.stamp(look)
        outcome.dependencies.add_all(request.tags, position)
        if request.result_tags is not None:
            outcome.dependencies.add_all(request.result_tags(outcome.value), position)
        if not outcome.shareable:
            what = "a public load read the viewer"
            self._emit(Defect(request.key, request.name, what))
            self._emit(NotStored(request.key, request.name, what))
        elif not outcome.dependencies.known or outcome.dependencies.epoch not in (
            None,
            look.head.epoch,
        ):
            reason = "read under two epochs, or at an unknown position"
            self._emit(NotStored(request.key, request.name, reason))
        else:
            await self._store_value(request, look, outcome)

    async def _store_value(self, request: Request, look: Look, outcome: Outcome) -> None:
        fill = _fill_of(request, look, outcome)
        if len(fill.stored) > MAX_ENTRY_BYTES:
            reason = f"{len(fill.stored)} bytes are more than {MAX_ENTRY_BYTES}"
            self._emit(NotStored(request.key, request.name, reason))
            return
        try:
            await self._fills.submit(fill)
        except StoreUnavailable as error:
            self._emit(StoreFailed("fill", str(error)))
        else:
            self._emit(Filled(request.key, request.name, len(fill.stored)))

    async def _fill_all(self, fills: Sequence[Fill]) -> Sequence[None]:
        await self._store.fill(fills)
        return [None] * len(fills)

    # ---- the rest ----

    async def _publish(self, tags: frozenset[str]) -> bool:
        try:
            position = await self._store.invalidate(tags)
        except StoreUnavailable as error:
            self._emit(StoreFailed("invalidate", str(error)))
            return False
        self._note(position)
        self._emit(Invalidated(tags, position))
        return True

    def _note(self, head: Position) -> None:
        latest = self._latest
        if latest is None or latest.epoch != head.epoch or latest.id < head.id:
            self._latest = head

    def _emit(self, fact: Fact) -> None:
        for observer in self._observers:
            observer(fact)


def _fill_of(request: Request, look: Look, outcome: Outcome) -> Fill:
    ttl = request.policy.ttl_of(outcome.value)
    lifetime = ttl + request.policy.stale_while_revalidate
    stamp = Stamp(
        epoch=look.head.epoch,
        dependencies=outcome.dependencies.ids,
        stored=look.now,
        soft=look.now + ttl,
        hard=look.now + lifetime,
    )
    payload = msgspec.msgpack.encode(outcome.value)
    stored = encode_entry(Entry(key=request.key, stamp=stamp, payload=payload))
    return Fill(request.key, stored, frozenset(outcome.dependencies.ids), lifetime)
