"""Writes that are acknowledged before they are in the database: write-behind."""

from __future__ import annotations

from ..once import KeyReusedError, Once
from .appending import Appended
from .flusher import Counts, Flusher
from .journal import Journal, Pending, is_before
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
from .write_behind import NotAcknowledged, WriteBehind, may_be_executed

__all__ = [
    "LAST",
    "SUM",
    "Appended",
    "Applied",
    "Batch",
    "Changes",
    "Committed",
    "Counts",
    "Entry",
    "Flusher",
    "Journal",
    "KeyReusedError",
    "Lease",
    "LeaseLost",
    "NotAcknowledged",
    "Once",
    "Operation",
    "Pending",
    "Progress",
    "Rule",
    "Snapshot",
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
