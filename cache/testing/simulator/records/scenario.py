"""What a world of records is made of, and what may happen in it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..pace import Pace
from .rules import ALL_KEPT, RecordRules

OPERATIONS: Mapping[str, float] = {
    "add": 10,
    "once": 2,
    "read": 8,
    "anew": 1,
    "flush": 8,
    "remove": 0.3,
    "replay": 1,
    "drop": 0.3,
}
FAULTS: Mapping[str, float] = {
    "cut": 1,
    "pause": 1,
    "crash": 1,
    "disconnect": 0.5,
    "lose": 3,
    "time_out": 1,
    "restart": 0.7,
    "keep": 0.7,
    "come_back_older": 0.7,
    "come_back_empty": 0.3,
    "server_down": 0.5,
    "server_full": 0.5,
    "server_clock": 0.5,
    "evict": 1,
    "poison": 1,
    "database_down": 0.5,
    "database_clock": 0.5,
}


@dataclass(frozen=True, slots=True)
class RecordScenario(Pace):
    """A kind of world. Weights say how often a kind of thing happens, among its like.

    `runs`: flushers run by themselves, else clients ask for each step of theirs. `batch`, `limit`,
    `tries`, `lease` and `live_ttl` are those of `WriteBehindSettings`.
    """

    records: int = 2
    names: tuple[str, ...] = ("a",)
    is_sum: bool = True
    has_outbox: bool = False
    runs: bool = False
    operations: Mapping[str, float] = field(default_factory=lambda: OPERATIONS)
    batch: int = 100
    limit: int = 1_000
    tries: int = 2
    lease: float = 2.0
    live_ttl: float = 3_600.0
    start: float = 20
    waits: tuple[float, ...] = (0.001, 0.02, 0.13, 0.6, 1.2)
    settling: float = 0.3
    rules: RecordRules = ALL_KEPT

    @property
    def is_whole(self) -> bool:
        """Whether every rule is kept."""
        return self.rules == ALL_KEPT


def any_record_scenario(chance: random.Random, rules: RecordRules = ALL_KEPT) -> RecordScenario:
    """A world of whatever kind, with a part of the faults (as `any_scenario`)."""
    share = chance.choice((0.15, 0.3, 0.6))
    faults = {name: weight for name, weight in FAULTS.items() if chance.random() < share}
    operations = {
        name: weight
        for name, weight in OPERATIONS.items()
        if name in ("add", "read", "flush") or chance.random() < 0.6
    }
    return RecordScenario(
        workers=chance.choice((2, 2, 3)),
        requests=chance.choice((2, 4, 6)),
        faults=faults,
        fault=chance.choice((0.5, 2, 5)) if faults else 0,
        start=chance.choice((10, 20, 35)),
        wait=chance.choice((1, 4, 10)),
        slow=chance.choice((0.0, 0.15, 0.4)),
        settling=chance.choice((0.1, 0.3, 0.6)),
        lags=chance.random() < 0.7,
        records=chance.choice((1, 2, 3)),
        names=chance.choice((("a",), ("a", "b"))),
        is_sum=chance.random() < 0.7,
        has_outbox=chance.random() < 0.5,
        runs=chance.random() < 0.4,
        operations=operations,
        batch=chance.choice((1, 2, 3, 100)),
        limit=chance.choice((5, 1_000)),
        tries=chance.choice((1, 2, 3)),
        live_ttl=chance.choice((0.5, 3_600.0)),
        rules=rules,
    )
