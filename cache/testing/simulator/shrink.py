"""From thousands of steps to those that matter: delta debugging of an interleaving.

Zeller, Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", IEEE TSE 2002.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .stepped import Choice, SteppedWorld, Violation
from .world import World

Make = Callable[[Any, int], SteppedWorld]
"""A world, of its scenario and seed."""

MOST = 3_000
"""Worlds that are tried."""


def repeat(
    scenario: Any, seed: int, choices: Sequence[Choice], make: Make = World
) -> Violation | None:
    """Do these choices in a new world, those that cannot happen left out."""
    world = make(scenario, seed)
    try:
        for choice in choices:
            world.do(choice)
    except Violation as violation:
        return violation
    finally:
        world.close()
    return None


def shrunk(scenario: Any, seed: int, choices: Sequence[Choice], make: Make = World) -> list[Choice]:
    """A part of `choices` that breaks a promise still, and does not if any one is left out.

    All of them, if they do not break one again; a part that is longer than need be, after `MOST`.
    """

    def breaks(part: Sequence[Choice]) -> bool:
        return repeat(scenario, seed, part, make) is not None

    left = list(choices)
    return _minimal(left, breaks) if breaks(left) else left


def _minimal(left: list[Choice], breaks: Callable[[Sequence[Choice]], bool]) -> list[Choice]:
    tries, size = 0, len(left) // 2
    while size >= 1 and tries < MOST:
        begin, before = 0, len(left)
        while begin < len(left) and tries < MOST:
            part = left[:begin] + left[begin + size :]
            tries += 1
            if breaks(part):
                left = part
            else:
                begin += size
        if size > 1 or len(left) == before:
            size //= 2
    return left
