"""Controls: with a rule off, the simulator must find a broken promise. Else it proves nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..searching import SEEDS, Found, followed, searched
from .driver import RecordDriver
from .interleavings import INTERLEAVINGS, RecordScript
from .rules import ALL_KEPT, rule_names
from .scenario import RecordScenario
from .world import RecordWorld

COVERED: Mapping[str, str] = {
    "incarnation": "whoever opens the stream raises the revision, to which live values are tied, "
    "too: with fence_revises off as well a promise is broken",
}
"""Rules that break nothing when only they are off, and why."""

_PLAIN = {"add": 4.0, "read": 4.0, "flush": 5.0}
_SMALL = RecordScenario(
    workers=2,
    requests=4,
    records=1,
    operations=_PLAIN,
    faults={},
    start=30,
    fault=0,
    wait=2,
    waits=(0.001, 0.02, 0.6),
    slow=0.3,
    settling=1.0,
    batch=3,
)


def _world(faults: str = "", often: float = 4, others: str = "", **changes: Any) -> RecordScenario:
    """A small world in which some faults strike, and some more is asked for: `"crash keep"`."""
    weights = dict.fromkeys(faults.split(), 1.0)
    operations = {**_PLAIN, **dict.fromkeys(others.split(), 1.0)}
    return replace(
        _SMALL, faults=weights, fault=often if weights else 0, operations=operations, **changes
    )


_PARKING = {"tries": 1, "batch": 100, "settling": 0.3}
_LONG = (0.001, 0.02, 3.0)

SCENARIOS: Mapping[str, RecordScenario] = {
    "trim_look": _world("evict"),
    "tail_inside": _world("evict"),
    "token": _world("pause", waits=_LONG),
    "turns": _world(),
    "one_transaction": _world("crash lose"),
    "live_reads": _world(),
    "incarnation": _world("keep come_back_older"),
    "raised_ids": _world("keep come_back_older server_clock"),
    "fence": _world("keep come_back_older server_clock pause"),
    "new_epoch": _world("come_back_empty server_clock"),
    "closed": _world("keep come_back_older server_clock"),
    "trim_committed": _world(),
    "atomic_append": _world("evict"),
    "outcome": _world("lose", 8),
    "one_look": _world("evict"),
    "parked_counted": _world("poison evict", others="replay", **_PARKING),
    "parked_follow": _world("poison", 2, others="replay", is_sum=False, **_PARKING),
    "revised": _world(others="remove"),
    "past_locked": _world("poison cut", others="replay", has_outbox=True, **_PARKING),
    "compared": _world("poison evict", others="drop remove", **_PARKING),
    "told": _world(others="remove"),
    "only_unsent": _world("lose", has_outbox=True),
    "once": _world("lose", 8, others="once"),
}
"""What is searched with these rules off; the others have a script."""


def search(off: str, *, seeds: int = SEEDS, others: Sequence[str] = ()) -> Found | None:
    """Look for a broken promise with the rule `off` off, and `others`."""
    if off in INTERLEAVINGS:
        return followed(lambda: follow(off, off=off))
    scenario = replace(SCENARIOS[off], rules=ALL_KEPT.without(off, *others))

    def make(seed: int) -> tuple[RecordWorld, RecordDriver]:
        world = RecordWorld(scenario, seed)
        return world, RecordDriver(world, seed)

    return searched(range(seeds), make)


def follow(name: str, *, off: str = "") -> RecordWorld:
    """The world at the end of a scripted interleaving. Raises `Violation`."""
    rules = ALL_KEPT.without(off) if off else ALL_KEPT
    world = RecordWorld(replace(_SMALL, records=2, batch=100, rules=rules))
    try:
        INTERLEAVINGS[name](RecordScript(world))
    finally:
        world.close()
    return world


def uncontrolled() -> list[str]:
    """The rules without a control."""
    return [name for name in rule_names() if name not in SCENARIOS and name not in INTERLEAVINGS]
