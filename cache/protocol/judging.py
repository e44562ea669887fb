"""Judged by the server: J3 and J4."""

from __future__ import annotations

from .rules import Rules
from .types import Look, Stamp, Verdict


def judge_remotely(stamp: Stamp, look: Look, rules: Rules) -> Verdict | None:
    """J3 and J4: None for an entry that is valid as of `look.head`, or why it is not."""
    if rules.j3_epoch and stamp.epoch != look.head.epoch:
        return Verdict.OTHER_EPOCH
    for tag, read_at in stamp.dependencies.items():
        mark = look.watermarks.get(tag)
        # J4: a watermark that is missing may have been evicted, and with it a purge. One of
        # another epoch says nothing about this one.
        if mark is None or (rules.j3_epoch and mark.epoch != look.head.epoch):
            if rules.j4_missing:
                return Verdict.NO_WATERMARK
        elif rules.j3_mark and mark.id > read_at:
            return Verdict.PURGED
    return None
