"""Leaderboards: exact ranks from sorted sets in Redis, over a source that has the truth.

A submission is committed to the source first and applied to the copy in Redis after; a read asks
the copy, or the source while there is none. See `docs/leaderboards.md`.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar, cast

from redis.asyncio import Redis

from ..batch import TickBatcher
from ..errors import StoreUnavailable
from ..once import KeyReusedError
from .board import Board
from .direct import read_source
from .doorbells import Doorbells
from .keeper import Keeper, Timing
from .live import Applied, Delta, LiveCopies, Outcome, RanksAsked
from .points import ScoreRefusedError, Standing, check_player, check_points, is_better
from .questions import Header, Question, Reading, State
from .rebuild import PAGE, Rebuilder
from .source import Change, ScoreSource, Submission
from .watch import POLL, Watch, Watches

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")
_Asked = tuple[Board, Question[Any]]


def _random_name() -> str:
    return secrets.token_hex(8)


@dataclass(frozen=True)
class Options:
    """What tests change: patience, the names of builds, rows for each step, seconds of a poll."""

    timing: Timing = field(default_factory=Timing)
    new_id: Callable[[], str] = _random_name
    page: int = PAGE
    poll: float = POLL


DEFAULTS: Final = Options()


@dataclass(frozen=True)
class Submitted:
    """What a submission did. Ranks are of COMPETITION; `previous_rank` is None for a new player."""

    change: Change
    previous_rank: int | None
    rank: int
    new_best: bool
    """Whether the player's points became strictly better, or are the first."""


class Leaderboards:
    """The boards of one process. Any number of processes may share the Redis and the source."""

    def __init__(
        self, redis: Redis, source: ScoreSource, prefix: str, options: Options = DEFAULTS
    ) -> None:
        """`prefix` begins every key: it names the deployment and the database.

        `redis` should fail fast, with a breaker: each read waits for it before it asks the source.
        """
        self._source = source
        self.live = LiveCopies(redis, prefix)
        self._rebuilder = Rebuilder(self.live, source, options.new_id, options.page)
        self._keeper = Keeper(self.live, self._rebuilder, options.timing)
        self._reads: TickBatcher[_Asked, Reading[Any] | Exception] = TickBatcher(self._answer_all)
        self._writes: set[asyncio.Task[Any]] = set()
        self._watches = Watches(Doorbells(redis), self.live.channel, self._header, options.poll)

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
        """Apply a submission. When this returns, it is committed and every reader sees it.

        (A reader in another process while this one cannot reach Redis: see the docs.) It goes on
        when the caller is cancelled: a commit without its apply would leave the copy behind.
        Raises ScoreRefusedError, and what the source raises.
        """
        check_player(submission.player)
        check_points(board, submission.points)
        return await self._to_its_end(self._submit(board, submission))

    async def remove(self, board: Board, player: str) -> bool:
        """Remove a player. When this returns, no reader sees them; False: they were not there.

        The copy is given up, and built anew when it is next read. Goes on when the caller is
        cancelled, as `submit` does. Raises what the source raises.
        """
        return await self._to_its_end(self._remove(board, player))

    async def _to_its_end(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        task = asyncio.create_task(work)
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)
        return await asyncio.shield(task)

    async def aclose(self) -> None:
        """Stop watching, let running submissions end, then stop the background."""
        await self._watches.aclose()
        await asyncio.gather(*self._writes, return_exceptions=True)
        await self._keeper.aclose()

    async def _submit(self, board: Board, submission: Submission) -> Submitted:
        try:
            change = await self._source.submit(board, submission)
        except (ScoreRefusedError, LookupError, KeyReusedError):
            raise  # nothing was committed
        except Exception:
            self._keeper.in_doubt(board)
            raise
        # Also when it changed nothing: who wrote these points may not have applied them yet.
        outcome = await self._publish(board, change)
        before = change.before
        new_best = before is None or is_better(board, change.after.points, before.points)
        if outcome.rank is None:
            previous, rank = await self._source_ranks(board, change)
            return Submitted(change, previous, rank, new_best)
        return Submitted(change, outcome.previous_rank, outcome.rank, new_best)

    async def _remove(self, board: Board, player: str) -> bool:
        try:
            version = await self._source.remove(board, player)
        except LookupError:
            raise
        except Exception:
            self._keeper.in_doubt(board)
            raise
        if version is None:
            return False
        try:
            await self.live.discard(board, version, whatever=True)
        except StoreUnavailable as error:
            log.debug("leaderboard %s: behind, because %s", board.key, error)
            self._keeper.fell_behind(board, version)
        return True

    async def _publish(self, board: Board, change: Change) -> Outcome:
        """Apply a committed change to the copy. Never fails: then the board is behind."""
        if not self._keeper.may_use(board):
            self._keeper.fell_behind(board, change.version)
            return Outcome(Applied.ABSENT)
        try:
            outcome = await self._apply(board, change)
        except StoreUnavailable as error:
            log.debug("leaderboard %s: behind, because %s", board.key, error)
        except Exception:
            # It is committed, so it must not be answered as if it were not.
            log.exception("leaderboard %s: could not read what its copy lacks", board.key)
        else:
            if outcome.applied is Applied.ABSENT:
                self._keeper.missing(board)
            return outcome
        self._keeper.fell_behind(board, change.version)
        return Outcome(Applied.ABSENT)

    async def _apply(self, board: Board, change: Change) -> Outcome:
        before = None if change.before is None else change.before.points
        ranks = RanksAsked(change.after.player, before, change.after.points)
        rows = (change.after,) if change.changed else ()
        delta = Delta(change.version - len(rows), change.version, rows)
        outcome = await self.live.apply(board, delta, ranks)
        if outcome.applied is Applied.GAP:
            return await self._rebuilder.catch_up(board, outcome.version, ranks)
        if outcome.version > change.version and await self._rebuilder.distrust(
            board, outcome.version
        ):
            return Outcome(Applied.ABSENT)
        return outcome

    async def _header(self, board: Board) -> Header:
        return (await self.read(board, State())).header

    async def _source_ranks(self, board: Board, change: Change) -> tuple[int | None, int]:
        player = change.after.player
        held = (await self._source.held(board, [player])).get(player)
        rank = await self._source_rank(board, change.after, held)
        if change.before is None:
            return None, rank
        return await self._source_rank(board, change.before, held), rank

    async def _source_rank(self, board: Board, row: Standing, held: Standing | None) -> int:
        """The rank of these points, were they this player's, who holds others now."""
        better = (await self._source.ahead(board, row.position)).better
        itself = held is not None and is_better(board, held.points, row.points)
        return better + 1 - itself

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
        boards = [board for board in questions if self._keeper.may_use(board)]
        if not boards:
            return {}
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
