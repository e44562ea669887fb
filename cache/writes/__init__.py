"""Writes that are acknowledged before they are in the database: write-behind."""

from __future__ import annotations

from ..once import KeyReusedError, Once
from .appending import Appended
from .dead_letters import DeadLetter, DeadLetters, NoRowError, Parked, Past, Status
from .errors import NotAcknowledged, may_be_executed
from .flusher import Counts, Flusher
from .journal import Journal, Pending, Waiting, is_before
from .operation import LAST, SUM, Changes, Entry, Operation, Rule, better_of, folded, merged
from .progress import (
    Applied,
    Batch,
    Committed,
    Lease,
    LeaseLost,
    Progress,
    Snapshot,
    of_every_field,
)
from .scripts import script
from .settings import WriteBehindSettings
from .write_behind import WriteBehind

__all__ = [
    "LAST",
    "SUM",
    "Appended",
    "Applied",
    "Batch",
    "Changes",
    "Committed",
    "Counts",
    "DeadLetter",
    "DeadLetters",
    "Entry",
    "Flusher",
    "Journal",
    "KeyReusedError",
    "Lease",
    "LeaseLost",
    "NoRowError",
    "NotAcknowledged",
    "Once",
    "Operation",
    "Parked",
    "Past",
    "Pending",
    "Progress",
    "Rule",
    "Snapshot",
    "Status",
    "Waiting",
    "WriteBehind",
    "WriteBehindSettings",
    "better_of",
    "folded",
    "is_before",
    "may_be_executed",
    "merged",
    "of_every_field",
    "script",
]
