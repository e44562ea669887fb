"""One worker's way to the servers, and everything that can happen on it."""

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from cache import Position, Store, StoreUnavailable
from cache.protocol import Followed, Look
from cache.stores.base import Fill
from tests.support.worlds.gate import Gate

T = TypeVar("T")


@dataclass
class Names:
    """What is in the servers, for those who copy or remove it."""

    tags: set[str] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)


class Link:
    """A `Store` that passes on, unless a test says otherwise.

    `shift` is how many seconds the servers' clock is ahead of what they say; `names` gets the tags
    and keys that are used. Assign `store` to reach another server from there on.
    """

    def __init__(
        self, store: Store, shift: Callable[[], float] = lambda: 0.0, names: Names | None = None
    ) -> None:
        self.store = store
        self._shift = shift
        self._names = names or Names()
        self.is_cut = False
        """Nothing reaches a server."""
        self.loses_replies = False
        """Everything does, and no answer comes back."""
        self.refuses: set[str] = set()
        """Methods that fail while all others are answered."""
        self.keeps_entries = True
        self.purges_at_once: int | None = None
        """How many purges fit in one answer of the log."""
        self.hangs: Callable[[], None] | None = None
        """No answer within the budget; called to let that time pass."""
        self.asked: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self._holds: dict[str, list[Gate | None]] = defaultdict(list)
        self._holds_before: dict[str, list[Gate | None]] = defaultdict(list)

    def hold(self, method: str, *, skip: int = 0) -> Gate:
        """The next call's reply, after those skipped, waits on its way back for the gate."""
        return _add(self._holds[method], skip)

    def hold_before(self, method: str, *, skip: int = 0) -> Gate:
        """The same, on its way there."""
        return _add(self._holds_before[method], skip)

    async def _through(self, method: str, call: Callable[[], Awaitable[T]]) -> T:
        self.asked[method] += 1
        await _pass(self._holds_before[method])
        if self.hangs is not None:
            self.hangs()
            raise StoreUnavailable("no answer within the budget")
        if self.is_cut or method in self.refuses:
            raise StoreUnavailable("cut off", sent=False)
        reply = await call()
        await _pass(self._holds[method])
        if self.loses_replies:
            raise StoreUnavailable("the reply was lost")
        self.answered[method] += 1
        return reply

    # ---- a store ----

    async def get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        stored = await self._through("get", lambda: self.store.get(keys))
        return stored if self.keeps_entries else [None] * len(keys)

    async def put(self, fills: Sequence[Fill]) -> None:
        kept = fills if self.keeps_entries else []
        self._names.keys |= {fill.key for fill in kept}
        await self._through("put", lambda: self.store.put(kept))

    async def look(self, tags: Iterable[str]) -> Look:
        asked = list(tags)
        look = await self._through("look", lambda: self.store.look(asked))
        return replace(look, now=look.now + self._shift())

    async def remember(self, lifetimes: Mapping[str, float]) -> None:
        self._names.tags |= set(lifetimes)
        await self._through("remember", lambda: self.store.remember(lifetimes))

    async def invalidate(self, tags: Iterable[str]) -> Position:
        named = list(tags)
        self._names.tags |= set(named)
        return await self._through("invalidate", lambda: self.store.invalidate(named))

    async def follow(self, after: Position | None, wait: float) -> Followed:
        """Asks once, and waits for nothing: there is nobody else while a test takes a step."""
        told = await self._through("follow", lambda: self.store.follow(after, 0))
        purges = told.purges[: self.purges_at_once]
        return replace(told, now=told.now + self._shift(), purges=purges)

    async def renew(self, expected: str | None = None) -> Position:
        return await self._through("renew", lambda: self.store.renew(expected))

    async def relay_begins(self, patience: float) -> Look:
        look = await self._through("relay_begins", lambda: self.store.relay_begins(patience))
        return replace(look, now=look.now + self._shift())

    async def relay_looked(self, epoch: str, at: float) -> None:
        await self._through(
            "relay_looked", lambda: self.store.relay_looked(epoch, at - self._shift())
        )

    async def aclose(self) -> None:
        await self.store.aclose()


def _add(holds: list[Gate | None], skip: int) -> Gate:
    gate = Gate()
    holds += [None] * skip
    holds.append(gate)
    return gate


async def _pass(holds: list[Gate | None]) -> None:
    gate = holds.pop(0) if holds else None
    if gate is not None:
        await gate()
