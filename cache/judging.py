"""Whether an entry may be served to this reader: by the log (J2), else by the server (J3)."""

from __future__ import annotations

from dataclasses import dataclass

from .context import Frame
from .flight import Outcome
from .looking import Found, LookUps
from .protocol import Barrier, Look, Position, Stamp, Verdict, judge_remotely
from .worker import Worker


@dataclass(frozen=True, slots=True)
class Judged:
    """`verdict` is None for a clean entry, whose age is another question; `as_of` is the head of
    the server's verdict, None for one by the log; `look` the newest answer of the server.
    `was_unknown`: this worker's log does not reach back to what the entry was made of."""

    verdict: Verdict | None
    look: Look
    as_of: Position | None = None
    was_unknown: bool = False


class Judge:
    """Judges entries for readers with barriers."""

    def __init__(self, worker: Worker, look_ups: LookUps) -> None:
        self._worker = worker
        self._look_ups = look_ups

    def may_use_log(self, barrier: Barrier, head: Position | None) -> bool:
        """Whether this worker's log is good enough for this reader, now.

        `head` is one that was asked for after the reader came, where it must not be behind it (J6).
        """
        position = self._worker.log.position
        if position is None or not self._worker.is_current or not barrier.is_met_by(position):
            return False
        return head is None or position.reaches(head)

    async def judge(self, stamp: Stamp, found: Found, barrier: Barrier, *, strict: bool) -> Judged:
        """The verdict on an entry that was found. Raises `StoreUnavailable`."""
        strict = (strict or stamp.strict) and self._worker.rules.j6_strict
        verdict: Verdict | None = None
        if self.may_use_log(barrier, found.look.head if strict else None):
            verdict = self._worker.log.judge(stamp.epoch, stamp.dependencies)
            newer = verdict is Verdict.OTHER_EPOCH and stamp.epoch == found.look.head.epoch
            if verdict is not Verdict.UNKNOWN and not newer:
                return Judged(verdict, found.look)
        return await self._ask(stamp, barrier, was_unknown=verdict is Verdict.UNKNOWN)

    async def _ask(self, stamp: Stamp, barrier: Barrier, *, was_unknown: bool) -> Judged:
        look = await self._look_ups.watermarks(stamp.dependencies)
        if not barrier.is_met_by(look.head):
            return Judged(Verdict.BARRIER, look)
        verdict = judge_remotely(stamp, look, self._worker.rules)
        return Judged(verdict, look, self._raised_to(look), was_unknown)

    def _raised_to(self, look: Look) -> Position:
        applied = self._worker.log.position
        if self._worker.rules.j3_head or applied is None or not applied.reaches(look.head):
            return look.head
        return applied

    def knows_a_purge_of(self, stamp: Stamp) -> bool:
        """Whether the log has brought a purge of what was clean a moment ago; it need not be
        current for that."""
        verdict = self._worker.log.judge(stamp.epoch, stamp.dependencies)
        return verdict is Verdict.PURGED and self._worker.rules.j7_purged

    # ---- joining ----

    def may_join(self, outcome: Outcome, head: Position, barrier: Barrier, *, strict: bool) -> bool:
        """L4: whether a reader whose look-up brought `head` may use what another's load read."""
        made_of = outcome.dependencies
        if not outcome.shareable or not made_of.known:
            return False
        if made_of.reach(head) and barrier.is_met_by(head):
            # Each part was read when everything up to the reader's own look was published.
            return True
        rules, log = self._worker.rules, self._worker.log
        position = log.position
        if position is None or (rules.f2_join and not self._worker.is_current):
            return False
        met = barrier.is_met_by(position) and (
            not (strict or made_of.strict) or position.reaches(head)
        )
        clean = log.judge(made_of.epoch or "", made_of.ids) is None
        return (met or not rules.l4_barrier) and (clean or not rules.l4_clean)

    def may_fail_with(self, frame: Frame, head: Position, barrier: Barrier) -> bool:
        """L4 of a load that failed: whether its error may be this reader's too.

        An error tells of what the load read, and of who asked, as a value does: "there is no such
        row" must not reach the client that made it. What it was made of is not known, so only when
        it began counts.
        """
        if frame.position is None or (frame.public and frame.viewer_read):
            return False
        return frame.position.reaches(head) and barrier.is_met_by(head)
