"""The live copies of boards in Redis: reading, applying changes, building and installing.

All of a board's keys share one hash slot. A copy belongs to the incarnation of the server that
it was built on (its `master_replid`): a server that was restarted, restored or failed over may
have lost the last changes of a copy, so such a copy is never used again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import orjson
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError

from ..errors import StoreUnavailable
from ..stores.script import Argument, run_pipeline
from . import scripts
from .board import Board, Freshness
from .members import points_width
from .points import Points, Standing
from .questions import Header, Question, Reading
from .wire import answer, asked, points_or_nothing, row

COPY_TTL: Final = 7 * 24 * 3600
"""Seconds that a copy outlives its last use by."""
BUILD_LEASE: Final = 10.0
"""Seconds after which a build that makes no progress is given up, and its keys expire."""


class Applied(StrEnum):
    """What became of a change."""

    APPLIED = "APPLIED"
    AHEAD = "AHEAD"
    """The copy had it."""
    GAP = "GAP"
    """The copy lacks earlier changes: nothing was applied."""
    ABSENT = "ABSENT"
    """There is no usable copy. A build that is running will not be installed without it."""


class Installed(StrEnum):
    """What became of a build."""

    INSTALLED = "INSTALLED"
    KEPT = "KEPT"
    """The live copy is as new."""
    BEHIND = "BEHIND"
    """Something newer was acknowledged while it was built: catch up and try again."""
    LOST = "LOST"
    """It cannot be used: the lease ended, or the server lost a part of it."""


@dataclass(frozen=True, slots=True)
class Delta:
    """Every row that changed in (`since`, `version`], each as it is at `version`."""

    since: int
    version: int
    standings: Sequence[Standing]


@dataclass(frozen=True, slots=True)
class RanksAsked:
    """Whose ranks to return with a change: before (None: had no points) and after it."""

    player: str
    before: Points | None
    after: Points


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a change, the copy's version now, and the competition ranks asked for."""

    applied: Applied
    version: int = 0
    previous_rank: int | None = None
    rank: int | None = None


class LiveCopies:
    """Runs the scripts. Every method raises `StoreUnavailable` when Redis does not answer."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        """`prefix` begins every key; it names the deployment and the database."""
        self._redis = redis
        self._prefix = prefix

    def channel(self, board: Board) -> str:
        """Where `epoch:version` is published on each change of the copy: a doorbell, no data."""
        return self._key(board, "bell")

    async def read(
        self, asked_of: Sequence[tuple[Board, Sequence[Question[Any]]]]
    ) -> list[list[Reading[Any]] | None]:
        """The answers of each board in one state of it, all in one round trip.

        None for a board that has no usable copy.
        """
        pipeline = self._redis.pipeline(transaction=False)
        for board, questions in asked_of:
            json = orjson.dumps([asked(board, question) for question in questions])
            arguments = (board.layout, points_width(board), _milliseconds(COPY_TTL), json)
            scripts.READ.add_to(pipeline, self._copy(board), arguments)
        replies = await run_pipeline(self._redis, pipeline, scripts.READ)
        return [
            _readings(board, questions, reply)
            for (board, questions), reply in zip(asked_of, replies, strict=True)
        ]

    async def apply(self, board: Board, delta: Delta, ranks: RanksAsked | None = None) -> Outcome:
        """Bring the copy to `delta.version`, if it has reached `delta.since`."""
        arguments: list[Argument] = [
            board.layout,
            points_width(board),
            _milliseconds(COPY_TTL),
        ]
        arguments += [delta.since, delta.version, self.channel(board), *_ranks(board, ranks)]
        for standing in delta.standings:
            arguments += row(board, standing)
        keys = [*self._copy(board), self._key(board, "build")]
        try:
            return _outcome(await scripts.APPLY.run(self._redis, keys, arguments))
        except StoreUnavailable as error:
            if not isinstance(error.__cause__, OutOfMemoryError):
                raise
        # A full server refuses what stores something new, but lets go of what it has: nobody may
        # read a copy that lacks this change.
        await self.discard(board, delta.version)
        return Outcome(Applied.ABSENT)

    async def discard(self, board: Board, version: int, *, whatever: bool = False) -> None:
        """Remove the copy unless it has `version` (or `whatever` it has).

        Whoever reads next, reads the source. A build that runs must reach `version`.
        """
        keys = [*self._copy(board), self._key(board, "build")]
        layout = "" if whatever else board.layout  # no copy has the layout ''
        await scripts.DISCARD.run(self._redis, keys, [layout, version])

    async def begin(self, board: Board, build: str) -> bool:
        """Start the build `build` (a random name); False while another one runs anywhere."""
        arguments = (build, board.layout, _milliseconds(BUILD_LEASE))
        reply = await scripts.BEGIN.run(self._redis, [self._key(board, "build")], arguments)
        return bool(reply)

    async def load(self, board: Board, build: str, standings: Sequence[Standing]) -> bool:
        """Put rows into the build, and renew its lease. False: it is lost."""
        arguments: list[Argument] = [build, points_width(board), _milliseconds(BUILD_LEASE)]
        for standing in standings:
            arguments += row(board, standing)
        return bool(await scripts.LOAD.run(self._redis, self._build(board, build), arguments))

    async def install(self, board: Board, build: str, version: int) -> Installed:
        """Make the build, which is the board at `version`, the live copy of the epoch `build`."""
        keys = [*self._build(board, build), *self._copy(board)]
        arguments = (build, version, build, _milliseconds(COPY_TTL), self.channel(board))
        reply = await scripts.INSTALL.run(self._redis, keys, arguments)
        return Installed(reply.decode())

    async def abandon(self, board: Board, build: str) -> None:
        """Give up the build: another one may begin."""
        await scripts.ABANDON.run(self._redis, self._build(board, build), [build])

    def _key(self, board: Board, part: str) -> str:
        # The digit is the format's: another one shall not read what this one wrote.
        return f"{{{self._prefix}:lb1:{board.key}}}:{part}"

    def _copy(self, board: Board) -> list[str]:
        return [self._key(board, part) for part in ("meta", "members", "players", "tuples")]

    def _build(self, board: Board, build: str) -> list[str]:
        parts = (f"{build}:{part}" for part in ("members", "players", "tuples"))
        return [self._key(board, "build"), *(self._key(board, part) for part in parts)]


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _ranks(board: Board, ranks: RanksAsked | None) -> tuple[str, str, str]:
    if ranks is None:
        return "", "", ""
    before = points_or_nothing(board, ranks.before)
    return ranks.player, before, points_or_nothing(board, ranks.after)


def _outcome(reply: Sequence[Any]) -> Outcome:
    applied = Applied(reply[0].decode())
    if applied is Applied.ABSENT:
        return Outcome(applied)
    version = int(reply[2])
    if applied is Applied.GAP:
        return Outcome(applied, version)
    before, after = reply[3]
    return Outcome(applied, version, before or None, after or None)


def _readings(
    board: Board, questions: Sequence[Question[Any]], reply: Sequence[Any]
) -> list[Reading[Any]] | None:
    if reply[0] == b"ABSENT":
        return None
    _, epoch, version, size, *answers = reply
    header = Header(epoch.decode(), int(version), int(size), Freshness.LIVE)
    return [
        Reading(header, answer(board, question, found, header.size))
        for question, found in zip(questions, answers, strict=True)
    ]
