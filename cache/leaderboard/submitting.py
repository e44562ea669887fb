"""Submissions and removals: one script in Redis each, and what its reply means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..once import KeyReusedError
from ..writes import Applied, NotAcknowledged
from . import scripts
from .board import Board
from .live import LiveCopies
from .members import points_text
from .points import combined, is_better
from .source import Change, Submission
from .wire import standing_from


@dataclass(frozen=True)
class Submitted:
    """What a submission did. Ranks are of COMPETITION; `previous_rank` is None for a new player."""

    change: Change
    previous_rank: int | None
    rank: int
    new_best: bool
    """Whether the player's points became strictly better, or are the first."""


@dataclass(frozen=True)
class Acknowledged:
    """A submission that was acknowledged, and how many of the board wait to be flushed."""

    submitted: Submitted
    waiting: int


@dataclass(frozen=True)
class Removed:
    """A removal, by its place in the stream; None: there was no such player."""

    place: Applied | None


NOBODY: Final = Removed(None)


async def submit(
    live: LiveCopies, board: Board, submission: Submission, limit: int, once_ttl: float
) -> Acknowledged | None:
    """Apply a submission, in one step of the server; None while the board has no copy.

    Raises ScoreRefusedError, KeyReusedError, NotAcknowledged, and StoreUnavailable.
    """
    points = points_text(board, submission.points)
    arguments: list[str | int] = [board.operator, limit, submission.player, points]
    once = submission.once
    if once is not None:
        arguments += [once.arguments, round(once_ttl * 1000)]
    reply = await live.change(scripts.SUBMIT, board, arguments, once)
    match reply[0]:
        case b"absent":
            return None
        case b"full":
            raise NotAcknowledged(
                f"{reply[1]} submissions to the leaderboard {board.key!r} wait for the database "
                "already: try again later",
                sent=False,
            )
        case b"reused":
            raise KeyReusedError("this idempotency key was used for another submission")
        case b"refused":
            held = standing_from(board, submission.player, reply[1])
            combined(board, held.points, submission.points)  # raises, with the sum
            raise AssertionError("the script refused points that are in range")
    if identifier := reply[-1]:
        live.journal(board.key).saw(identifier.decode(), reply[-2])
    return _acknowledged(board, submission.player, reply)


async def remove(live: LiveCopies, board: Board, player: str) -> Removed | None:
    """Take a player off the board, in one step of the server; None while the board has no copy.

    Raises StoreUnavailable.
    """
    reply = await live.change(scripts.REMOVE, board, [player])
    match reply[0]:
        case b"absent":
            return None
        case b"nobody":
            return NOBODY
    _, identifier, epoch = reply
    return Removed(Applied(epoch.decode(), identifier.decode()))


def _acknowledged(board: Board, player: str, reply: Sequence[Any]) -> Acknowledged:
    outcome, version, held_before, held_after, (previous_rank, rank), waiting, _ = reply
    before = standing_from(board, player, held_before) if held_before else None
    after = standing_from(board, player, held_after)
    change = Change(int(version), before, after, is_repeated=outcome == b"again")
    new_best = before is None or is_better(board, after.points, before.points)
    return Acknowledged(Submitted(change, previous_rank or None, rank, new_best), waiting)
