"""Making a copy whole again: building a new one, or catching up an old one.

Both read the source and hand absolute rows to a script, so each step may be repeated, and any
number of processes may do it at once. `docs/leaderboards.md` has the interleavings.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from .board import Board
from .live import Applied, Delta, Installed, LiveCopies, Outcome, RanksAsked
from .source import ScoreSource

PAGE: Final = 1000
"""Rows read and loaded at once. A copy that lacks more changes than this is built anew."""

_INSTALL_ATTEMPTS: Final = 20


class Rebuilder:
    """Brings copies up to the source. Raises `StoreUnavailable`, and what the source raises."""

    def __init__(
        self, live: LiveCopies, source: ScoreSource, new_id: Callable[[], str], page: int = PAGE
    ) -> None:
        """`new_id` gives random names; they name builds, and then epochs."""
        self._live = live
        self._source = source
        self._new_id = new_id
        self._page = page

    async def build(self, board: Board) -> bool:
        """Build a copy from the source and install it. False: somebody else's turn, or lost.

        The rows are read page by page, each at a time of its own. So the copy is installed only
        after all that changed since the first page was read again, in one snapshot: it is then
        exactly the board at that snapshot's version.
        """
        build = self._new_id()
        if not await self._live.begin(board, build):
            return False
        installed = False
        try:
            installed = await self._fill_and_install(board, build)
        finally:
            if not installed:
                await self._live.abandon(board, build)
        return installed

    async def _fill_and_install(self, board: Board, build: str) -> bool:
        version = await self._source.version(board)
        if not await self._load_all(board, build):
            return False
        for _ in range(_INSTALL_ATTEMPTS):
            caught_up = await self._load_changed(board, build, version)
            if caught_up is None:
                return False
            version = caught_up
            installed = await self._live.install(board, build, version)
            if installed is not Installed.BEHIND:
                return installed is not Installed.LOST
        return False

    async def catch_up(self, board: Board, version: int, ranks: RanksAsked | None) -> Outcome:
        """Apply everything that the copy, now at `version`, lacks. ABSENT if there is none now."""
        outcome = Outcome(Applied.GAP, version)
        while outcome.applied is Applied.GAP:
            rows = await self._source.changed(board, outcome.version, self._page + 1)
            if not rows or len(rows) > self._page:
                # Too many: half a catch-up is no state of the board. None, though the copy lacks
                # a change: a player was removed, or it is not a copy of this source.
                await self.give_up(board)
                return Outcome(Applied.ABSENT)
            delta = Delta(outcome.version, max(row.version for row in rows), rows)
            outcome = await self._live.apply(board, delta, ranks)
        return outcome

    async def distrust(self, board: Board, version: int) -> bool:
        """Give up a copy that claims a `version` which the source has not reached.

        So it is after the source was restored from a backup. True if it was given up.
        """
        if await self._source.version(board) >= version:
            return False
        await self.give_up(board)
        return True

    async def version(self, board: Board) -> int:
        """The version that the source has now."""
        return await self._source.version(board)

    async def give_up(self, board: Board) -> None:
        """Remove the copy, whatever it holds: it is built anew when it is next read."""
        await self._live.discard(board, await self._source.version(board), whatever=True)

    async def _load_all(self, board: Board, build: str) -> bool:
        after: str | None = None
        while rows := await self._source.scan(board, after, self._page):
            if not await self._live.load(board, build, rows):
                return False
            after = rows[-1].player
        return True

    async def _load_changed(self, board: Board, build: str, version: int) -> int | None:
        """Load what changed after `version`; the version that the build is at. None: it is lost.

        A full page may end in the middle of the changes, and a row that changed twice is only
        where its last change is: only the last page, a short one, is a state of the board.
        """
        while True:
            rows = await self._source.changed(board, version, self._page)
            if rows is None:
                return None  # who was removed may have been loaded: another build begins anew
            if rows and not await self._live.load(board, build, rows):
                return None
            version = max((row.version for row in rows), default=version)
            if len(rows) < self._page:
                return version
