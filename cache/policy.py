"""What a cached function promises about its values: how long, for whom."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from .errors import DeclarationError

MAX_LIFETIME = 7 * 86_400.0
"""Seconds that an entry may live at most. Watermarks outlive it: one that is gone would make its
entries invalid, which costs a load and never an old value."""


class CacheScope(enum.Enum):
    """Who may share an entry."""

    PUBLIC = "PUBLIC"
    """Everybody: the value is the same whoever asks."""
    PRIVATE = "PRIVATE"
    """One viewer: the viewer, with their rights, is part of the key."""


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """How long a value may be served, and to whom. All times are in seconds.

    - `ttl`: fresh for so long.
    - `stale_while_revalidate`: after that, served for so long while one load refreshes it in the
      background (RFC 5861). A *purged* entry is never served, however young.
    - `negative_ttl`: the `ttl` of a `None`; the same as `ttl` when not given.
    - `scope`: private unless declared public.

    Raises `DeclarationError` for values that contradict each other.
    """

    ttl: float
    stale_while_revalidate: float = 0.0
    negative_ttl: float | None = None
    scope: CacheScope = CacheScope.PRIVATE

    def __post_init__(self) -> None:
        _check("ttl", self.ttl, above_zero=True)
        _check("stale_while_revalidate", self.stale_while_revalidate)
        if self.negative_ttl is not None:
            _check("negative_ttl", self.negative_ttl, above_zero=True)
        if self.ttl + self.stale_while_revalidate > MAX_LIFETIME:
            raise DeclarationError(
                f"ttl + stale_while_revalidate must be at most {MAX_LIFETIME:.0f} s (7 days), got "
                f"{self.ttl + self.stale_while_revalidate:.0f} s: shorten one of them"
            )

    @property
    def is_public(self) -> bool:
        return self.scope is CacheScope.PUBLIC

    def ttl_of(self, value: object) -> float:
        """Seconds for which this value is fresh."""
        if value is None and self.negative_ttl is not None:
            return self.negative_ttl
        return self.ttl


def _check(name: str, seconds: object, *, above_zero: bool = False) -> None:
    number = seconds if isinstance(seconds, int | float) else -1.0
    # The comparison refuses NaN, its upper bound infinity.
    if isinstance(seconds, bool) or not 0 <= number <= MAX_LIFETIME or (above_zero and number == 0):
        least = "above 0" if above_zero else "0 or more"
        raise DeclarationError(
            f"{name} must be a number of seconds, {least} and at most {MAX_LIFETIME:.0f}, "
            f"got {seconds!r}"
        )
