"""Controls: with a rule off, the simulator must find a broken promise. Else it proves nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from ...protocol import ALL, Rules
from .driver import Driver
from .interleavings import INTERLEAVINGS
from .scenario import HABITS, Scenario
from .script import Script
from .searching import SEEDS, Found, followed, searched
from .world import World

COVERED: Mapping[str, str] = {
    "f3_behind": "a log goes back only by being lost, or with another incarnation of its server: "
    "f3_no_log, f3_incarnation, w2_epoch and w2_incarnation have begun a new epoch before",
}
"""Rules that break nothing when only they are off, and why."""

FIRST: Mapping[str, int] = {
    "w1_epoch": 7,
    "w1_looked": 10,
    "w1_outbox": 5,
    "w5_applied": 6,
    "w6_replay": 5,
    "f1_predecessor": 7,
    "f2_current": 14,
    "f2_join": 47,
    "f2_sent": 19,
    "f3_incarnation": 6,
    "f3_no_log": 1_430,
    "j2_never": 13,
    "j5_bypass": 59,
    "l4_clean": 7,
    "w3_lock": 18,
}
"""Seeds that found something when they were written down; the others are searched after them."""

_SMALL = Scenario(
    workers=2,
    clients=2,
    items=1,
    categories="A",
    requests=3,
    longest=1,
    reads={"item": 6, "strict": 1},
    writes={"update": 1},
    faults={},
    writing=0.35,
    anonymous=0.1,
    start=25,
    fault=0,
    wait=3,
    waits=(0.001, 0.02, 0.13),
    slow=0.3,
    settling=0.3,
    dense=True,
    separate=True,
)


def _world(fault: str = "", often: float = 4, **changes: Any) -> Scenario:
    """A small world in which some faults strike: `"split leave"`."""
    faults = dict.fromkeys(fault.split(), 1.0)
    return replace(_SMALL, faults=faults, fault=often if faults else 0, **changes)


_SLOW = (0.001, 0.3, 0.6)
_STRICT = {"strict": 1.0, "item": 1.0}
_OTHERS = {"update": 1.0, "purge": 1.0}

SCENARIOS: Mapping[str, Scenario] = {
    "w1_outbox": _world("crash"),
    "w1_epoch": _world("split"),
    "w1_looked": _world("split pause leave", 3, waits=(0.1, 31, 40)),
    "w2_epoch": _world("lose_log"),
    "w2_incarnation": _world("failover replicate", writes=_OTHERS),
    "w5_position": _world(),
    "w5_outbox_id": _world("cut"),
    "w5_applied": _world(items=2, lagging="B", waits=(0.001,), writing=0.15, anonymous=0.4),
    "w5_heads": _world(
        "evict_memory", 6, items=2, lagging="AB", waits=(0.001,), writing=0.15, anonymous=0.4
    ),
    "f1_atomic": _world(),
    "f1_predecessor": _world("trim", writes=_OTHERS),
    "f2_current": _world(waits=_SLOW),
    "f2_join": _world(waits=_SLOW),
    "f2_sent": _world(waits=_SLOW),
    "f2_drain": _world("cut", waits=(0.001, 0.1, 0.3), settling=0),
    "f3_incarnation": _world("failover replicate"),
    "f3_reset": _world("trim"),
    "l0_transaction": _world(writes={"undo": 1.0, "update": 1.0}),
    "l0_barrier": _world(reads={"outer": 1.0, "item": 1.0}),
    "l1_stamp": _world(),
    "l1_epoch": _world("restart", 2),
    "l2_memory": _world(longest=3, reads={"listing": 1.0}, items=2),
    "l2_nested": _world(reads={"page": 1.0, "item": 1.0}),
    "l3_at_head": _world("evict_watermark"),
    "l4_clean": _world(),
    "l5_began": _world(reads={"lax": 1.0}, waits=(0.001, 0.02, 2.5), wait=6),
    "clean_epoch": _world("restart", 2),
    "clean_horizon": _world("trim"),
    "clean_since": _world(),
    "j2_epoch": _world("restart", 2, writes=_OTHERS),
    "j2_never": _world(),
    "j3_epoch": _world("restart", 2),
    "j3_mark": _world(),
    "j4_missing": _world("evict_watermark"),
    "j5_token": _world(),
    "j5_outbox_id": _world("cut"),
    "j5_keep": _world("cut"),
    "j5_epoch": _world("split"),
    "j5_drain": _world("split"),
    "j5_head": _world("split"),
    "j6_strict": _world(reads=_STRICT),
    "j7_purged": _world(),
    "f3_primary": _world("replicate", 3, reads={"strict": 1.0}),
    "f4_rows": _world(),
    "w3_lock": _world(categories="ABC", writes={"move": 1.0}, reads={"counted": 1.0}),
    "w3_tags": _world(writes={"move": 1.0}, reads={"counted": 1.0}, categories="AB"),
    "w4_reload": _world(),
    "w6_replay": _world(writes={"update": 1.0, "replay": 1.0}),
    "f3_behind": _world("lose_log", reads=_STRICT),
    "f3_no_log": _world("lose_log", reads=_STRICT),
    "j5_bypass": _world("cut"),
}
"""What is searched with these rules off."""


def names() -> list[str]:
    """Every rule: the engine's, and those of its applications."""
    return [*(field.name for field in fields(Rules)), *sorted(HABITS)]


def search(off: str, *, seeds: int = SEEDS) -> Found | None:
    """Look for a broken promise with the rule `off` off."""
    if off in INTERLEAVINGS:
        return followed(lambda: follow(off, off=off))
    scenario = _without(off, SCENARIOS[off])

    def make(seed: int) -> tuple[World, Driver]:
        world = World(scenario, seed)
        return world, Driver(world, seed)

    return searched([FIRST.get(off, 0), *range(seeds)], make)


def follow(name: str, *, off: str = "") -> World:
    """The world at the end of a scripted interleaving. Raises `Violation`."""
    scenario = replace(_SMALL, items=3, told=1)
    world = World(_without(off, scenario) if off else scenario)
    try:
        INTERLEAVINGS[name](Script(world))
    finally:
        world.close()
    return world


def _without(off: str, scenario: Scenario) -> Scenario:
    if off in HABITS:
        return replace(scenario, broken=frozenset([off]))
    return replace(scenario, rules=ALL.without(off))
