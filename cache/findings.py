"""What the auditor compares, counts and reports."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import msgspec

from .call import Call
from .codec import encode_value
from .context import Scope
from .facts import Defect, Tier
from .policy import Grain
from .protocol import Look, Stamp

_LONGEST = 200
_deterministic = msgspec.msgpack.Encoder(order="deterministic")
"""Sets have no order, and NaN is not equal to itself: so bytes are compared, of sorted sets."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What was served: by which call, from which tier, to whom, and when by the worker's clock."""

    call: Call
    stamp: Stamp
    value: Any
    tier: Tier
    scope: Scope
    served_at: float


@dataclass(frozen=True, slots=True)
class Seen:
    """A value as a store hands it out, and bytes that are the same for equal values."""

    value: Any
    canonical: bytes

    @classmethod
    def of(cls, call: Call, value: Any) -> Seen:
        """Raises `TypeError` or `ValueError` for a value that cannot be stored."""
        payload = encode_value(value, call.policy.grain)
        value = call.declared.decode(payload)
        fragment = call.policy.grain is Grain.FRAGMENT
        return cls(value, payload if fragment else _deterministic.encode(value))

    @property
    def digest(self) -> str:
        return hashlib.blake2b(self.canonical, digest_size=8).hexdigest()

    def equals(self, other: Seen) -> bool:
        return self.canonical == other.canonical


@dataclass(frozen=True, slots=True)
class Finding:
    """A sample that was still valid at `judged_at`, by the server's answer `look`, though it was
    known at `different_at` to differ from its source. Both by the worker's clock, in seconds."""

    sample: Sample
    look: Look
    different_at: float
    judged_at: float
    served: Seen
    loaded: Seen
    loaded_again: Seen

    def defect(self) -> Defect:
        """The fact, with the entry's history. Values of a private entry are not in it."""
        call, stamp = self.sample.call, self.sample.stamp
        history = {
            "tier": self.sample.tier.value,
            "private": not call.policy.is_public,
            "seconds": {
                "from served to different": self.different_at - self.sample.served_at,
                "from different to judged": self.judged_at - self.different_at,
            },
            "entry": {
                "epoch": stamp.epoch,
                "dependencies": dict(stamp.dependencies),
                "stored": stamp.stored,
                "soft": stamp.soft,
                "hard": stamp.hard,
                "cost": stamp.cost,
                "strict": stamp.strict,
            },
            "verdict": self._verdict(),
            "digests": {
                "served": self.served.digest,
                "loaded": self.loaded.digest,
                "loaded again": self.loaded_again.digest,
            },
        }
        if call.policy.is_public:
            shown = {"served": self.served, "loaded": self.loaded}
            history["values"] = {what: repr(seen.value)[:_LONGEST] for what, seen in shown.items()}
        return Defect(call.key, call.name, self._what, history)

    def _verdict(self) -> dict[str, Any]:
        marks = {tag: self.look.watermarks.get(tag) for tag in self.sample.stamp.dependencies}
        return {
            "head": self.look.head.id,
            "now": self.look.now,
            "watermarks": {tag: mark.id if mark else None for tag, mark in marks.items()},
        }

    @property
    def _what(self) -> str:
        if not self.sample.stamp.dependencies:
            return "stale beyond the promise: it depends on no tag, so only time ends it"
        return "stale beyond the promise: its source changed, and none of its tags was purged"


@dataclass(slots=True)
class Report:
    """What the auditor did so far.

    `failed` are audits that came to nothing, because a load or the store failed; `skipped` were
    sampled when enough were running. Neither counts as audited.
    """

    audited: int = 0
    stale: int = 0
    failed: int = 0
    skipped: int = 0

    @property
    def stale_per_million(self) -> float:
        """Audited values that were stale beyond the promise, for each million."""
        return 1e6 * self.stale / self.audited if self.audited else 0.0
