"""A worker of leaderboards that is killed at a step: `... DATABASE REDIS PREFIX STEP`.

As `killed_process.py`, of which it has the mechanism of steps: it does what STEP belongs to until
it reaches the step, and there sends itself SIGKILL. What it acknowledges it prints.

`STEPS` has every step; the last of each kind are broken on purpose, for the controls.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from cache.integrations.tortoise_progress import TortoiseProgress
from cache.leaderboard import Leaderboards, Options, Submission
from cache.leaderboard.flushing import Flushing
from cache.leaderboard.live import LiveCopies
from cache.once import Once
from cache.stores.connection import open_redis
from cache.writes import Batch, Committed, Lease, WriteBehindSettings
from cache.writes.journal import Journal
from models.database import connect, disconnect
from resolvers.score_source import SqlScores
from tests.support.boards import BOARDS, header, live
from tests.support.killed_process import Step, _Committing, _Watched, acknowledge
from tests.support.write_behind import SteppedProgress

BOARD = BOARDS["golf"]
"""Increments: what is applied twice, or not at all, shows."""
PLAYER = "ada"
OPERATIONS = 5
QUICK = WriteBehindSettings(max_age=0.2, batch=4, lease=1.0)


class Killed:
    """The worker: its leaderboards, and what it is to do with them."""

    def __init__(self, redis_url: str, prefix: str) -> None:
        self._redis = open_redis(redis_url, budget=5.0)
        self._prefix = prefix
        self.progress: type[TortoiseProgress] = _Watched

    def boards(self) -> Leaderboards:
        source = _Scores(self.progress)
        return Leaderboards(self._redis, source, self._prefix, Options(writes=QUICK))

    async def flush(self) -> None:
        """Flush until nothing waits."""
        await self.boards().flushing.flush(BOARD.key)

    async def stop(self) -> None:
        """Start flushing, and stop at once: everything that waits is flushed by the stop."""
        boards = self.boards()
        boards.start()
        boards.flushing.watch(BOARD.key)
        await boards.stop(30.0)

    async def submit(self, *, too_early: bool = False) -> None:
        """Add 1 to a player, each time with a key."""
        boards = self.boards()
        for number in range(OPERATIONS):
            if too_early:
                await acknowledge(number)
            await boards.submit(BOARD, submission(number))
            if not too_early:
                await acknowledge(number)

    async def remove(self) -> None:
        """Take the player off the board."""
        await self.boards().remove(BOARD, PLAYER)

    async def build(self) -> None:
        """Build the copy that is missing."""
        boards = self.boards()
        await header(boards, BOARD)
        await live(boards, BOARD)


class _Scores(SqlScores):
    """The real source, with a progress that has steps."""

    def __init__(self, progress: Any) -> None:
        self._progress = progress

    def progress(self, key: str) -> TortoiseProgress:
        made: TortoiseProgress = self._progress(super().progress(key).operation)
        return made


def submission(number: int) -> Submission:
    """The same operation each time it is asked for."""
    return Submission(PLAYER, (1,), Once(f"operation-{number}", "1"))


# ---- broken on purpose ----


class _ProgressFirst(SteppedProgress):
    """Commits how far it got, and then, by themselves, the rows."""

    async def commit(self, lease: Lease, batch: Batch) -> Committed:
        await super().commit(lease, replace(batch, entries=()))
        return await self.rows(lease, batch)

    async def rows(self, lease: Lease, batch: Batch) -> Committed:
        return await super().commit(lease, batch)


async def _flush_progress_first(worker: Killed) -> None:
    worker.progress = _ProgressFirst
    await worker.flush()


async def _submit_too_early(worker: Killed) -> None:
    await worker.submit(too_early=True)


def _step(doing: Callable[[Killed], Awaitable[None]], *place: Any, **how: Any) -> Step:
    return Step(doing, *place, **how)  # type: ignore[arg-type] # of another worker


FLUSHES = {
    "before the read": _step(Killed.flush, Journal, "pending"),
    "after the read": _step(Killed.flush, Journal, "pending", after=True),
    "inside the transaction": _Committing(Killed.flush, None, ""),  # type: ignore[arg-type] # as above
    "after the commit, before the trim": _step(Killed.flush, Journal, "trim"),
    "after the trim": _step(Killed.flush, Journal, "trim", after=True),
    "on a stop, with submissions left": _step(Killed.stop, Journal, "pending"),
    "before the lease is given back": _step(Killed.flush, SteppedProgress, "release_lease", nth=1),
}
BROKEN_FLUSH = {"progress before its rows": _step(_flush_progress_first, _ProgressFirst, "rows")}

NTH = 3
"""The submission during which it is killed: two are acknowledged by then."""
SUBMITTED = {
    "before the script": _step(Killed.submit, LiveCopies, "change", nth=NTH),
    "after the script, before the answer": _step(
        Killed.submit, LiveCopies, "change", nth=NTH, after=True
    ),
}
BROKEN_SUBMIT = {"acknowledged too early": _step(_submit_too_early, LiveCopies, "change", nth=NTH)}

REMOVED = {
    "before the script": _step(Killed.remove, LiveCopies, "change", nth=1),
    "after the script, before the flush": _step(Killed.remove, Flushing, "flush_past", nth=1),
    "after the flush, before the answer": _step(
        Killed.remove, Flushing, "flush_past", nth=1, after=True
    ),
}
BUILT = {
    "with the lease, before it reads": _step(
        Killed.build, SteppedProgress, "take_lease", nth=1, after=True
    ),
    "with rows loaded": _step(Killed.build, LiveCopies, "install", nth=1),
    "after the install": _step(Killed.build, LiveCopies, "install", nth=1, after=True),
}
STEPS = {
    "flush": FLUSHES | BROKEN_FLUSH,
    "submit": SUBMITTED | BROKEN_SUBMIT,
    "remove": REMOVED,
    "build": BUILT,
}


async def main(database: str, redis_url: str, prefix: str, step: str) -> None:
    kind, _, name = step.partition(": ")
    chosen = STEPS[kind][name]
    await connect(database)
    worker = Killed(redis_url, prefix)
    chosen.arm()
    await chosen.doing(worker)  # type: ignore[arg-type] # as above
    await disconnect()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
