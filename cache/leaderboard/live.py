"""The live copies of boards in Redis: reading, changing, building and installing them.

All of a board's keys share one hash slot with its stream. A copy belongs to a life of the stream
and to a run of the server: one of another may lack changes, or have some that were lost, and is
never used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import orjson
from redis.asyncio import Redis

from ..stores.script import Argument, Script, run_pipeline
from ..writes import Applied, Once
from . import scripts
from .board import Board, Freshness
from .journal import BoardJournal
from .members import points_width
from .points import Standing
from .questions import Header, Question, Reading
from .wire import answer, asked, row

COPY_TTL: Final = 7 * 24 * 3600
"""Seconds that a copy outlives its last use by."""
BUILD_LEASE: Final = 10.0
"""Seconds after which a build that makes no progress is given up, and its keys expire."""


class Installed(StrEnum):
    """What became of a build."""

    INSTALLED = "installed"
    KEPT = "kept"
    """There is a usable copy."""
    TRIMMED = "trimmed"
    """The stream lacks what came after the build's place in it."""
    LOST = "lost"
    """It cannot be used: it took too long, or Redis lost a part of it or of the stream."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Which rows of the source a build has: `applied` of the stream, all of the board's `version`.

    `is_gap_known`: what the stream was trimmed of past `applied` is lost, and that was reported.
    """

    applied: Applied
    version: int
    is_gap_known: bool = False


class LiveCopies:
    """Runs the scripts. Every method raises `StoreUnavailable` when Redis does not answer."""

    def __init__(self, redis: Redis, journal: Callable[[str], BoardJournal]) -> None:
        """`journal` gives a board's stream, by the board's key."""
        self._redis = redis
        self.journal = journal

    def channel(self, board: Board) -> str:
        """Where `epoch:version` is published on each change of the copy: a doorbell, no data."""
        return self.journal(board.key).key("bell")

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
            journal = self.journal(board.key)
            keys = [journal.stream, journal.meta, *self.keys(board.key)]
            scripts.READ.add_to(pipeline, keys, arguments)
        replies = await run_pipeline(self._redis, pipeline, scripts.READ)
        return [
            _readings(board, questions, reply)
            for (board, questions), reply in zip(asked_of, replies, strict=True)
        ]

    async def change(
        self,
        script: Script,
        board: Board,
        arguments: Sequence[Argument],
        once: Once | None = None,
    ) -> list[Any]:
        """The reply of a script that changes the copy and appends to the stream, in one step."""
        journal = self.journal(board.key)
        keys = self.keys(board.key)
        if once is not None:
            keys.append(journal.once(once))
        common: list[Argument] = [
            board.layout,
            points_width(board),
            _milliseconds(COPY_TTL),
            self.channel(board),
        ]
        return await journal.run(script, keys, [*common, *arguments])

    async def begin(self, board: Board, build: str) -> bool:
        """Start the build `build` (a random name); False where there is a usable copy."""
        keys = [*self.keys(board.key), *self._build(board, build)]
        arguments: list[Argument] = [board.layout, _milliseconds(BUILD_LEASE)]
        reply = await self.journal(board.key).run(scripts.BEGIN, keys, arguments)
        return bool(reply[0] == b"begun")

    async def load(self, board: Board, build: str, standings: Sequence[Standing]) -> bool:
        """Put rows into the build. False: it is lost."""
        arguments: list[Argument] = [points_width(board), _milliseconds(BUILD_LEASE)]
        for standing in standings:
            arguments += row(board, standing)
        journal = self.journal(board.key)
        reply = await journal.run(scripts.LOAD, self._build(board, build), arguments)
        return bool(reply[0] == b"loaded")

    async def install(self, board: Board, build: str, rows: Rows) -> Installed:
        """Make the build, with the stream's tail on top, the live copy of the epoch `build`."""
        keys = [*self.keys(board.key), *self._build(board, build)]
        arguments: list[Argument] = [
            points_width(board),
            _milliseconds(COPY_TTL),
            self.channel(board),
            rows.applied.epoch,
            rows.applied.last_id,
            rows.version,
            build,
            int(rows.is_gap_known),
        ]
        reply = await self.journal(board.key).run(scripts.INSTALL, keys, arguments)
        return Installed(reply[0].decode())

    async def abandon(self, board: Board, build: str) -> None:
        """Give up the build."""
        await scripts.ABANDON.run(self._redis, self._build(board, build), [])

    async def discard(self, key: str) -> None:
        """Give up the copy of the board `key`: it is built anew when it is next asked for."""
        await scripts.ABANDON.run(self._redis, self.keys(key), [])

    def keys(self, key: str) -> list[str]:
        """The keys of the live copy of the board `key`."""
        journal = self.journal(key)
        return [journal.key(part) for part in ("copy", "members", "players", "tuples")]

    def _build(self, board: Board, build: str) -> list[str]:
        journal = self.journal(board.key)
        return [journal.key(f"{build}:{part}") for part in ("copy", "members", "players", "tuples")]


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


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
