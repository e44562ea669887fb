"""Leaderboards: exact ranks from sorted sets in Redis, written behind to a source.

A submission is acknowledged by one script, and flushed to the source later; a read asks the copy in
Redis, or the source while there is none. See `docs/leaderboards.md`.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar, cast

from redis.asyncio import Redis

from ..batch import TickBatcher
from ..errors import StoreUnavailable
from ..writes import NotAcknowledged, WriteBehindSettings, may_be_executed
from .board import Board
from .direct import read_source
from .doorbells import Doorbells
from .flushing import Flushing
from .journal import BoardJournal
from .keeper import Keeper, Timing
from .live import LiveCopies
from .points import check_player, check_points
from .questions import Header, Question, Reading, State
from .rebuild import PAGE, Rebuilder
from .source import ScoreSource, Submission
from .submitting import Submitted, remove, submit
from .waiting import WaitingBoards
from .watch import POLL, Watch, Watches

log = logging.getLogger(__name__)

T = TypeVar("T")
Answer = TypeVar("Answer")
_Asked = tuple[Board, Question[Any]]


LIMIT: Final = 10_000
"""Submissions to one board that may wait."""


def _random_name() -> str:
    return secrets.token_hex(8)


@dataclass(frozen=True)
class Options:
    """Patience, the names of builds, rows for each step, seconds of a poll; when to flush."""

    timing: Timing = field(default_factory=Timing)
    writes: WriteBehindSettings = field(default_factory=lambda: WriteBehindSettings(limit=LIMIT))
    new_id: Callable[[], str] = _random_name
    page: int = PAGE
    poll: float = POLL


DEFAULTS: Final = Options()


class Leaderboards:
    """The boards of one process. Any number of processes may share the Redis and the source.

    Call `start` where the event loop runs: it flushes what is acknowledged. `stop` it before Redis
    and the source are closed.
    """

    def __init__(
        self, redis: Redis, source: ScoreSource, prefix: str, options: Options = DEFAULTS
    ) -> None:
        """`prefix` begins every key: it names the deployment and the database.

        `redis` should fail fast, with a breaker: each read waits for it before it asks the source.
        It must be *without retries*: a submission must not be sent twice.
        """
        self._redis, self._source, self._prefix, self._options = redis, source, prefix, options
        self._journals: dict[str, BoardJournal] = {}
        self.live = LiveCopies(redis, self.journal)
        self._waiting = WaitingBoards(redis, prefix)
        self.flushing = Flushing(source, self._waiting, self.live, options.writes)
        rebuilder = Rebuilder(self.live, source, self.flushing.flush, options.new_id, options.page)
        self._keeper = Keeper(rebuilder, options.timing)
        self._reads: TickBatcher[_Asked, Reading[Any] | Exception] = TickBatcher(self._answer_all)
        self._watches = Watches(Doorbells(redis), self.live.channel, self._header, options.poll)

    def journal(self, key: str) -> BoardJournal:
        """The stream of the board `key`."""
        if key not in self._journals:
            fence = self._source.progress(key).fence
            self._journals[key] = BoardJournal(key, self._redis, self._prefix, fence)
        return self._journals[key]

    async def read(self, board: Board, question: Question[Answer]) -> Reading[Answer]:
        """The answer to `question`. All that is asked of a board in one tick is of one state.

        All questions of a tick, of all boards, are one round trip. Raises what the source raises.
        """
        reply = await self._reads.submit((board, question))
        if isinstance(reply, Exception):
            raise reply
        return cast("Reading[Answer]", reply)

    def watch(self, board: Board) -> AbstractAsyncContextManager[Watch]:
        """Wake up at the board's changes: `async with boards.watch(board) as watch`."""
        return self._watches.watch(board)

    async def submit(self, board: Board, submission: Submission) -> Submitted:
        """Apply a submission. On return it is acknowledged: every reader sees it.

        Raises `NotAcknowledged` when Redis does not answer, too much waits already, or the board's
        copy cannot be built in time; ScoreRefusedError, KeyReusedError; LookupError for a board
        that the source does not have.
        """
        check_player(submission.player)
        check_points(board, submission.points)
        settings = self._options.writes
        done = await self._changed(
            board,
            lambda: submit(self.live, board, submission, settings.limit, settings.once_ttl),
        )
        if done.waiting >= settings.batch:
            self.flushing.wake()
        return done.submitted

    async def remove(self, board: Board, player: str) -> bool:
        """Remove a player. On return nobody sees them, and the source has no row of theirs.

        False: they were not there. Raises `NotAcknowledged`: nothing was done (`sent` is False);
        they may be off the board; or they are, and the source does not have it yet, but will. And
        LookupError for a board that the source does not have.
        """
        removed = await self._changed(board, lambda: remove(self.live, board, player))
        try:
            async with asyncio.timeout(self._options.timing.removal):
                if removed.place is None:
                    return await self._removed_before(board, player)
                await self.flushing.flush_past(board.key, removed.place)
        except Exception as error:
            raise NotAcknowledged(
                f"the player is off the leaderboard {board.key!r}, but that may not be in the "
                f"database yet: {str(error) or 'it took too long'}"
            ) from error
        return True

    async def _removed_before(self, board: Board, player: str) -> bool:
        """Whether a removal that was not acknowledged waits for the source; then not any more."""
        if player not in await self._source.held(board, [player]):
            return False
        await self.flushing.flush_all(board.key)
        return True

    def start(self) -> None:
        """Start flushing in the background. Raises `RuntimeError` if it runs already."""
        self.flushing.start()

    async def stop(self, deadline: float) -> None:
        """Flush what waits and stop flushing, at most `deadline` seconds from now."""
        await self.flushing.stop(deadline)

    async def aclose(self) -> None:
        """Stop watching, flushing and building. What is acknowledged stays in Redis's log."""
        await self._watches.aclose()
        await self.flushing.stop(0.0)
        await self._keeper.aclose()

    async def _changed(self, board: Board, attempt: Callable[[], Awaitable[T | None]]) -> T:
        """Run a script that appends to the board's stream, as soon as the board has a copy."""
        try:
            await self._waiting.note(board.key)
        except StoreUnavailable as error:
            raise NotAcknowledged(str(error), sent=False) from error
        self.flushing.watch(board.key)
        try:
            return await self._keeper.patiently(board, attempt)
        except NotAcknowledged:
            raise
        except StoreUnavailable as error:
            raise NotAcknowledged(str(error), sent=may_be_executed(error)) from error

    async def _header(self, board: Board) -> Header:
        return (await self.read(board, State())).header

    async def _answer_all(self, asked: Sequence[_Asked]) -> list[Reading[Any] | Exception]:
        questions: dict[Board, list[Question[Any]]] = {}
        for board, question in dict.fromkeys(asked):
            questions.setdefault(board, []).append(question)
        readings = await self._read_live(questions)
        rest = [board for board in questions if board not in readings]
        answers = await asyncio.gather(
            *(read_source(self._source, board, questions[board]) for board in rest),
            return_exceptions=True,
        )
        found: dict[_Asked, Reading[Any] | Exception] = {}
        for board, replies in [*readings.items(), *zip(rest, answers, strict=True)]:
            found |= _by_question(board, questions[board], replies)
        return [found[item] for item in asked]

    async def _read_live(
        self, questions: dict[Board, list[Question[Any]]]
    ) -> dict[Board, list[Reading[Any]]]:
        boards = list(questions)
        try:
            replies = await self.live.read([(board, questions[board]) for board in boards])
        except StoreUnavailable as error:
            log.debug("leaderboards are read from their source: %s", error)
            return {}
        readings: dict[Board, list[Reading[Any]]] = {}
        for board, reply in zip(boards, replies, strict=True):
            if reply is None:
                self._keeper.missing(board)
            else:
                readings[board] = reply
        return readings


def _by_question(
    board: Board,
    questions: Sequence[Question[Any]],
    replies: Sequence[Reading[Any]] | BaseException,
) -> dict[_Asked, Reading[Any] | Exception]:
    if isinstance(replies, Exception):
        return {(board, question): replies for question in questions}
    if isinstance(replies, BaseException):
        raise replies
    return {(board, question): reply for question, reply in zip(questions, replies, strict=True)}
