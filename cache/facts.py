"""What happened, as frozen facts: the engine emits them, observers count, log or trace them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .protocol import Position, Verdict


@dataclass(frozen=True, slots=True)
class Hit:
    """A value was served from the store; `age` in seconds since its load began."""

    key: str
    name: str
    age: float
    stale: bool


@dataclass(frozen=True, slots=True)
class Missed:
    """A value had to be loaded; `reason` is None where the store could not be asked."""

    key: str
    name: str
    reason: Verdict | None


@dataclass(frozen=True, slots=True)
class Joined:
    """A reader used the load that another reader had begun."""

    key: str
    name: str


@dataclass(frozen=True, slots=True)
class Filled:
    """A loaded value was stored; `size` in bytes."""

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
class RoundTrip:
    """One exchange with Redis: `purpose` is look-up, judge, fill or invalidate."""

    purpose: str
    commands: int


@dataclass(frozen=True, slots=True)
class StoreFailed:
    """The store did not answer."""

    purpose: str
    error: str


@dataclass(frozen=True, slots=True)
class Defect:
    """A mistake of the program that caches: a public load read the viewer."""

    key: str
    name: str
    what: str


Fact = Hit | Missed | Joined | Filled | NotStored | Invalidated | RoundTrip | StoreFailed | Defect
Observer = Callable[[Fact], None]
