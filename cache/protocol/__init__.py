"""The rules of invalidation, as pure decisions: no I/O, no clock, no event loop.

The rules' names (W1 to W6, F1 to F4, L0 to L5, J2 to J7) are those of `docs/protocol.md`, where
each stands with the race that forced it.
"""

from __future__ import annotations

from .barrier import Barrier
from .dependencies import Dependencies
from .judging import judge_remotely
from .log import MAX_STALENESS, Log
from .rules import ALL, Rules
from .token import Token
from .types import Followed, Look, Position, Purge, Stamp, Verdict

__all__ = [
    "ALL",
    "MAX_STALENESS",
    "Barrier",
    "Dependencies",
    "Followed",
    "Log",
    "Look",
    "Position",
    "Purge",
    "Rules",
    "Stamp",
    "Token",
    "Verdict",
    "judge_remotely",
]
