"""The simulator: real engines in worlds whose every step a scheduler chooses, by a seed.

`World` is what happens, `Scenario` what may, `Driver` chooses at random; `controls` switches rules
off, and finds what they are for. `docs/simulator.md` explains it; `python -m` runs it.
"""

from __future__ import annotations

from .driver import Driver
from .scenario import Scenario, any_scenario
from .script import Script
from .statistics import Statistics
from .stepped import Choice, Violation
from .world import World

__all__ = [
    "Choice",
    "Driver",
    "Scenario",
    "Script",
    "Statistics",
    "Violation",
    "World",
    "any_scenario",
]
