"""The scores in SQL, as leaderboards want them: a `cache.leaderboard.ScoreSource`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import msgspec

from cache.leaderboard import (
    EVERYWHERE,
    Ahead,
    Board,
    Bounds,
    Change,
    Order,
    Points,
    Position,
    Standing,
    Submission,
    combined,
)
from cache.once import KeyReusedError, Once
from models.database import transaction
from models.queries import idempotency as keys
from models.queries import scores
from models.queries.leaderboards import TIES, ScoreColumns
from models.queries.paging import By, Ordering, Window


def _now() -> datetime:
    return datetime.now(UTC)


class SqlScores:
    """Boards by their slug. Raises LookupError for a board that is not there."""

    def __init__(self, now: Callable[[], datetime] = _now) -> None:
        """`now` is the time at which points are reached."""
        self._now = now

    async def submit(self, board: Board, submission: Submission) -> Change:
        """Apply the board's operator in one transaction that holds the board's row."""
        once = submission.once
        async with transaction():
            kept = None if once is None else await keys.claim(once.key, once.arguments, None)
            if once is not None and kept is not None:
                return _repeated(once, kept)
            change = await self._apply(board, submission)
            if once is not None:
                await keys.keep(once.key, msgspec.json.encode(change).decode(), None)
        return change

    async def _apply(self, board: Board, submission: Submission) -> Change:
        row = await _locked(board)
        player = submission.player
        before = (await self.held(board, [player])).get(player)
        points = combined(board, before.points if before else None, submission.points)
        if before is not None and before.points == points:
            return Change(row.version, before, before)
        place = scores.Place(player, points, row.version + 1, self._now())
        await scores.write_place(row, place, exists=before is not None)
        after = Standing(player, points, place.version, place.achieved_at, place.version)
        return Change(place.version, before, after)

    async def remove(self, board: Board, player: str) -> int | None:
        """Remove a player's row in one transaction that holds the board's row."""
        async with transaction():
            return await scores.remove_place(await _locked(board), player)

    async def version(self, board: Board) -> int:
        """How often the board has changed."""
        version = await scores.board_version(board.key)
        if version is None:
            raise _unknown(board)
        return version

    async def size(self, board: Board, bounds: Bounds = EVERYWHERE) -> int:
        """How many players it has whose score is within the bounds."""
        return await scores.size(board.key, (bounds.low, bounds.high))

    async def changed(self, board: Board, after: int, limit: int) -> Sequence[Standing] | None:
        """Rows whose version is above `after`, the lowest first; None if rows cannot tell all."""
        rows = await scores.changed(board.key, after, limit)
        # Asked after the rows were read, so that no removal among them is missed.
        return None if await scores.removed_at(board.key) > after else _standings(board, rows)

    async def scan(self, board: Board, after: str | None, limit: int) -> Sequence[Standing]:
        """Rows in the database's order of players."""
        return _standings(board, await scores.scan(board.key, after, limit))

    async def stretch(self, board: Board, bounds: Bounds, limit: int) -> Sequence[Standing]:
        """Rows of a stretch of the board's order, best first; nearest to `bounds.before`."""
        window = Window(
            limit,
            after=None if bounds.after is None else _key(bounds.after),
            before=None if bounds.before is None else _key(bounds.before),
            backward=bounds.before is not None,
        )
        found = await scores.stretch(board.key, _ordering(board), window, (bounds.low, bounds.high))
        return _standings(board, found)

    async def held(self, board: Board, players: Sequence[str]) -> Mapping[str, Standing]:
        """The rows of those players who have one."""
        rows = _standings(board, await scores.held(board.key, players))
        return {row.player: row for row in rows}

    async def ahead(self, board: Board, position: Position) -> Ahead:
        """Counts before `position`."""
        found = await scores.ahead(board.key, _ordering(board), _key(position))
        return Ahead(found.better, found.tuples, found.earlier)

    async def worse(self, board: Board, points: Points) -> int:
        """How many players are strictly worse."""
        return await scores.beyond(board.key, _ordering(board)[:-1], points)

    async def better_scores(self, board: Board, score: int) -> int:
        """How many players have a strictly better score."""
        return await scores.beyond(board.key, _ordering(board)[:1], (score,), backward=True)


async def _locked(board: Board) -> scores.LockedBoard:
    row = await scores.lock_board(board.key)
    if row is None:
        raise _unknown(board)
    return row


def _repeated(once: Once, kept: keys.Kept) -> Change:
    if kept.arguments != once.arguments:
        raise KeyReusedError("this idempotency key was used for another submission")
    # A key and its outcome are committed together: without one this fails, and says nothing false.
    first = msgspec.json.decode(kept.outcome or "", type=Change)
    return replace(first, is_repeated=True)


def _unknown(board: Board) -> LookupError:
    return LookupError(f"there is no leaderboard {board.key!r}")


def _ordering(board: Board) -> Ordering:
    columns = ("score", *TIES)[: len(board.orders)]
    by = (
        By(column, descending=order is Order.DESC)
        for column, order in zip(columns, board.orders, strict=True)
    )
    return (*by, By("sequence"))


def _key(position: Position) -> tuple[int, ...]:
    return (*position.points, position.sequence)


def _standings(board: Board, rows: Sequence[ScoreColumns]) -> list[Standing]:
    return [_standing(board, row) for row in rows]


def _standing(board: Board, row: ScoreColumns) -> Standing:
    columns = (row.score, row.tie1, row.tie2, row.tie3)
    return Standing(
        player=row.player,
        points=columns[: len(board.orders)],
        sequence=row.sequence,
        achieved_at=row.achieved_at,
        version=row.version,
    )
