"""Keeps the copies whole in the background: builds missing ones, repairs those left behind."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from ..errors import StoreUnavailable
from ..tasks import end
from .board import Board
from .live import Applied, Delta, LiveCopies
from .rebuild import Rebuilder

log = logging.getLogger(__name__)

_LAST_TRY = 1.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How patient the background is; all in seconds."""

    build_again: float = 0.25
    """How long no build is tried after one that did not end in a copy."""
    first_retry: float = 0.05
    last_retry: float = 5.0
    clock: Callable[[], float] = time.monotonic


class Keeper:
    """Knows which copies this process must not use, and mends them.

    A board is *behind* from a change that was committed but could not be applied, until the copy
    has it or is gone. Meanwhile this process answers from the source.
    """

    def __init__(self, live: LiveCopies, rebuilder: Rebuilder, timing: Timing) -> None:
        """Build nothing yet: tasks start when something is missing."""
        self._live = live
        self._rebuilder = rebuilder
        self._timing = timing
        self._behind: dict[Board, int] = {}
        self._doubted: set[Board] = set()
        self._builds: dict[Board, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def may_use(self, board: Board) -> bool:
        """Whether the board's copy may be asked: it is not known to lack a change."""
        return board not in self._behind

    def missing(self, board: Board) -> None:
        """There is no usable copy: build one, unless a build runs or just failed."""
        now = self._timing.clock()
        if self._builds.get(board, now) <= now:
            self._builds[board] = float("inf")
            self._start(self._build(board))

    def fell_behind(self, board: Board, version: int) -> None:
        """The change `version` is committed and could not be applied: apply it when possible."""
        repairing = board in self._behind
        self._behind[board] = max(version, self._behind.get(board, 0))
        if not repairing:
            self._start(self._repair(board))

    def in_doubt(self, board: Board) -> None:
        """A change may be committed: its reply was lost. Ask the source, then mend."""
        self._doubted.add(board)
        self.fell_behind(board, 0)

    async def aclose(self) -> None:
        """Stop the background tasks; try once more, for a second at most, to mend what is behind.

        What then is left is logged: other processes show it after the board's next change.
        """
        await end(self._tasks)
        left = set(self._behind)
        try:
            async with asyncio.timeout(_LAST_TRY):
                for board in tuple(left):
                    if await self._reached(board, self._behind[board]):
                        left.discard(board)
        except TimeoutError:
            log.debug("leaderboards: not all could be mended within %g s", _LAST_TRY)
        for board in left:
            log.warning(
                "leaderboard %s: its copy lacks a committed change at the end of this process; it "
                "gets it with the board's next change",
                board.key,
            )

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _build(self, board: Board) -> None:
        again = self._timing.build_again
        try:
            if await self._rebuilder.build(board):
                again = 0.0
        except StoreUnavailable as error:
            log.debug("leaderboard %s: could not build its copy: %s", board.key, error)
        except Exception:
            log.exception("leaderboard %s: could not build its copy; trying again", board.key)
        finally:
            self._builds[board] = self._timing.clock() + again

    async def _repair(self, board: Board) -> None:
        delay = self._timing.first_retry
        while True:
            version = self._behind[board]
            if not await self._reached(board, version):
                await asyncio.sleep(delay)
                delay = min(2 * delay, self._timing.last_retry)
            elif self._behind[board] == version and board not in self._doubted:
                del self._behind[board]
                return

    async def _reached(self, board: Board, version: int) -> bool:
        try:
            await self._reach(board, version)
        except StoreUnavailable:
            return False
        except Exception:
            log.exception("leaderboard %s: could not repair its copy; trying again", board.key)
            return False
        return True

    async def _reach(self, board: Board, version: int) -> None:
        """Bring the copy to `version`, or find it gone."""
        if board in self._doubted:
            version = max(version, await self._settled(board))
        outcome = await self._live.apply(board, Delta(version, version, ()))
        if outcome.applied is Applied.GAP:
            await self._rebuilder.catch_up(board, outcome.version, None)

    async def _settled(self, board: Board) -> int:
        """The version that the source has now; it stays in doubt while that cannot be asked."""
        self._doubted.discard(board)  # first: a doubt that comes during the question is a new one
        try:
            version = await self._rebuilder.version(board)
        except BaseException:
            self._doubted.add(board)
            raise
        self._behind[board] = max(version, self._behind[board])
        return version
