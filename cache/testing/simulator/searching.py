"""Searching for a broken promise: in worlds by their seeds, or in a scripted one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .driving import RandomDriver
from .stepped import SteppedWorld, Violation

SEEDS = 200
STEPS = 1_000
"""Steps of one world; a control has at most `SEEDS` of them."""


@dataclass(frozen=True, slots=True)
class Found:
    """A broken promise: the seed of its world (None for a script), and the steps until then, of
    all worlds that were searched."""

    seed: int | None
    steps: int
    violation: Violation


def searched(
    seeds: Iterable[int], make: Callable[[int], tuple[SteppedWorld, RandomDriver]]
) -> Found | None:
    """The first broken promise in the worlds that `make` makes of these seeds."""
    steps = 0
    for seed in seeds:
        world, driver = make(seed)
        try:
            driver.run(STEPS)
        except Violation as violation:
            return Found(seed, steps + world.statistics.steps, violation)
        finally:
            world.close()
        steps += world.statistics.steps
    return None


def followed(play: Callable[[], object]) -> Found | None:
    """The broken promise at which a script ends."""
    try:
        play()
    except Violation as violation:
        return Found(None, len(violation.steps), violation)
    return None
