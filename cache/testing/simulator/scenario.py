"""What a world is made of, and what may happen in it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ...protocol import ALL, Rules
from .pace import Pace

READS: Mapping[str, float] = {
    "item": 6,
    "strict": 3,
    "lax": 1,
    "leased": 1,
    "neighbours": 1,
    "holder": 1,
    "outer": 1,
    "listing": 3,
    "found": 1,
    "counted": 1,
    "page": 2,
    "mine": 2,
}
WRITES: Mapping[str, float] = {
    "update": 5,
    "move": 2,
    "remove": 1,
    "order": 2,
    "undo": 1,
    "purge": 0.5,
    "namespace": 0.2,
    "replay": 1,
}
FAULTS: Mapping[str, float] = {
    "cut": 1,
    "pause": 1,
    "crash": 1,
    "disconnect": 1,
    "lose": 2,
    "time_out": 0.7,
    "evict_entry": 1,
    "evict_watermark": 1,
    "evict_memory": 0.5,
    "trim": 1,
    "lose_log": 0.7,
    "restart": 0.5,
    "restart_entries": 0.3,
    "replicate": 1,
    "failover": 0.7,
    "split": 0.5,
    "leave": 0.5,
    "server_clock": 0.5,
    "database_clock": 0.3,
    "database_down": 0.5,
    "server_down": 0.5,
}
HABITS = frozenset({"w3_lock", "w3_tags", "w4_reload", "f3_primary", "f4_rows"})
"""Rules that an application keeps, not the engine: its own code here has a switch for each."""


@dataclass(frozen=True, slots=True)
class Scenario(Pace):
    """A kind of world. Weights say how often a kind of thing happens, among its like.

    `calm`: messages are never late, so that everybody must see every write within Δ. `dense`: the
    log's ids are 1, 2, 3 ... `told`: purges in one answer to a follower. `separate`: entries are
    on a server of their own.
    """

    clients: int = 3
    items: int = 3
    categories: str = "AB"
    longest: int = 3
    reads: Mapping[str, float] = field(default_factory=lambda: READS)
    writes: Mapping[str, float] = field(default_factory=lambda: WRITES)
    faults: Mapping[str, float] = field(default_factory=lambda: FAULTS)
    writing: float = 0.3
    anonymous: float = 0.2
    calm: bool = False
    dense: bool = False
    told: int = 1_000
    separate: bool = False
    rules: Rules = ALL
    broken: frozenset[str] = frozenset()

    @property
    def is_whole(self) -> bool:
        """Whether every rule is kept."""
        return self.rules == ALL and not self.broken


GENTLE = ("cut", "pause", "crash", "disconnect", "evict_entry", "evict_watermark", "evict_memory")
"""Faults that leave the other workers well."""


def any_scenario(chance: random.Random, rules: Rules = ALL) -> Scenario:
    """A world of whatever kind: a part of the faults, a part of the functions ("swarm testing").

    Groce and others, "Swarm Testing", ISSTA 2012: leaving out features at random finds more than
    using all of them each time.
    """
    scenario = _any(chance, rules)
    if chance.random() < 0.4:
        return _narrow(scenario, chance)
    return _calm(scenario, chance) if chance.random() < 0.4 else scenario


def _any(chance: random.Random, rules: Rules) -> Scenario:
    faults = _some(chance, FAULTS, chance.choice((0.15, 0.3, 0.6)))
    waits = chance.choice(((), (), (1.2,), (1.2, 12, 70)))
    return Scenario(
        workers=chance.choice((2, 2, 3, 4)),
        clients=chance.choice((2, 3, 4, 6)),
        items=chance.choice((1, 2, 3, 5)),
        categories=chance.choice(("A", "AB", "ABC")),
        requests=chance.choice((2, 4, 6, 10)),
        longest=chance.choice((1, 2, 4)),
        reads=_some(chance, READS, 0.6) or READS,
        writes=_some(chance, WRITES, 0.7) or WRITES,
        faults=faults,
        writing=chance.choice((0.15, 0.3, 0.5)),
        anonymous=chance.choice((0.0, 0.2, 0.5)),
        start=chance.choice((8, 15, 30)),
        fault=chance.choice((0.3, 1, 3)) if faults else 0,
        wait=chance.choice((1, 3, 10)),
        waits=(0.001, 0.02, 0.06, 0.13, 0.3, *waits),
        slow=chance.choice((0.0, 0.15, 0.4)),
        lagging=chance.choice(("", "", "A", "B", "AB")),
        settling=chance.choice((0.02, 0.1)),
        dense=chance.random() < 0.5,
        told=chance.choice((1, 2, 1_000)),
        lags=chance.random() < 0.5,
        separate=chance.random() < 0.5,
        rules=rules,
    )


def _narrow(scenario: Scenario, chance: random.Random) -> Scenario:
    """Two workers, few functions, one or two faults, often: races of few parts come up sooner."""
    return replace(
        scenario,
        workers=2,
        clients=2,
        items=chance.choice((1, 1, 2)),
        longest=chance.choice((1, 1, 3)),
        reads=_few(chance, READS),
        writes=_few(chance, WRITES),
        faults=_few(chance, FAULTS),
        fault=chance.choice((2, 4, 8)),
        start=25,
        settling=0.3,
        lags=True,
    )


def _calm(scenario: Scenario, chance: random.Random) -> Scenario:
    """Nothing is late, and faults leave the others well."""
    gentle = {name: FAULTS[name] for name in GENTLE}
    faults = chance.choice(({}, _some(chance, gentle, 0.5)))
    return replace(
        scenario,
        calm=True,
        faults=faults,
        fault=chance.choice((0.3, 1)) if faults else 0,
        waits=(0.02, 0.13, 0.3, 1.2),
        slow=0.0,
        lagging="",
    )


def _some(chance: random.Random, weights: Mapping[str, float], share: float) -> Mapping[str, float]:
    return {name: weight for name, weight in weights.items() if chance.random() < share}


def _few(chance: random.Random, weights: Mapping[str, float]) -> Mapping[str, float]:
    names = chance.sample(sorted(weights), chance.choice((1, 2, 3)))
    return {name: weights[name] for name in names}
