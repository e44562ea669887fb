"""Faults of a store, each one line in a test."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Literal, Protocol, TypeVar, get_args

from ..errors import StoreUnavailable
from ..protocol import Followed, Look, Position
from ..stores.base import Fill, Store

Method = Literal[
    "get",
    "put",
    "look",
    "remember",
    "invalidate",
    "follow",
    "renew",
    "relay_begins",
    "relay_looked",
]
METHODS: tuple[Method, ...] = get_args(Method)

EVERY = None
"""For `times`: every call, until `heal`."""

_Result = TypeVar("_Result")


class Gate:
    """Where calls wait until it is opened; as a context manager, at the end of the block."""

    def __init__(self) -> None:
        self._arrived = asyncio.Event()
        self._opened = asyncio.Event()

    async def arrival(self) -> None:
        """Return once a call waits here."""
        await self._arrived.wait()

    def open(self) -> None:
        """Let the calls that wait, and later ones, go on."""
        self._opened.set()

    async def passed(self) -> None:
        """Wait here."""
        self._arrived.set()
        await self._opened.wait()

    def __enter__(self) -> Gate:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.open()


class _Fault(Protocol):
    async def __call__(self, call: Callable[[], Awaitable[_Result]]) -> _Result: ...


class FaultyStore:
    """A `Store` around another one, right until it is told otherwise.

        store.fail("look")                          # the next look does not leave
        store.drop("invalidate", times=EVERY)       # no purge arrives, and nobody knows
        store.lose_reply("put")                     # the next put happens, and nobody knows
        with store.hold("get") as gate:             # the next get waits, before it is executed
            await gate.arrival()
        store.heal()

    Faults of one method happen in the order in which they were asked for. Without a method they are
    for each of them. `calls` counts what was asked for, by method.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.calls: Counter[Method] = Counter()
        self._faults: dict[Method, deque[tuple[_Fault, int | None]]] = {}

    # ---- faults ----

    def fail(self, *methods: Method, times: int | None = 1) -> None:
        """Nothing is sent: `StoreUnavailable`, and it is certain that nothing happened."""
        self._add(methods, _fail, times)

    def drop(self, *methods: Method, times: int | None = 1) -> None:
        """The call gets lost on its way: nothing happens, and nobody knows."""
        self._add(methods, _drop, times)

    def lose_reply(self, *methods: Method, times: int | None = 1) -> None:
        """The call is executed, and its reply gets lost."""
        self._add(methods, _lose_reply, times)

    def hold(self, *methods: Method, times: int | None = 1) -> Gate:
        """The call waits at the gate before it is executed."""
        gate = Gate()

        async def wait_before(call: Callable[[], Awaitable[_Result]]) -> _Result:
            await gate.passed()
            return await call()

        self._add(methods, wait_before, times)
        return gate

    def hold_reply(self, *methods: Method, times: int | None = 1) -> Gate:
        """The call is executed, and its reply waits at the gate."""
        gate = Gate()

        async def wait_after(call: Callable[[], Awaitable[_Result]]) -> _Result:
            result = await call()
            await gate.passed()
            return result

        self._add(methods, wait_after, times)
        return gate

    def heal(self, *methods: Method) -> None:
        """Forget the faults of these methods, or all of them. Gates stay as they are."""
        for method in methods or METHODS:
            self._faults.pop(method, None)

    def _add(self, methods: Sequence[Method], fault: _Fault, times: int | None) -> None:
        for method in methods or METHODS:
            self._faults.setdefault(method, deque()).append((fault, times))

    async def _run(self, method: Method, call: Callable[[], Awaitable[_Result]]) -> _Result:
        self.calls[method] += 1
        waiting = self._faults.get(method)
        if not waiting:
            return await call()
        fault, times = waiting[0]
        if times is not None:
            waiting.popleft()
            if times > 1:
                waiting.appendleft((fault, times - 1))
        return await fault(call)

    # ---- the store ----

    async def get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        return await self._run("get", lambda: self.store.get(keys))

    async def put(self, fills: Sequence[Fill]) -> None:
        await self._run("put", lambda: self.store.put(fills))

    async def look(self, tags: Iterable[str]) -> Look:
        return await self._run("look", lambda: self.store.look(tags))

    async def remember(self, lifetimes: Mapping[str, float]) -> None:
        await self._run("remember", lambda: self.store.remember(lifetimes))

    async def invalidate(self, tags: Iterable[str]) -> Position:
        return await self._run("invalidate", lambda: self.store.invalidate(tags))

    async def follow(self, after: Position | None, wait: float) -> Followed:
        return await self._run("follow", lambda: self.store.follow(after, wait))

    async def renew(self, expected: str | None = None) -> Position:
        return await self._run("renew", lambda: self.store.renew(expected))

    async def relay_begins(self, patience: float) -> Look:
        return await self._run("relay_begins", lambda: self.store.relay_begins(patience))

    async def relay_looked(self, epoch: str, at: float) -> None:
        await self._run("relay_looked", lambda: self.store.relay_looked(epoch, at))

    async def aclose(self) -> None:
        await self.store.aclose()


async def _fail(call: Callable[[], Awaitable[_Result]]) -> _Result:
    raise StoreUnavailable("a fault: nothing was sent", sent=False)


async def _drop(call: Callable[[], Awaitable[_Result]]) -> _Result:
    raise StoreUnavailable("a fault: it got lost on its way")


async def _lose_reply(call: Callable[[], Awaitable[_Result]]) -> _Result:
    await call()
    raise StoreUnavailable("a fault: its reply got lost")
