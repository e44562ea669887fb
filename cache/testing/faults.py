"""A store that fails when a test says so, each fault in one line.

store = FaultyStore(MemoryStore())
with store.away():                      # every call fails, as while Redis is down
    ...
with store.away("invalidate"):          # only purges do
    ...
with store.losing_replies():            # what is asked happens, and the caller is told it failed
    ...
with store.hanging():                   # nobody gets an answer before the block ends
    ...
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

from ..errors import StoreUnavailable
from ..protocol import Followed, Look, Position
from ..stores.base import Fill, Store

T = TypeVar("T")

METHODS = frozenset(
    {"get", "put", "look", "remember", "invalidate", "follow", "renew"}
    | {"relay_begins", "relay_looked"}
)
"""What a fault may be limited to."""


class FaultyStore:
    """A `Store` in front of another one, with faults that can be switched on and off.

    `calls` counts what was asked, by the method's name, whether or not it failed. The methods of a
    fault are those of `METHODS`, all if none is named; other names raise `ValueError`.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.calls: dict[str, int] = dict.fromkeys(sorted(METHODS), 0)
        self._away: list[frozenset[str]] = []
        self._losing: list[frozenset[str]] = []
        self._hanging: list[tuple[frozenset[str], asyncio.Event]] = []

    # ---- faults ----

    @contextmanager
    def away(self, *methods: str) -> Iterator[None]:
        """In this block these calls raise `StoreUnavailable`, and nothing reaches the store."""
        named = _checked(methods)
        self._away.append(named)
        try:
            yield
        finally:
            self._away.remove(named)

    @contextmanager
    def losing_replies(self, *methods: str) -> Iterator[None]:
        """In this block these calls reach the store, and raise `StoreUnavailable` after that."""
        named = _checked(methods)
        self._losing.append(named)
        try:
            yield
        finally:
            self._losing.remove(named)

    @contextmanager
    def hanging(self, *methods: str) -> Iterator[None]:
        """In this block these calls wait until it ends, and then reach the store."""
        hold = (_checked(methods), asyncio.Event())
        self._hanging.append(hold)
        try:
            yield
        finally:
            self._hanging.remove(hold)
            hold[1].set()

    # ---- a store ----

    async def get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        return await self._ask("get", lambda: self.store.get(keys))

    async def put(self, fills: Sequence[Fill]) -> None:
        await self._ask("put", lambda: self.store.put(fills))

    async def look(self, tags: Iterable[str]) -> Look:
        return await self._ask("look", lambda: self.store.look(tags))

    async def remember(self, lifetimes: Mapping[str, float]) -> None:
        await self._ask("remember", lambda: self.store.remember(lifetimes))

    async def invalidate(self, tags: Iterable[str]) -> Position:
        return await self._ask("invalidate", lambda: self.store.invalidate(tags))

    async def follow(self, after: Position | None, wait: float) -> Followed:
        return await self._ask("follow", lambda: self.store.follow(after, wait))

    async def renew(self, expected: str | None = None) -> Position:
        return await self._ask("renew", lambda: self.store.renew(expected))

    async def relay_begins(self, patience: float) -> Position:
        return await self._ask("relay_begins", lambda: self.store.relay_begins(patience))

    async def relay_looked(self, epoch: str) -> None:
        await self._ask("relay_looked", lambda: self.store.relay_looked(epoch))

    async def aclose(self) -> None:
        await self.store.aclose()

    async def _ask(self, method: str, ask: Callable[[], Awaitable[T]]) -> T:
        self.calls[method] += 1
        for named, ended in list(self._hanging):
            if method in named:
                await ended.wait()
        if any(method in named for named in self._away):
            raise StoreUnavailable(f"{method}: a test said that the store is away")
        answer = await ask()
        if any(method in named for named in self._losing):
            raise StoreUnavailable(f"{method}: a test said that the reply is lost")
        return answer


def _checked(methods: Iterable[str]) -> frozenset[str]:
    named = frozenset(methods)
    if unknown := sorted(named - METHODS):
        raise ValueError(
            f"a store has no {', '.join(unknown)}: expected some of {', '.join(sorted(METHODS))}"
        )
    return named or METHODS
