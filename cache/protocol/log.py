"""What one worker knows of the invalidation log: F1 to F3, and the one predicate `clean`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .rules import ALL, Rules
from .types import Followed, Position, Purge, Verdict

MAX_STALENESS = 1.0
"""Δ: seconds within which everybody sees an acknowledged write, while all is well."""

MAX_TAGS = 10_000
"""Tags of which a worker remembers the newest purge; then its horizon rises instead."""


class Log:
    """The purges that a worker knows of: all of (`horizon`, `applied`], by their tags.

    `now` and `sent`, everywhere, are seconds of one clock of the worker's that runs while the
    process is paused and the machine is suspended. `mark` changes whenever `judge` may
    answer something else: an entry that was judged at this mark need not be judged again (J2).
    """

    def __init__(
        self, rules: Rules = ALL, *, max_staleness: float = MAX_STALENESS, max_tags: int = MAX_TAGS
    ) -> None:
        self.rules = rules
        self.max_staleness = max_staleness
        self.max_tags = max_tags
        self.epoch: str | None = None
        self.applied = 0
        self.horizon = 0
        self.since: dict[str, int] = {}
        self.heard_at: float | None = None
        self._changes = 0
        self.must_drain = True
        """F2: the outbox is drained before the next answer is believed. So it is at the start."""
        self._late: dict[str, int] = {}
        self.position: Position | None = None
        """How far the log is applied; None before the first answer."""

    @property
    def mark(self) -> int:
        """What an entry that is judged now was judged at (J2): of this epoch, and no other."""
        return self._changes if self.rules.j2_epoch else self.applied

    # ---- following ----

    def hear(self, answer: Followed, sent: float, received: float | None = None) -> bool:
        """Apply an answer that was asked for at `sent`. Returns whether the view was reset."""
        whole = True
        reset = answer.head.epoch != self.epoch
        if reset:
            self._reset(answer.head)
        else:
            for purge in answer.purges:
                if purge.id <= self.applied:
                    continue
                if self.rules.f1_predecessor and purge.predecessor != self.applied:
                    reset = True  # the log was trimmed past what is applied here
                    break
                self._apply(purge)
            # Nothing, though the head is ahead: what lies between was trimmed, and no next purge
            # shows the gap. A worker that waited for one would not be current until then.
            is_lost = not answer.purges and answer.head.id > self.applied
            reset = reset or (is_lost and self.rules.f1_predecessor)
            if reset:
                self._reset(answer.head)
            whole = self.applied >= answer.head.id
        if (whole or not self.rules.f2_whole) and not (self.must_drain and self.rules.f2_drain):
            moment = sent if self.rules.f2_sent or received is None else received
            self.heard_at = max(moment, self.heard_at or moment)
        return reset

    def lose(self) -> None:
        """The state server did not answer: nothing local is used until it is trusted again (F2)."""
        self.heard_at = None
        self.must_drain = True

    def drained(self) -> None:
        """Everything unpublished was published: the next answer that is asked for is believed."""
        self.must_drain = False

    def add_own(self, tags: Iterable[str], position: Position) -> None:
        """Note an own purge as soon as it is confirmed; `applied` waits for its turn in the log."""
        if position.epoch != self.epoch or position.id <= self.applied:
            return
        if len(self.since) > self.max_tags:
            return  # the log brings it too, and bounds what is remembered
        for tag in tags:
            self.since[tag] = max(self.since.get(tag, 0), position.id)
        self._changes += 1

    def is_current(self, now: float) -> bool:
        """F2: whether what rests on the log may be used; ask when an answer is about to be."""
        if not self.rules.f2_current:
            return self.epoch is not None
        return self.heard_at is not None and 0 <= now - self.heard_at <= self.max_staleness / 2

    def is_behind(self, head: Position) -> bool:
        """F3: whether `head`, told just now, cannot be: the log lost what was applied here."""
        position = self.position
        return self.rules.f3_behind and position is not None and head.is_before(position)

    def _reset(self, head: Position) -> None:
        self.epoch, self.applied = self.position = head
        if self.rules.f3_reset:
            self.horizon = head.id
            self.since = {}
        self._late = {}
        self._changes += 1

    def _apply(self, purge: Purge) -> None:
        # An own purge that is newer is known already (`add_own`).
        tags = {tag: max(purge.id, self.since.get(tag, 0)) for tag in purge.tags}
        if self.rules.f1_atomic:
            self.since |= tags
        else:  # `applied` first: a judgement in between takes an entry for judged
            self.since |= self._late
            self._late = tags
        self.applied = purge.id
        self.position = Position(self.epoch or "", purge.id)
        self._changes += 1
        if len(self.since) > self.max_tags:
            self.horizon = self.applied
            self.since = {}

    # ---- judging ----

    def judge(self, epoch: str, dependencies: Mapping[str, int]) -> Verdict | None:
        """J2, the predicate `clean`: None for an entry that is, or why it is not.

        `UNKNOWN` means that the log does not reach back so far: ask the server (J3).
        """
        rules = self.rules
        if rules.clean_epoch and epoch != self.epoch:
            return Verdict.OTHER_EPOCH
        since, horizon = self.since, self.horizon
        verdict: Verdict | None = None
        for tag, read_at in dependencies.items():
            if rules.clean_since and since.get(tag, 0) > read_at:
                return Verdict.PURGED
            if read_at < horizon and rules.clean_horizon:
                verdict = Verdict.UNKNOWN
        return verdict
