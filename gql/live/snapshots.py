"""Snapshots of a leaderboard: one at once, then one after each change, the newest wins.

Nothing is queued: a snapshot is read when the one before it was taken and its time has come, so
that a slow or rarely served subscriber skips states instead of falling behind.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass

from cache.leaderboard import Board, Entries, Header, Leaderboards, Mark, Page, Placed, Slice
from models.database import is_unavailable

log = logging.getLogger(__name__)

Sleep = Callable[[float], Awaitable[None]]

_RETRY = 1.0


@dataclass(frozen=True, slots=True)
class Subject:
    """What a subscriber looks at: the first so many rows, and one player's row."""

    board: Board
    first: int
    player: str | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A board in one state. `is_new_epoch`: its copy is another one than the last snapshot's."""

    header: Header
    page: Page
    own: Placed | None
    is_first: bool
    is_new_epoch: bool


async def snapshots(
    boards: Leaderboards, subject: Subject, max_hz: float, sleep: Sleep = asyncio.sleep
) -> AsyncGenerator[Snapshot, None]:
    """Yield the subject's states, at most `max_hz` a second; never the same one twice.

    While neither Redis nor the database answers, nothing is sent; an error of the first reading
    is raised.
    """
    sent: Mark | None = None
    async with boards.watch(subject.board) as watch:
        while True:
            seen = watch.changes
            snapshot = await _read(boards, subject, sent)
            if snapshot is None:
                await sleep(_RETRY)
                continue
            mark = (sent or Mark()).then(snapshot.header)
            if sent is None or mark.is_news_after(sent):
                sent = mark
                yield snapshot
                await sleep(1 / max_hz)
            await watch.after(seen)


async def _read(boards: Leaderboards, subject: Subject, sent: Mark | None) -> Snapshot | None:
    """Return the present state; None while it cannot be read."""
    player = () if subject.player is None else (subject.player,)
    try:
        # Asked in one tick, so answered in one state.
        page, own = await asyncio.gather(
            boards.read(subject.board, Slice(subject.first)),
            boards.read(subject.board, Entries(player)),
        )
    except Exception as error:
        if sent is None or not is_unavailable(error):
            raise
        log.warning("leaderboard %s: no snapshot: %s", subject.board.key, error)
        return None
    epoch = None if sent is None else sent.then(page.header).epoch
    return Snapshot(
        header=page.header,
        page=page.answer,
        own=own.answer[0] if player else None,
        is_first=sent is None,
        is_new_epoch=sent is not None and bool(sent.epoch) and epoch != sent.epoch,
    )
