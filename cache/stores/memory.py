"""Entries, watermarks and the log in one process, as pure code: a store without a server.

`MemoryServer` is what a state server and an entry server do, each method one step without an
`await`; `MemoryStore` is one worker's way to it. For one process without Redis, for tests, and for
the simulator: hence its faults (`lose_log`, `fork` ...) and a switch for each rule of a server.
"""

from __future__ import annotations

import asyncio
import copy
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Generic, NamedTuple, TypeVar

from cachetools import TLRUCache

from ..policy import MAX_LIFETIME
from ..protocol import ALL, Followed, Look, Position, Purge, Rules
from .base import Fill

LOG_LIFETIME = 600.0
"""Seconds for which the log remembers a purge; `MAX_PURGES` bounds it too."""

MAX_PURGES = 10_000
MAX_TOLD = 1_000
"""Purges in one answer to a follower."""

MAX_WATERMARKS = 1_000_000
"""A watermark that makes room for another costs loads, never an old value (J4)."""

_WATERMARK_LIFETIME = MAX_LIFETIME + 3_600
"""Seconds: longer than any entry lives, or a purge would be forgotten before what it purged."""

_Value = TypeVar("_Value")


class _Kept(NamedTuple, Generic[_Value]):
    value: _Value
    expires: float


class MemoryServer:
    """Epoch, log, watermarks and entries. `now` is its clock, in seconds (Unix).

    Everything in it is bounded: entries by `max_bytes` (the least recently used make room), all
    else by number, and all of it by age. Every answer begins a new epoch first if there is no log
    or epoch, or if the server is another incarnation than the epoch's (F3). A position is the time
    in milliseconds, or one more than the last; with `dense` it is always one more than the last.
    """

    def __init__(
        self,
        now: Callable[[], float] = time.time,
        *,
        max_bytes: int = 256 * 2**20,
        new_name: Callable[[], str] = lambda: uuid.uuid4().hex,
        rules: Rules = ALL,
        dense: bool = False,
    ) -> None:
        self.now = now
        self.rules = rules
        self.new_name = new_name
        self.dense = dense
        self.most_told = MAX_TOLD
        self.epoch: str | None = None
        self.incarnation = new_name()
        self.made_by = ""
        """The incarnation in which the epoch began."""
        self.looked: float | None = None
        self.head = 0
        """The last position that was given out; 0 while there is no log."""
        self.log: deque[tuple[float, Purge]] = deque()
        self.watermarks: TLRUCache[str, _Kept[Position]] = TLRUCache(
            MAX_WATERMARKS, _expiry, self._now
        )
        self.entries: TLRUCache[str, _Kept[bytes]] = TLRUCache(
            max_bytes, _expiry, self._now, getsizeof=lambda kept: len(kept.value)
        )
        self.bells: set[asyncio.Event] = set()
        """Rung at each purge and each new epoch."""

    def _now(self) -> float:
        return self.now()

    # ---- entries ----

    def get(self, keys: Sequence[str]) -> list[bytes | None]:
        return [None if (kept := self.entries.get(key)) is None else kept.value for key in keys]

    def put(self, fills: Sequence[Fill]) -> None:
        for fill in fills:
            with suppress(ValueError):  # larger than all there is room for
                self.entries[fill.key] = _Kept(fill.stored, self.now() + fill.lifetime)

    # ---- state ----

    def look(self, tags: Iterable[str]) -> Look:
        self._ensure_epoch(self.rules.f3_no_log, self.rules.f3_incarnation)
        return Look(self.position(), self.now(), {tag: self._watermark(tag) for tag in tags})

    def remember(self, lifetimes: Mapping[str, float]) -> None:
        self._ensure_epoch(self.rules.f3_no_log, self.rules.f3_incarnation)
        for tag, lifetime in lifetimes.items():
            expires = self.now() + lifetime
            kept = self.watermarks.get(tag)
            if kept is None or kept.value.epoch != self.epoch:
                # Not at the entry's own position: a purge may have come since its load began,
                # and its watermark have been evicted. 0 is as wrong, for the rule's test.
                head = self.position() if self.rules.l3_at_head else Position(self._name(), 0)
                self.watermarks[tag] = _Kept(head, expires)
            elif kept.expires < expires:
                self.watermarks[tag] = _Kept(kept.value, expires)

    def invalidate(self, tags: Iterable[str]) -> Position:
        self._ensure_epoch(self.rules.w2_epoch, self.rules.w2_incarnation)
        named = tuple(sorted(set(tags)))
        self._append(named)
        position = self.position()
        expires = self.now() + _WATERMARK_LIFETIME
        for tag in named:
            self.watermarks[tag] = _Kept(position, expires)
        while len(self.log) > MAX_PURGES or self.log[0][0] < self.now() - LOG_LIFETIME:
            self.log.popleft()
        return position

    def follow(self, after: Position | None) -> Followed:
        self._ensure_epoch(self.rules.f3_no_log, self.rules.f3_incarnation)
        purges: list[Purge] = []
        if after is not None and after.epoch == self.epoch:
            for _, purge in reversed(self.log):
                if purge.id <= after.id:
                    break
                purges.append(purge)
        return Followed(self.position(), self.now(), purges[::-1][: self.most_told])

    def renew(self, expected: str | None) -> Position:
        before = self.epoch
        self._ensure_epoch(self.rules.f3_no_log, self.rules.f3_incarnation)
        if self.epoch == before and (expected is None or expected == before):
            self._begin_epoch()
        return self.position()

    def relay_begins(self, patience: float) -> Look:
        self._ensure_epoch(self.rules.f3_no_log, self.rules.f3_incarnation)
        # A clock that was set back says nothing either.
        is_old = self.looked is None or abs(self.now() - self.looked) > patience
        if is_old and self.rules.w1_looked:
            self._begin_epoch()
        return Look(self.position(), self.now())

    def relay_looked(self, epoch: str, at: float) -> None:
        # One of the future was before the clock was set back, and says nothing.
        is_newer = self.looked is None or not at <= self.looked <= self.now()
        if epoch == self.epoch and is_newer:
            self.looked = at

    def _name(self) -> str:
        return self.epoch or ""

    def position(self) -> Position:
        """Epoch and head as they are: nothing is checked, and no epoch begun."""
        return Position(self._name(), self.head)

    def _watermark(self, tag: str) -> Position | None:
        kept = self.watermarks.get(tag)
        return None if kept is None else kept.value

    def _ensure_epoch(self, asks_log: bool, asks_incarnation: bool) -> None:
        is_lost = asks_log and self.head == 0
        is_other = asks_incarnation and self.made_by != self.incarnation
        if self.epoch is None or is_lost or is_other:
            self._begin_epoch()

    def _begin_epoch(self) -> None:
        self.epoch, self.made_by = self.new_name(), self.incarnation
        self.log.clear()
        self.head = 0
        self._append(())
        self.looked = self.now()  # what is not published under it now will be, or no relay looks

    def _append(self, tags: tuple[str, ...]) -> None:
        predecessor = self.head
        self.head = predecessor + 1 if self.dense else max(int(self.now() * 1000), predecessor + 1)
        self.log.append((self.now(), Purge(self.head, predecessor, tags)))
        for bell in self.bells:
            bell.set()

    # ---- faults, for tests ----

    def evict(self, key: str) -> None:
        """Lose an entry."""
        self.entries.pop(key, None)

    def evict_watermark(self, tag: str) -> None:
        self.watermarks.pop(tag, None)

    def lose_log(self) -> None:
        """Lose the log, and with it the head, while the epoch stays."""
        self.log.clear()
        self.head = 0

    def trim(self, keep: int = 0) -> None:
        """Forget all but the last `keep` purges; the head stays."""
        while len(self.log) > keep:
            self.log.popleft()

    def restart(self, *, empty: bool = False) -> None:
        """Come back as another incarnation, with all data or with none."""
        self.incarnation = self.new_name()
        if empty:
            self.lose_log()
            self.epoch, self.looked = None, None
            self.watermarks.clear()
            self.entries.clear()

    def fork(self) -> MemoryServer:
        """A replica as it is now, of the same incarnation. `promote` it, or fail over to it."""
        replica = copy.copy(self)
        replica.bells = set()
        replica.log = self.log.copy()
        replica.watermarks = TLRUCache(MAX_WATERMARKS, _expiry, replica._now)
        replica.watermarks.update(self.watermarks)
        replica.entries = TLRUCache(
            self.entries.maxsize, _expiry, replica._now, getsizeof=self.entries.getsizeof
        )
        replica.entries.update(self.entries)
        return replica

    def promote(self) -> None:
        """Become a primary: another incarnation, with what was replicated."""
        self.incarnation = self.new_name()

    def fail_over(self, replica: MemoryServer) -> None:
        """Become what `replica` is, promoted: whatever it lacks is lost."""
        promoted = replica.fork()
        promoted.promote()
        vars(self).update(vars(promoted) | {"bells": self.bells})

    def close(self) -> None:
        """Nothing is open."""


class MemoryStore:
    """A `Store` on a `MemoryServer`, which several workers of one process may share.

    `entries` is the server of the entries, where that is another one. For one process it is as
    right as Redis is, and forgets everything with it: the next process begins a new epoch.
    """

    def __init__(
        self, server: MemoryServer | None = None, *, entries: MemoryServer | None = None
    ) -> None:
        self.server = server or MemoryServer()
        self.entries = entries or self.server

    async def get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        return self.entries.get(keys)

    async def put(self, fills: Sequence[Fill]) -> None:
        self.entries.put(fills)

    async def look(self, tags: Iterable[str]) -> Look:
        return self.server.look(tags)

    async def remember(self, lifetimes: Mapping[str, float]) -> None:
        self.server.remember(lifetimes)

    async def invalidate(self, tags: Iterable[str]) -> Position:
        return self.server.invalidate(tags)

    async def follow(self, after: Position | None, wait: float) -> Followed:
        answer = self.server.follow(after)
        if wait <= 0 or after is None or answer.head != after:
            return answer
        bell = asyncio.Event()
        self.server.bells.add(bell)
        try:
            async with asyncio.timeout(wait):
                await bell.wait()
        except TimeoutError:
            pass
        finally:
            self.server.bells.discard(bell)
        return self.server.follow(after)

    async def renew(self, expected: str | None = None) -> Position:
        return self.server.renew(expected)

    async def relay_begins(self, patience: float) -> Look:
        return self.server.relay_begins(patience)

    async def relay_looked(self, epoch: str, at: float) -> None:
        self.server.relay_looked(epoch, at)

    async def aclose(self) -> None:
        """Nothing is open."""


def _expiry(_key: str, kept: _Kept[_Value], _now: float) -> float:
    return kept.expires
