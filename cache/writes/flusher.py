"""The flusher: takes operations from the stream into SQL, in order, in batches.

One is alive in every worker, one at a time works: whoever holds the lease. A step can be repeated
or interrupted anywhere (docs/write-behind.md has the interleavings), because operations and the
progress past them are committed in one transaction, on condition of the fencing token.

While the database is away, nothing is given up. A batch that is refused for another reason is
halved until one operation is left; when that was refused a few times it goes to the dead letters,
and the operations on its key after it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from ..errors import StoreUnavailable
from .journal import Journal, Pending, is_before
from .progress import START, Applied, Batch, Committed, Lease, LeaseLost, Progress
from .settings import WriteBehindSettings

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Counts:
    """What a process did so far: `keys` are rows written, `dropped` keys that had no row, `parked`
    operations that went to the dead letters, `direct` those that went to SQL past the stream,
    `gaps` times that SQL had gone back."""

    batches: int = 0
    operations: int = 0
    keys: int = 0
    dropped: int = 0
    parked: int = 0
    direct: int = 0
    gaps: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class _Refused:
    """The operation that was refused last, how often in a row, and why."""

    id: str = ""
    times: int = 0
    error: str = ""


class Flusher:
    """Applies the stream of `journal` to `progress`. `clock` is monotonic, in seconds."""

    def __init__(
        self,
        journal: Journal,
        progress: Progress,
        settings: WriteBehindSettings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counts = Counts()
        self._journal = journal
        self._progress = progress
        self._settings = settings
        self._clock = clock
        self._owner = secrets.token_hex(16)
        self._lease: Lease | None = None
        self._lease_ends = 0.0
        self._turn = asyncio.Lock()
        self._most = settings.batch
        self._refused = _Refused()
        self._wanted = asyncio.Event()
        self._finishing = asyncio.Event()

    # ---- one step ----

    @property
    def applied(self) -> Applied | None:
        """How far SQL is, as of the last step; None where that had not the lease."""
        return None if self._lease is None else self._lease.applied

    async def flush(self) -> int:
        """Apply one batch. Returns how many operations: 0 if none wait or another has the lease.

        Calls take turns. Raises whatever Redis or the database raise; the same operations are then
        next again.
        """
        async with self._turn:  # two of one lease would commit the same batch: its token is theirs
            return await self._flush()

    async def _flush(self) -> int:
        while True:
            lease = await self._held_lease()
            if lease is None:
                return 0
            pending = await self._journal.pending(lease.applied, self._most)
            await self._forget_what_sql_lost(lease.applied, pending)
            self._lease = None  # until it is known how the transaction ended
            try:
                committed = await self._commit(lease, pending)
            except LeaseLost:
                logger.info("write-behind %r: another flusher took over", self._journal.name)
                return 0
            except Exception as error:
                if self._progress.is_unavailable(error) or not self._narrows(pending, error):
                    raise
                continue
            self._lease = replace(lease, applied=committed.applied)
            self._most = min(2 * self._most, self._settings.batch)
            await self._journal.trim(committed.applied)
            return len(pending.entries)

    async def _held_lease(self) -> Lease | None:
        # Half of it must be left, so that it seldom ends in the middle of a step. Where it does,
        # the token decides.
        now = self._clock()
        if self._lease is None or now > self._lease_ends - self._settings.lease / 2:
            self._lease = await self._progress.take_lease(self._owner, self._settings.lease)
            self._lease_ends = now + self._settings.lease
        return self._lease

    async def _commit(self, lease: Lease, pending: Pending) -> Committed:
        if pending.applied == lease.applied:
            return Committed(lease.applied)  # whoever committed it all died before the trim
        now = self._clock()
        batch = Batch(pending.applied, pending.entries, self._verdict(pending))
        committed = await self._progress.commit(lease, batch)
        self._lease_ends = now + lease.seconds
        self._report_gap(lease.applied, pending)
        self._count(batch, committed)
        return committed

    async def _forget_what_sql_lost(self, before: Applied, pending: Pending) -> None:
        # Live values hold what SQL has lost, and each append would renew them: so they are of an
        # older revision from here on. Before the commit, which removes what tells of the loss; none
        # is stored in between. The trim, or whoever rebuilds one, tells Redis.
        if self._progress.operation.is_live and _has_gap(before, pending):
            known = await self._journal.raise_revision(before.revision)
            await self._progress.raise_revision(known)

    def _report_gap(self, before: Applied, pending: Pending) -> None:
        # Known only now: had the token been void, the trim might have been another's, after us.
        if _has_gap(before, pending):
            self.counts.gaps += 1
            logger.warning(
                "write-behind %r: SQL was at %s of the stream %s, but operations up to %s were "
                "trimmed after their commit: those between are lost. Was the database restored "
                "from a backup, or did its machine lose power?",
                self._journal.name, before.last_id, before.epoch, pending.trimmed_to,
            )  # fmt: skip

    def _count(self, batch: Batch, committed: Committed) -> None:
        self.counts.batches += 1
        self.counts.operations += len(batch.entries)
        self.counts.keys += committed.written
        self.counts.parked += committed.parked
        if committed.dropped:
            self.counts.dropped += len(committed.dropped)
            logger.warning(
                "write-behind %r: dropped the operations on keys that have no row: %s",
                self._journal.name, ", ".join(map(repr, sorted(committed.dropped))),
            )  # fmt: skip
        if batch.error is not None:
            [entry] = batch.entries
            logger.error(
                "write-behind %r: an operation on %r was refused %d times, and is with the dead "
                "letters now; what follows on this key follows it there: %s",
                self._journal.name, entry.key, self._settings.tries, batch.error,
            )  # fmt: skip

    # ---- what is refused ----

    def _narrows(self, pending: Pending, error: Exception) -> bool:
        """Look for what is refused in half of the batch; then count how often it was. Returns
        whether to go on at once."""
        if len(pending.entries) > 1:
            self._most = len(pending.entries) // 2
            return True
        for entry in pending.entries:
            before = self._refused
            times = 1 + (before.times if before.id == entry.id else 0)
            self._refused = _Refused(entry.id, times, f"{type(error).__name__}: {error}")
            return times == self._settings.tries  # more often: it cannot even be parked
        return False

    def _verdict(self, pending: Pending) -> str | None:
        """The error for which the next operation is given up, if it is."""
        refused = self._refused
        is_it = [entry.id for entry in pending.entries] == [refused.id]
        return refused.error if is_it and refused.times >= self._settings.tries else None

    # ---- the task ----

    def wake(self) -> None:
        """A batch's worth waits: look now."""
        self._wanted.set()

    def finish(self) -> None:
        """Let `run` end as soon as nothing waits."""
        self._finishing.set()
        self._wanted.set()

    async def run(self) -> None:
        """Flush what is due, until `finish`; then everything, and release the lease.

        No failure ends it: it is logged, and after a pause the same operations are tried again.
        """
        failures = 0
        while True:
            finishing = self._finishing.is_set()
            try:
                is_blocked = await self.flush_due(everything=finishing)
                if finishing and not is_blocked:
                    return await self.release()
            except Exception as error:
                failures += 1
                self.counts.failures += 1
                pause = self._settings.pause(failures)
                is_strange = failures == 1 and not isinstance(error, StoreUnavailable)
                logger.warning(
                    "write-behind %r: flushing failed, %d times in a row; again in %.1f s: %s",
                    self._journal.name, failures, pause, error, exc_info=is_strange,
                )  # fmt: skip
                await self._rest(pause, is_blocked=True)
            else:
                failures = 0
                await self._rest(self._settings.poll, is_blocked=is_blocked)

    async def flush_due(self, *, everything: bool) -> bool:
        """Flush until nothing is due (`everything`: until nothing waits).

        True: something is, but the lease is another's. Raises as `flush`.
        """
        while True:
            waiting = await self._journal.peek()
            if everything and not waiting.operations:
                return False
            if not everything and not self._settings.is_due(waiting.operations, waiting.age):
                return False
            await self.flush()
            if self._lease is None:
                return True

    async def _rest(self, seconds: float, *, is_blocked: bool) -> None:
        # Who cannot flush must not be woken by each append.
        wanted = self._finishing if is_blocked else self._wanted
        if self._finishing.is_set():
            await asyncio.sleep(min(seconds, 0.1))
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await wanted.wait()
        self._wanted.clear()

    async def release(self) -> None:
        """End the lease, if this flusher has it: others need not wait for its end."""
        if self._lease is not None:
            lease, self._lease = self._lease, None
            await self._progress.release_lease(lease)


def _has_gap(before: Applied, pending: Pending) -> bool:
    """Whether operations that SQL lacks were trimmed."""
    is_same = before.epoch == pending.applied.epoch
    return is_before(before.last_id if is_same else START, pending.trimmed_to)
