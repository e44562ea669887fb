"""Writes that are acknowledged before they are in the database: write-behind."""

from __future__ import annotations

from ..once import KeyReusedError, Once
from .flusher import Counts
from .journal import Appended
from .progress import Applied, Batch, Lease, LeaseLost, Progress, Snapshot
from .settings import WriteBehindSettings
from .write_behind import NotAcknowledged, WriteBehind

__all__ = [
    "Appended",
    "Applied",
    "Batch",
    "Counts",
    "KeyReusedError",
    "Lease",
    "LeaseLost",
    "NotAcknowledged",
    "Once",
    "Progress",
    "Snapshot",
    "WriteBehind",
    "WriteBehindSettings",
]
