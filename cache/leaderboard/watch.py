"""Watching a board: waking up when it changed. One watch for each board in a process.

The doorbell says that something happened; what happened is read. So a lost doorbell costs at most
the time to the next poll, and while Redis is away the poll asks the source.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from ..tasks import end
from .board import Board, Freshness
from .doorbells import Doorbells
from .questions import Header

log = logging.getLogger(__name__)

POLL: Final = 1.0
"""Seconds between two looks at a board whose doorbell is silent."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A state of a board, as far as watchers tell states apart.

    `epoch` is that of the copy in Redis, and stays the last one's while there is none: the source
    answers the same, so that watchers need not hear of an interruption.
    """

    epoch: str = ""
    version: int = -1

    def is_news_after(self, sent: Mark) -> bool:
        """Whether to show this after `sent`: never an older state of the same copy.

        While Redis is away for a moment the source is asked, which may be ahead of the copy.
        """
        return self.epoch != sent.epoch or self.version > sent.version

    def then(self, header: Header) -> Mark:
        """The mark of a later reading."""
        live = header.freshness is Freshness.LIVE
        return Mark(header.epoch if live else self.epoch, header.version)


class Watch:
    """Counts the changes of one board that this process heard of."""

    def __init__(self) -> None:
        """Count from 0."""
        self.changes = 0
        self._mark = Mark()
        self._changed = asyncio.Event()

    async def after(self, seen: int) -> int:
        """Wait until more than `seen` changes were counted; how many there are now.

        Remember the count from *before* a reading: what changes during it is then not missed.
        """
        while self.changes <= seen:
            await self._changed.wait()
        return self.changes

    def note(self, header: Header) -> None:
        """Count a reading, if it is of another state than the one before."""
        mark = self._mark.then(header)
        if mark != self._mark:
            self._mark = mark
            self.changes += 1
            self._changed.set()
            self._changed = asyncio.Event()


@dataclass
class _Running:
    watch: Watch
    task: asyncio.Task[None]
    users: int = 0


class Watches:
    """The watches of one process. `look` reads a board's header, `channel` names its doorbell."""

    def __init__(
        self,
        doorbells: Doorbells,
        channel: Callable[[Board], str],
        look: Callable[[Board], Awaitable[Header]],
        poll: float = POLL,
    ) -> None:
        """Watch nothing yet."""
        self._doorbells = doorbells
        self._channel = channel
        self._look = look
        self._poll = poll
        self._running: dict[Board, _Running] = {}
        self._ending: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def watch(self, board: Board) -> AsyncIterator[Watch]:
        """The board's watch; it runs as long as anyone is in here."""
        running = self._running.get(board) or self._start(board)
        running.users += 1
        try:
            yield running.watch
        finally:
            # Nothing here waits: whoever leaves may be leaving because it was cancelled.
            running.users -= 1
            if not running.users:
                self._stop(board, running)

    async def aclose(self) -> None:
        """Stop all watches."""
        for board, running in list(self._running.items()):
            self._stop(board, running)
        await end(self._ending)

    def _start(self, board: Board) -> _Running:
        watch = Watch()
        running = _Running(watch, asyncio.create_task(self._run(board, watch)))
        self._running[board] = running
        return running

    def _stop(self, board: Board, running: _Running) -> None:
        if self._running.get(board) is running:
            del self._running[board]
        self._ending.add(running.task)
        running.task.add_done_callback(self._ending.discard)
        running.task.cancel()

    async def _run(self, board: Board, watch: Watch) -> None:
        rung = asyncio.Event()
        async with self._doorbells.listening(self._channel(board), rung.set):
            while True:
                rung.clear()
                await self._look_at(board, watch)
                try:
                    async with asyncio.timeout(self._poll):
                        await rung.wait()
                except TimeoutError:
                    continue

    async def _look_at(self, board: Board, watch: Watch) -> None:
        try:
            watch.note(await self._look(board))
        except Exception as error:  # noqa: BLE001 - whoever reads the board meets it, too
            log.debug("leaderboard %s: could not look at it: %s", board.key, error)
