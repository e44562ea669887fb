"""What an application sets for its cache."""

from __future__ import annotations

from dataclasses import dataclass, fields

from .protocol import MAX_STALENESS


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """Seconds, bytes and numbers; each more than 0.

    - `max_staleness`: Δ, within which everybody sees an acknowledged write while all is well.
    - `memory_bytes`: what the memory tier may hold.
    - `max_entry_bytes`: larger entries are served and not stored.
    - `token_wait`: how long a reader waits for the log to reach its token before it asks the store.
    - `loads_alone`: loads that may run at once while the store is away.

    Raises `ValueError` for anything that is not more than 0.
    """

    max_staleness: float = MAX_STALENESS
    memory_bytes: int = 64 * 2**20
    max_entry_bytes: int = 2**20
    token_wait: float = 0.05
    loads_alone: int = 64

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not value > 0:
                raise ValueError(f"{field.name} must be more than 0, got {value!r}")

    @property
    def poll(self) -> float:
        """Seconds between two looks at the log and at the outbox: Δ/8."""
        return self.max_staleness / 8
