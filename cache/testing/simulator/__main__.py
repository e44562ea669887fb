"""`python -m cache.testing.simulator`: many worlds, chosen by a seed, until so many steps."""

from __future__ import annotations

import argparse
import gc
import random
import secrets
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from .kinds import CACHES, RECORDS, Kind
from .network import Server
from .records import RecordWorld
from .shrink import repeat, shrunk
from .statistics import Statistics
from .stepped import SteppedWorld, Violation
from .world import World

WORLD = 2_000
"""Steps of one world; then another one begins."""

LINES = 300
"""Lines of an interleaving that are printed, if it cannot be made shorter."""

Servers = Callable[[World], tuple[Server, Server]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; 1 if a promise was broken, with what led there."""
    options = _parser().parse_args(arguments)
    kind = RECORDS if options.records else CACHES
    if options.controls:
        return _controls(kind)
    if options.records and options.store != "memory":
        _say("--store is for worlds of caches: leave it out, or --records")
        return 2
    seed = secrets.randbelow(2**31) if options.seed is None else options.seed
    _say(f"seed {seed}: {options.steps:,} steps, store {options.store}")
    total, began, number = Statistics(), time.monotonic(), 0
    with _Servers(options.store) as servers:
        if servers is not None:
            kind = replace(kind, make=partial(World, servers=servers))
        while total.steps < options.steps:
            steps = min(WORLD, options.steps - total.steps)
            name = f"{seed}/{number}" if options.world is None else options.world
            if not _run(kind, name, steps, options.without, total):
                return 1
            number += 1
            if number % 100 == 0:
                _progress(total, began)
            if options.world is not None:
                break
    _progress(total, began)
    _say(total.report())
    return 0


def _run(kind: Kind, name: str, steps: int, off: Sequence[str], total: Statistics) -> bool:
    scenario = kind.scenario(name, off)
    seed = random.Random(name).randrange(2**31)  # noqa: S311 - not for secrets
    world = kind.make(scenario, seed)
    try:
        kind.driver(world, seed).run(steps)
    except Violation as violation:
        world.close()
        _say(f"world {name}, step {len(world.choices)}: {violation.what}\n{scenario}")
        _show(kind, scenario, world, violation)
        without = " ".join(["", "--without", *off]) if off else ""
        _say(f"again: python -m {__package__} {kind.option}--world {name}{without}")
        return False
    finally:
        world.close()
        gc.collect(0)
    total.add(world.statistics)
    return True


def _show(kind: Kind, scenario: Any, world: SteppedWorld, violation: Violation) -> None:
    if kind.make in (World, RecordWorld):  # what a real server does is not done again
        choices = shrunk(scenario, world.seed, world.choices, kind.make)
        violation = repeat(scenario, world.seed, choices, kind.make) or violation
        _say(f"the same in {len(choices)} steps:")
    _say("\n".join([*violation.steps[-LINES:], f"violated: {violation.what}"]))


def _controls(kind: Kind) -> int:
    """The table of `docs/simulator.md`: 1 if a rule has no control."""
    _say("| off | found by | steps | broken |\n| --- | --- | --- | --- |")
    missing = []
    for name in kind.names():
        found = kind.search(name)
        if found is None:
            missing.append(name)
            _say(f"| `{name}` | nothing | | {kind.covered.get(name, 'unknown why')} |")
        else:
            by = "a script" if found.seed is None else f"seed {found.seed}"
            _say(f"| `{name}` | {by} | {found.steps:,} | {found.violation.what} |")
    return int(missing != list(kind.covered))


def _progress(total: Statistics, began: float) -> None:
    seconds = max(time.monotonic() - began, 1e-9)
    rate = total.steps / seconds
    _say(f"{total.steps:>11,} steps, {rate:,.0f} a second, {total.reads:,} reads checked")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class _Servers:
    """What makes the servers of each world; None for those in memory."""

    def __init__(self, store: str) -> None:
        self._store = store

    def __enter__(self) -> Servers | None:
        if self._store == "memory":
            return None
        from .redis_server import RealRedis, RedisServer  # noqa: PLC0415 - only where it is used

        redis = self._redis = RealRedis(self._store)

        def make(world: World) -> tuple[Server, Server]:
            prefix = f"simulator-{secrets.token_hex(6)}"
            tags, keys = world.tags, list(world.calls)
            state = RedisServer(redis, prefix, tags, keys)
            if not world.scenario.separate:
                return state, state
            return state, RedisServer(redis, f"{prefix}-entries", tags, keys)

        return make

    def __exit__(self, *_: object) -> None:
        if self._store != "memory":
            self._redis.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}", description=__doc__)
    parser.add_argument("--steps", type=int, default=100_000, help="how many, in all worlds")
    parser.add_argument("--seed", type=int, help="which worlds; chosen, and printed, if not given")
    parser.add_argument("--world", help="one world again, by the name that was printed")
    parser.add_argument(
        "--records", action="store_true", help="worlds of records that are written behind"
    )
    parser.add_argument(
        "--store",
        default="memory",
        help="memory, or the URL of a Redis or Valkey to use (not with --records)",
    )
    parser.add_argument(
        "--controls", action="store_true", help="switch off each rule, and show what it breaks"
    )
    parser.add_argument(
        "--without", nargs="*", default=[], metavar="RULE", help="switch these rules off"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
