"""What a cached function promises about its values: how long, how fresh, for whom, in what form."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .errors import DeclarationError
from .protocol import Stamp

MAX_LIFETIME = 7 * 86_400.0
"""Seconds that an entry may live at most. Watermarks outlive it: one that is gone would make its
entries invalid, which costs a load and never an old value."""

MAX_JITTER = 0.5
MAX_EARLY = 10.0

Random = Callable[[], float]
"""Gives numbers in [0, 1)."""

_NAMESPACE = "namespace:"


class CacheScope(enum.Enum):
    """Who may share an entry."""

    PUBLIC = "PUBLIC"
    """Everybody: the value is the same whoever asks."""
    PRIVATE = "PRIVATE"
    """One viewer: the viewer, with their rights, is part of the key."""


class Consistency(enum.Enum):
    """How far behind acknowledged writes of *others* a read may be. Own writes are always seen."""

    BOUNDED = "BOUNDED"
    """Not more than the cache's `max_staleness` while all is well. A hit can be free."""
    STRICT = "STRICT"
    """Not at all, for writes whose purge was published: each read asks the state server."""


class Grain(enum.Enum):
    """What of a result is kept."""

    VALUE = "VALUE"
    """What the function returned, decoded by its result type."""
    FRAGMENT = "FRAGMENT"
    """Finished JSON, which goes into a response as it is: the function returns a `Fragment`."""


def namespace_tag(name: str) -> str:
    """The tag of every entry whose policy names this namespace: purge it to invalidate them all."""
    return f"{_NAMESPACE}{name}"


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """How long a value may be served, and to whom. All times are in seconds.

    - `ttl`: fresh for so long; `jitter`: the share of it (at most a half) that is taken off at
      random, so that what was stored together does not end together.
    - `negative_ttl`: the `ttl` of a `None`; the same as `ttl` when not given.
    - `stale_while_revalidate`: past its ttl, served for so long while one load refreshes it in the
      background (RFC 5861). A *purged* entry is never served so, however young.
    - `stale_if_error`: past its ttl *or purged*, served for so long if the load fails because the
      database is away (RFC 5861); `load_timeout`: seconds that a reader waits for a load before
      such a value is served, if it is not purged, while the load goes on.
    - `early`: the β of XFetch, 1 to begin with: a fresh value is refreshed in the background the
      likelier, the nearer its end is and the longer its load took; 0 is off.
    - `lease`: seconds that one process may take to load while others wait for it; off by default.
    - `scope`: private unless declared public. `consistency`, `grain`: see there.
    - `tags` are on every entry; `namespace` is one more, see `namespace_tag`.

    Raises `DeclarationError` for values that cannot be, or contradict each other.
    """

    ttl: float
    stale_while_revalidate: float = 0.0
    stale_if_error: float = 0.0
    negative_ttl: float | None = None
    jitter: float = 0.0
    early: float = 0.0
    scope: CacheScope = CacheScope.PRIVATE
    namespace: str | None = None
    tags: tuple[str, ...] = ()
    consistency: Consistency = Consistency.BOUNDED
    grain: Grain = Grain.VALUE
    load_timeout: float | None = None
    lease: float | None = None

    def __post_init__(self) -> None:
        _check_kinds(self)
        _check_numbers(self)
        _check_tags(self)
        for complaint in _contradictions(self):
            raise DeclarationError(complaint)

    @property
    def is_public(self) -> bool:
        return self.scope is CacheScope.PUBLIC

    @property
    def is_strict(self) -> bool:
        return self.consistency is Consistency.STRICT

    @property
    def all_tags(self) -> tuple[str, ...]:
        """The tags of every entry, that of the namespace included."""
        return self.tags if self.namespace is None else (*self.tags, namespace_tag(self.namespace))

    @property
    def lifetime(self) -> float:
        """Seconds after which no entry of this policy is of any use."""
        return self.lifetime_of(self.ttl)

    def lifetime_of(self, ttl: float) -> float:
        """Seconds after which an entry that is fresh for `ttl` is of no use."""
        return ttl + max(self.stale_while_revalidate, self.stale_if_error)

    def ttl_of(self, value: object, random: Random) -> float:
        """Seconds for which this value is fresh, after jitter."""
        negative = value is None and self.negative_ttl is not None
        ttl = self.negative_ttl if negative and self.negative_ttl is not None else self.ttl
        return ttl * (1.0 - self.jitter * random()) if self.jitter else ttl

    def refreshes_early(self, now: float, stamp: Stamp, random: Random) -> bool:
        """Whether this reader of a fresh entry refreshes it before its end; `now` in server time.

        XFetch: Vattani, Chierichetti, Lowenstein, "Optimal Probabilistic Cache Stampede
        Prevention", VLDB 2015: `now - cost * β * ln(u) >= soft` with `u` uniform in (0, 1], which
        needs neither a lock nor the rate of reads. A larger β refreshes earlier.
        """
        if not self.early:
            return False
        uniform = 1.0 - random()  # never 0, of which there is no logarithm
        return now - stamp.cost * self.early * math.log(uniform) >= stamp.soft


def _check_kinds(policy: CachePolicy) -> None:
    kinds = {"scope": CacheScope, "consistency": Consistency, "grain": Grain}
    for name, kind in kinds.items():
        given = getattr(policy, name)
        if not isinstance(given, kind):
            choices = " or ".join(f"{kind.__name__}.{member.name}" for member in kind)
            raise DeclarationError(f"{name} must be {choices}, got {given!r}: pass one of them")


def _check_numbers(policy: CachePolicy) -> None:
    _check("ttl", policy.ttl, above_zero=True)
    for name in ("stale_while_revalidate", "stale_if_error"):
        _check(name, getattr(policy, name))
    for name in ("negative_ttl", "load_timeout", "lease"):
        if getattr(policy, name) is not None:
            _check(name, getattr(policy, name), above_zero=True)
    for name, most in (("jitter", MAX_JITTER), ("early", MAX_EARLY)):
        given = getattr(policy, name)
        if not _is_number(given) or not 0 <= given <= most:
            raise DeclarationError(
                f"{name} must be a number from 0 (off) to {most:g}, got {given!r}"
            )


def _check(name: str, seconds: object, *, above_zero: bool = False) -> None:
    number = seconds if isinstance(seconds, int | float) else -1.0
    # The comparison refuses NaN, its upper bound infinity.
    if not _is_number(seconds) or not 0 <= number <= MAX_LIFETIME or (above_zero and number == 0):
        least = "above 0" if above_zero else "0 or more"
        raise DeclarationError(
            f"{name} must be a number of seconds, {least} and at most {MAX_LIFETIME:.0f}, "
            f"got {seconds!r}"
        )


def _is_number(given: object) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool)


def _check_tags(policy: CachePolicy) -> None:
    tags, namespace = policy.tags, policy.namespace
    if not _is_tuple_of_names(tags):
        raise DeclarationError(
            f"tags must be a tuple of strings that are not empty, got {tags!r}: "
            'write tags=("catalogue",)'
        )
    if namespace is not None and not _is_name(namespace):
        raise DeclarationError(
            f"namespace must be a string that is not empty, got {namespace!r}: "
            "leave it out for none"
        )
    if reserved := [tag for tag in tags if tag.startswith(_NAMESPACE)]:
        raise DeclarationError(
            f"tags that begin with {_NAMESPACE!r} are those of namespaces, got {reserved[0]!r}: "
            f"write namespace={reserved[0].removeprefix(_NAMESPACE)!r}"
        )


def _is_tuple_of_names(given: object) -> bool:
    return isinstance(given, tuple) and all(map(_is_name, given))


def _is_name(given: object) -> bool:
    return isinstance(given, str) and given != ""


def _contradictions(policy: CachePolicy) -> Iterator[str]:
    """What cannot be had together: expected, got, what to do."""
    stale = max(policy.stale_while_revalidate, policy.stale_if_error)
    if policy.lifetime > MAX_LIFETIME:
        yield (
            "ttl + stale_while_revalidate (or stale_if_error, the longer one) must be at most "
            f"{MAX_LIFETIME:.0f} s (7 days), got {policy.lifetime:.0f} s: shorten one of them"
        )
    if policy.negative_ttl is not None and policy.negative_ttl > policy.ttl:
        yield (
            f"negative_ttl must not be more than ttl ({policy.ttl:g} s), got "
            f"{policy.negative_ttl:g} s: what is not there yet should be looked for sooner"
        )
    if policy.is_strict and stale:
        yield (
            "a STRICT value is never served stale, but stale_while_revalidate or stale_if_error "
            f"is {stale:g} s: set both to 0, or use Consistency.BOUNDED"
        )
    if policy.stale_if_error and not policy.is_public:
        yield (
            "stale_if_error is for PUBLIC values only (a right that was taken away would come "
            f"back while the database is down), got {policy.stale_if_error:g} s with PRIVATE: "
            "set it to 0"
        )
    yield from _timing_contradictions(policy, stale)


def _timing_contradictions(policy: CachePolicy, stale: float) -> Iterator[str]:
    if policy.load_timeout is None:
        return
    if not stale:
        yield (
            f"load_timeout serves a value past its ttl while the load goes on, got "
            f"{policy.load_timeout:g} s and no time past the ttl: set stale_while_revalidate or "
            "stale_if_error, or leave load_timeout out"
        )
    if policy.lease is not None and policy.load_timeout >= policy.lease:
        yield (
            f"load_timeout must be less than lease ({policy.lease:g} s), got "
            f"{policy.load_timeout:g} s: else other processes begin the same load before anybody "
            "was answered; lengthen the lease"
        )
