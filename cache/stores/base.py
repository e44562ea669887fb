"""What the engine asks of a store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..protocol import Followed, Look, Position


@dataclass(frozen=True, slots=True)
class Fill:
    """An entry to store: its full key, its bytes, and the seconds that it may live."""

    key: str
    stored: bytes
    lifetime: float


class Entries(Protocol):
    """Where entries live. Every method may raise `StoreUnavailable`."""

    async def get(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        """The stored bytes of each key, None where there are none."""
        ...

    async def put(self, fills: Sequence[Fill]) -> None:
        """Store whole entries, each for its lifetime."""
        ...


class State(Protocol):
    """Epoch, log and watermarks. Every method may raise `StoreUnavailable`.

    Every answer begins a new epoch first, in the same step, if there is no log or epoch, or if the
    server is another incarnation than the epoch's (F3): so no answer mixes two epochs.
    """

    async def look(self, tags: Iterable[str]) -> Look:
        """Epoch, head, time and the watermarks of these tags, in one step."""
        ...

    async def remember(self, lifetimes: Mapping[str, float]) -> None:
        """L3: for each tag a watermark that lives so many seconds at least.

        A missing one is created *at the head*; times to live are only ever raised.
        """
        ...

    async def invalidate(self, tags: Iterable[str]) -> Position:
        """W2: append one purge of these tags to the log and raise their watermarks to it."""
        ...

    async def follow(self, after: Position | None, wait: float) -> Followed:
        """The log after `after`; waits up to `wait` seconds for something to be there.

        Without `after`, or in another epoch than its: the head alone. On a connection of its own;
        one caller at a time.
        """
        ...

    async def renew(self, expected: str | None = None) -> Position:
        """Begin a new epoch, unless the epoch is no longer `expected`. Returns what is then head.

        Without `expected`: begin one in any case.
        """
        ...

    async def relay_begins(self, patience: float) -> Look:
        """W1: begin a new epoch if no relay looked for `patience` seconds. Head and time."""
        ...

    async def relay_looked(self, epoch: str, at: float) -> None:
        """W1: note that a relay published what there was at `at`, if `epoch` is still the epoch.

        `at` is the server's time, in seconds, that `relay_begins` told: a look is as old as its
        begin. A newer one that is noted already stays, unless it is ahead of the server's time.
        """
        ...


class Store(Entries, State, Protocol):
    """Both, on one server or on two."""

    async def aclose(self) -> None:
        """Give back what the store itself opened: the follower's connection."""
        ...
