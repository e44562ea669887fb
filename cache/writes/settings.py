"""How a write-behind batches and bounds."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class WriteBehindSettings:
    """Seconds, and numbers of operations.

    - `max_age`: an operation is in SQL this long after its acknowledgement, while all is well.
    - `batch`: operations of one transaction; when as many wait they are flushed at once.
    - `limit`: operations that may wait; more are refused, with nothing done.
    - `live_ttl`: how long a live value outlives its last change. It is rebuilt when asked for.
    - `once_ttl`: how long an idempotency key is kept.
    - `lease`: how long a flusher that died keeps the others from going on.
    - `tries`: how often an operation that is refused by itself is tried, before it goes to the dead
      letters.
    - `longest_pause`: between attempts while the database is away (0.1 s, then twice each time).

    Raises `ValueError` for anything that is not more than 0.
    """

    max_age: float = 5.0
    batch: int = 1_000
    limit: int = 50_000
    live_ttl: float = 3_600.0
    once_ttl: float = 86_400.0
    lease: float = 10.0
    tries: int = 5
    longest_pause: float = 5.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not value > 0:
                raise ValueError(f"{field.name} must be more than 0, got {value!r}")

    @property
    def poll(self) -> float:
        """Seconds between two looks at the stream."""
        return self.max_age / 10

    def is_due(self, operations: int, age: float) -> bool:
        """Whether to flush, with so many waiting and the oldest of this age.

        Two looks early, so that the flush ends in time. An age below 0 means that Redis's clock
        was set back: when it would be due is then not known.
        """
        if operations >= self.batch:
            return True
        return operations > 0 and not 0 <= age < self.max_age - 2 * self.poll

    def pause(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row; exponential, bounded."""
        return min(0.1 * 2.0 ** min(failures - 1, 32), self.longest_pause)
