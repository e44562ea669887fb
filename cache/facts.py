"""What happened, as frozen facts: the engine tells them, observers count, log or trace them.

`key` is an entry's full key and `name` that of its function. Seconds are floats. A reason is a few
fixed words, and particulars after a colon: what stands before it may be a label of a metric.
An observer must not block; what it raises is logged and counted, and nobody's request fails.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .protocol import Position, Verdict


class Tier(enum.Enum):
    """Where a served value came from."""

    MEMORY = "memory"
    STORE = "store"


class Why(enum.Enum):
    """Why a value past its time to live was served."""

    REVALIDATING = "revalidating"
    """Within `stale_while_revalidate`: a refresh brings the next one."""
    SLOW = "slow"
    """Its load took longer than `load_timeout`, and goes on."""
    ERROR = "error"
    """Its load failed, within `stale_if_error`."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A fresh value was served; `age` in seconds since its load began, by the server's clock."""

    key: str
    name: str
    tier: Tier
    age: float


@dataclass(frozen=True, slots=True)
class StaleServed:
    """A value past its time to live was served; `age` in seconds since its load began.

    `purged`: what it depends on has changed since. Only `Why.ERROR` serves such a value.
    """

    key: str
    name: str
    tier: Tier
    age: float
    why: Why
    purged: bool


@dataclass(frozen=True, slots=True)
class Missed:
    """A value had to be loaded; `reason` is None where the store could not be asked."""

    key: str
    name: str
    reason: Verdict | None


@dataclass(frozen=True, slots=True)
class Bypassed:
    """A call that no cache could have answered: an open transaction, a token that cannot be
    resolved. Apart from misses: it says nothing about how good a policy is."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Joined:
    """A reader used the load that another reader had begun."""

    key: str
    name: str


@dataclass(frozen=True, slots=True)
class Leased:
    """A value came from a load that another process ran under a lease, after `waited` seconds."""

    key: str
    name: str
    waited: float


@dataclass(frozen=True, slots=True)
class Loaded:
    """A load ended after `seconds`, by its own error if `failed`."""

    key: str
    name: str
    seconds: float
    failed: bool


@dataclass(frozen=True, slots=True)
class Refreshed:
    """A load began for which nobody waits: the value is stale, or (`early`) soon will be."""

    key: str
    name: str
    early: bool


@dataclass(frozen=True, slots=True)
class Filled:
    """A loaded value was stored; `size` in bytes, as stored."""

    key: str
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class NotStored:
    """A loaded value was not stored, and why."""

    key: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Invalidated:
    """A purge of these tags was published at `position`."""

    tags: frozenset[str]
    position: Position


@dataclass(frozen=True, slots=True)
class LogReset:
    """This worker forgot what it knew of the log and follows it from `position` on (F3)."""

    position: Position
    why: str


@dataclass(frozen=True, slots=True)
class EpochBegun:
    """This worker began a new epoch at `position`: every entry of older ones is invalid (F3)."""

    position: Position
    why: str


@dataclass(frozen=True, slots=True)
class Drained:
    """So many rows of the outbox were published under `epoch`."""

    rows: int
    epoch: str


@dataclass(frozen=True, slots=True)
class TokenIgnored:
    """A position token, or a part of one, was ignored: malformed, or ahead of the log (J5)."""

    reason: str


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """One question to the store, of `commands` commands; `purpose` is what it is for.

    What is asked in one tick of the event loop leaves together, and is one exchange with Redis.
    """

    purpose: str
    commands: int


@dataclass(frozen=True, slots=True)
class StoreFailed:
    """The store did not answer, or refused."""

    purpose: str
    error: str


@dataclass(frozen=True, slots=True)
class BreakerChanged:
    """The circuit breaker of the server `name` opened (it is left alone) or closed again."""

    name: str
    is_open: bool


@dataclass(frozen=True, slots=True)
class Defect:
    """A mistake of the program that caches: a public load read the viewer, a write left out a tag.

    `history` is what is known of the entry: plain values, and never those of a viewer.
    """

    key: str
    name: str
    what: str
    history: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Audited:
    """The auditor compared a served value with a new load of it.

    `stale_beyond` is how many seconds beyond the promised staleness it was still served, at least;
    None where nothing is wrong.
    """

    key: str
    name: str
    stale_beyond: float | None


@dataclass(frozen=True, slots=True)
class ObserverFailed:
    """The observer `observer` raised when it was told a fact of `kind`; both are names."""

    observer: str
    kind: str


Fact = (
    Hit
    | StaleServed
    | Missed
    | Bypassed
    | Joined
    | Leased
    | Loaded
    | Refreshed
    | Filled
    | NotStored
    | Invalidated
    | LogReset
    | EpochBegun
    | Drained
    | TokenIgnored
    | RoundTrip
    | StoreFailed
    | BreakerChanged
    | Defect
    | Audited
    | ObserverFailed
)
Observer = Callable[[Fact], None]
