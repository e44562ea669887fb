"""Flushes the boards that have a backlog: in every worker, one of which works on a board at a time.

Each board has a `cache.writes` flusher of its own; one task here goes round those that may have
something to do. Which those are, `waiting.py` knows; at the start the streams of all are looked at.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from ..errors import StoreUnavailable
from ..tasks import end
from ..writes import Applied, Counts, Flusher, WriteBehindSettings, is_before
from .live import LiveCopies
from .source import ScoreSource
from .waiting import FORGOTTEN, WaitingBoards

log = logging.getLogger(__name__)

AT_ONCE: Final = 4
"""Boards that one worker flushes at the same time."""
LOOK: Final = 1.0
"""Seconds between two looks at which boards have a backlog."""
_PAGE: Final = 500
_AGAIN: Final = 0.02
"""Seconds until it is asked again how far SQL is."""


@dataclass
class _Board:
    """A board that this process watches, and how it fares."""

    key: str
    flusher: Flusher
    failures: int = 0
    not_before: float = 0.0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Flushing:
    """The flushers of one process."""

    def __init__(
        self,
        source: ScoreSource,
        waiting: WaitingBoards,
        live: LiveCopies,
        settings: WriteBehindSettings,
    ) -> None:
        self._source = source
        self._waiting = waiting
        self._live = live
        self._journal = live.journal
        self._settings = settings
        self._boards: dict[str, _Board] = {}
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def counts(self) -> Mapping[str, Counts]:
        """What this process has flushed of each board that it watches."""
        return {key: board.flusher.counts for key, board in self._boards.items()}

    def watch(self, key: str) -> None:
        """This board has, or may have, a backlog."""
        self._board(key)

    def wake(self) -> None:
        """A board has a batch's worth: look now."""
        self._wanted.set()

    async def flush(self, key: str) -> bool:
        """Flush all that waits of a board. False: not all, another worker has the lease.

        Raises whatever Redis or the database raise.
        """
        board = self._board(key)
        async with board.turn:
            return await self._step(board, everything=True)

    async def flush_all(self, key: str) -> None:
        """Flush a board until nothing of it waits, whoever does it. Otherwise as `flush_past`."""
        while not await self.flush(key):  # noqa: ASYNC110 - others may flush, too
            await asyncio.sleep(_AGAIN)

    async def flush_past(self, key: str, place: Applied) -> None:
        """Flush a board until `place` of its stream is in SQL, whoever does it.

        It may take as long as another worker's lease. Raises whatever Redis or the database raise.
        """
        board = self._board(key)
        while not await self._is_past(board, place):  # noqa: ASYNC110 - others may flush, too
            await asyncio.sleep(_AGAIN)

    def start(self) -> None:
        """Start flushing in the background. Raises `RuntimeError` if it runs already."""
        if self._task is not None:
            raise RuntimeError("the leaderboards are flushed already: stop that first")
        self._task = asyncio.create_task(self._run(), name="leaderboards: flushing")

    async def stop(self, deadline: float) -> None:
        """Stop, and flush what this process knows of, at most `deadline` seconds from now.

        What is left waits in Redis's log for another worker, or the next start.
        """
        if self._task is None:
            return
        task, self._task = self._task, None
        await end([task])
        with suppress(TimeoutError):
            async with asyncio.timeout(deadline):
                await self._each(list(self._boards), everything=True)
        left = [key for key in self._boards if self._journal(key).waiting]
        if left:
            log.warning(
                "leaderboards: not all was flushed at the end of this process; what is left of %s "
                "stays in Redis until a worker runs again",
                ", ".join(left),
            )

    # ---- the task ----

    async def _run(self) -> None:
        looked, has_looked_at_all = float("-inf"), False
        while True:
            self._wanted.clear()
            if time.monotonic() - looked >= LOOK:
                looked = time.monotonic()
                has_looked_at_all = has_looked_at_all or await self._tried(self._look_at_all)
                await self._tried(self._look)
            await self._each(self._due(), everything=False)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._settings.poll):
                    await self._wanted.wait()

    def _due(self) -> list[str]:
        now = time.monotonic()
        return [key for key, board in self._boards.items() if board.not_before <= now]

    async def _each(self, keys: list[str], *, everything: bool) -> None:
        places = asyncio.Semaphore(AT_ONCE)

        async def one(key: str) -> None:
            async with places:
                await self._try(key, everything=everything)

        await asyncio.gather(*(one(key) for key in keys))

    async def _try(self, key: str, *, everything: bool) -> None:
        board = self._boards[key]
        try:
            async with board.turn:
                await self._step(board, everything=everything)
        except Exception as error:
            board.failures += 1
            board.flusher.counts.failures += 1
            pause = self._settings.pause(board.failures)
            board.not_before = time.monotonic() + pause
            is_strange = board.failures == 1 and not isinstance(error, StoreUnavailable)
            log.warning(
                "leaderboard %s: flushing failed, %d times in a row; again in %.1f s: %s",
                key, board.failures, pause, error, exc_info=is_strange,
            )  # fmt: skip
        else:
            board.failures = 0

    async def _step(self, board: _Board, *, everything: bool) -> bool:
        async with self._flushing(board):
            return not await board.flusher.flush_due(everything=everything)

    @asynccontextmanager
    async def _flushing(self, board: _Board) -> AsyncIterator[None]:
        gaps = board.flusher.counts.gaps
        try:
            yield
        finally:
            # Nobody holds it between flushes: a build, and other workers, need not wait for it.
            await board.flusher.release()
        if board.flusher.counts.gaps > gaps:
            # SQL came back from a backup: the copy has what SQL has lost, and would go on with it.
            await self._live.discard(board.key)

    async def _is_past(self, board: _Board, place: Applied) -> bool:
        async with board.turn, self._flushing(board):
            await board.flusher.flush()
            applied = board.flusher.applied
        if applied is None or applied.epoch != place.epoch:
            return False
        return not is_before(applied.last_id, place.last_id)

    # ---- which boards ----

    async def _look(self) -> None:
        """Watch the boards that somebody noted; forget those that nobody needs any more."""
        found = await self._waiting.found()
        for key in found:
            self._board(key)
        for key in list(self._boards):
            # Asked now: what this process saw last may be older than the note.
            if found.get(key, FORGOTTEN) >= FORGOTTEN and await self._is_empty(key):
                await self._waiting.forget(key)
                self._boards.pop(key, None)

    async def _is_empty(self, key: str) -> bool:
        return not (await self._journal(key).peek()).operations

    async def _look_at_all(self) -> None:
        """Watch every board of the source whose stream is not empty. Opens no stream."""
        after: str | None = None
        while keys := await self._source.boards(after, _PAGE):
            lengths = await self._waiting.lengths([self._journal(key).stream for key in keys])
            for key, length in zip(keys, lengths, strict=True):
                if length:
                    self._board(key)
            after = keys[-1]

    async def _tried(self, look: Callable[[], Awaitable[None]]) -> bool:
        try:
            await look()
        except StoreUnavailable as error:
            log.debug("leaderboards: could not look for what is to be flushed: %s", error)
        except Exception as error:  # noqa: BLE001 - of the database; it is tried again
            log.warning("leaderboards: could not look for what is to be flushed: %s", error)
        else:
            return True
        return False

    def _board(self, key: str) -> _Board:
        if key not in self._boards:
            progress = self._source.progress(key)
            flusher = Flusher(self._journal(key), progress, self._settings)
            self._boards[key] = _Board(key, flusher)
        return self._boards[key]
