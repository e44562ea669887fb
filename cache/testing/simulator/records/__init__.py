"""Worlds of records that are written behind: the real `WriteBehind`, on a simulated state server
and a simulated database, whose every step a scheduler chooses. `docs/simulator.md` explains it.
"""

from __future__ import annotations

from .driver import RecordDriver
from .rules import ALL_KEPT, RecordRules
from .scenario import RecordScenario, any_record_scenario
from .world import RecordWorld

__all__ = [
    "ALL_KEPT",
    "RecordDriver",
    "RecordRules",
    "RecordScenario",
    "RecordWorld",
    "any_record_scenario",
]
