"""What clients log: every operation, on one monotonic clock, in seconds.

A *key* names one thing that is read and written: `product:7`, `account:3`, `views:7`. There are
two kinds:

- a **register** holds a value with a version: a row that is edited. Versions count from the
  database's own (`Product.version`), so their order is the order of the commits.
- a **counter** only grows, or only shrinks: stock that is sold, views, points, a list's length.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from cache.protocol import Token


class Outcome(Enum):
    """What the client knows of a write."""

    OK = "acknowledged"
    FAILED = "refused: it did not happen"
    UNKNOWN = "no answer, or UNAVAILABLE: it may have happened, or may happen yet"


@dataclass(frozen=True, slots=True)
class Write:
    """A change that a client asked for.

    - `value`: what a register was set to. `version`: the one that it got, where the client knows;
      with an unknown outcome the one that it has if it happened (it was on condition of the last).
    - `amount`: what was added to a counter.
    - `token`: what the answer said (W5). `fields`: how many fields of the row it set.
    """

    key: str
    client: int
    start: float
    end: float
    outcome: Outcome = Outcome.OK
    value: str = ""
    version: int | None = None
    amount: int = 0
    token: Token = field(default_factory=Token)
    fields: int = 1

    @property
    def acknowledged(self) -> float:
        """When its answer arrived; never, where none did."""
        return self.end if self.outcome is Outcome.OK else math.inf

    @property
    def position(self) -> tuple[str, int] | None:
        """A position that its purge is not behind, where its token says so unmistakably."""
        token = self.token
        if token.outbox or token.everything or len(token.positions) != 1:
            return None
        return next(iter(token.positions.items()))


@dataclass(frozen=True, slots=True)
class Read:
    """What a client was told.

    - `value`, and its `version` where it came with it; of a counter, `count`.
    - `viewer`: as whom it was asked. `echoes`: whether the client sends its tokens; `sent` is it.
    - `own`: the value that this very request had written before: its payload shows it, or newer.
    """

    key: str
    client: int
    start: float
    end: float
    value: str = ""
    version: int | None = None
    count: int = 0
    viewer: str = ""
    echoes: bool = True
    sent: Token = field(default_factory=Token)
    own: str | None = None
    worker: str = ""
    fields: int = 1


@dataclass(frozen=True, slots=True)
class Fault:
    """Something was broken from `begin` to `end`."""

    name: str
    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class Counter:
    """What is known of a counter before the run.

    - `direction`: -1 for one that shrinks, such as stock.
    - `live`: not an entry: kept in Redis, exact at once for everybody while Redis is well, and
      read from SQL without what is not flushed while it is away. Promises 2 to 4 are asked of it
      outside of faults only.
    """

    initial: int
    direction: int = 1
    live: bool = False


@dataclass(frozen=True, slots=True)
class Final:
    """What is true in the end (the database's rows), and what each worker serves then."""

    key: str
    truth: str
    served: Mapping[str, str]
    version: int | None = None
    count: int | None = None


@dataclass
class History:
    """A whole run. `initial` has each register's value and version before it.

    - `owners`: for keys that are private, as whom they may be read.
    - `lost`: what Redis held of a live counter, unflushed, when a fault emptied it, and from when
      on it can be missing: the one loss that is allowed, and exactly that much of it.
    - `outages`: when a worker itself noted that Redis did not answer it in time, as on a machine
      that is too busy. Live counters are then read from SQL; nothing else is excused by it.
    """

    initial: dict[str, tuple[str, int]] = field(default_factory=dict)
    counters: dict[str, Counter] = field(default_factory=dict)
    owners: dict[str, frozenset[str]] = field(default_factory=dict)
    writes: list[Write] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    outages: list[Fault] = field(default_factory=list)
    finals: list[Final] = field(default_factory=list)
    lost: dict[str, list[tuple[float, int]]] = field(default_factory=dict)
