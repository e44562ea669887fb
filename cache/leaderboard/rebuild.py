"""Building a copy: the source's rows, and the stream's tail on top. `docs/leaderboards.md` has how.

The board's flush lease is held meanwhile, so that nobody else changes its rows: but only so that
the work is not in vain. Whether a build is right is decided by the script that installs it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

from ..writes import Lease, Progress
from .board import Board
from .live import BUILD_LEASE, Installed, LiveCopies, Rows
from .source import ScoreSource

log = logging.getLogger(__name__)

PAGE: Final = 1000
"""Rows read and loaded at once; and how much of the stream is put on top of them, not flushed."""


class _InVainError(Exception):
    """The build cannot be used: another one may be tried."""


@dataclass
class _Held:
    """The board's flush lease, renewed when half of it is gone."""

    progress: Progress
    owner: str
    lease: Lease
    taken: float

    @classmethod
    async def take(cls, progress: Progress, owner: str) -> _Held | None:
        taken = time.monotonic()
        lease = await progress.take_lease(owner, BUILD_LEASE)
        return None if lease is None else cls(progress, owner, lease, taken)

    async def keep(self) -> None:
        if time.monotonic() - self.taken > BUILD_LEASE / 2:
            await self.again()

    async def again(self) -> None:
        taken = time.monotonic()
        lease = await self.progress.take_lease(self.owner, BUILD_LEASE)
        if lease is None:
            raise _InVainError
        self.lease, self.taken = lease, taken


class Rebuilder:
    """Builds copies. Raises `StoreUnavailable`, and what the source raises."""

    def __init__(
        self,
        live: LiveCopies,
        source: ScoreSource,
        flush: Callable[[str], Awaitable[bool]],
        new_id: Callable[[], str],
        page: int = PAGE,
    ) -> None:
        """`flush` a board, by its key; `new_id` gives random names of builds, and then epochs."""
        self._live = live
        self._source = source
        self._flush = flush
        self._new_id = new_id
        self._page = page

    async def build(self, board: Board) -> bool:
        """Build a copy and install it. False: somebody has the board's lease, or it was in vain.

        True where there is a usable copy, whoever built it.
        """
        await self._shorten(board)
        build = self._new_id()
        if not await self._live.begin(board, build):
            return True
        installed = False
        try:
            installed = await self._build(board, build)
        except _InVainError:
            return False
        finally:
            if not installed:
                await self._live.abandon(board, build)
        return installed

    async def _shorten(self, board: Board) -> None:
        """Flush a long backlog first: nothing else runs in the server while it is put on top."""
        waiting = await self._live.journal(board.key).peek()
        if waiting.operations > self._page:
            await self._flush(board.key)

    async def _build(self, board: Board, build: str) -> bool:
        progress = self._source.progress(board.key)
        # After the build has begun: that may have opened the stream, which voids every lease.
        held = await _Held.take(progress, build)
        if held is None:
            return False
        try:
            # Read before any row: what is newer than it in the rows is in the stream's tail, too.
            rows = Rows(held.lease.applied, await self._source.version(board))
            await self._load_all(board, build, held)
            return await self._install(board, build, rows, held)
        finally:
            await progress.release_lease(held.lease)

    async def _load_all(self, board: Board, build: str, held: _Held) -> None:
        after: str | None = None
        while rows := await self._source.scan(board, after, self._page):
            if not await self._live.load(board, build, rows):
                raise _InVainError
            await held.keep()
            after = rows[-1].player

    async def _install(self, board: Board, build: str, rows: Rows, held: _Held) -> bool:
        outcome = await self._live.install(board, build, rows)
        if outcome is Installed.TRIMMED:
            await held.again()
            if held.lease.applied != rows.applied:
                return False  # a flush came in between: read again
            log.warning(
                "leaderboard %s: SQL is at %s of the stream %s, which was trimmed past that after "
                "a commit: what is between is lost. Was the database restored from a backup, or "
                "did its machine lose power?",
                board.key, rows.applied.last_id, rows.applied.epoch,
            )  # fmt: skip
            outcome = await self._live.install(board, build, replace(rows, is_gap_known=True))
        return outcome in (Installed.INSTALLED, Installed.KEPT)
