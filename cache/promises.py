"""Which promises are off for want of a part, in words: for a log line at start, and for docs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Off:
    """`promise` does not hold `when`; `remedy` is the part that is missing."""

    promise: str
    when: str
    remedy: str

    def __str__(self) -> str:
        return f"not promised: {self.promise} {self.when} (missing: {self.remedy})"


OWN_WRITES = "that a client sees its own writes on every worker"
BOUNDED = "that everybody sees a write within the staleness bound"

_NO_OUTBOX = "an outbox, whose row is committed with the write"
_NOT_SHARED = "a store that all processes share, such as RedisStore"


def promises_off(*, has_outbox: bool, is_shared: bool) -> tuple[Off, ...]:
    """What a cache with these parts does not promise; nothing when it has all.

    `has_outbox`: the tags of a write are committed with it. `is_shared`: the store is one that
    every process of the application reaches, and not this process's own memory, which nothing
    outlives: there no purge can be lost, so no outbox is needed.
    """
    if not is_shared:
        when = "where other processes cache or write"
        return tuple(Off(promise, when, _NOT_SHARED) for promise in (OWN_WRITES, BOUNDED))
    if has_outbox:
        return ()
    return (
        Off(OWN_WRITES, "while the worker that wrote does not reach the store", _NO_OUTBOX),
        Off(
            BOUNDED,
            "of a process that ends between its commit and the purge, as while the store is away",
            _NO_OUTBOX,
        ),
    )
