"""The scores in SQL, as leaderboards want them: a `cache.leaderboard.ScoreSource`."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial

from tortoise.backends.base.client import BaseDBAsyncClient

from cache.integrations.tortoise_progress import TortoiseProgress
from cache.leaderboard import (
    EVERYWHERE,
    FIELD,
    STANDING,
    Ahead,
    Board,
    Bounds,
    Held,
    Order,
    Points,
    Position,
    Standing,
    flushed,
    stream_name,
)
from cache.writes import Changes, Operation
from models.database import is_unavailable
from models.queries import scores
from models.queries.leaderboards import TIES, ScoreColumns
from models.queries.paging import By, Ordering, Window
from models.tables import DeadLetter, WriteBehindProgress


class SqlScores:
    """Boards by their slug. `version` raises LookupError for a board that is not there."""

    def progress(self, key: str) -> TortoiseProgress:
        """How far the stream of the board `key` is in the tables."""
        operation = Operation(
            name=stream_name(key), rule=STANDING, apply=partial(_write, key), fields=(FIELD,)
        )
        return TortoiseProgress(
            operation, WriteBehindProgress, DeadLetter, is_unavailable=is_unavailable
        )

    async def boards(self, after: str | None, limit: int) -> Sequence[str]:
        """The slugs of boards, from behind `after`."""
        return await scores.slugs(after, limit)

    async def version(self, board: Board) -> int:
        """How often the board has changed."""
        version = await scores.board_version(board.key)
        if version is None:
            raise _unknown(board)
        return version

    async def size(self, board: Board, bounds: Bounds = EVERYWHERE) -> int:
        """How many players it has whose score is within the bounds."""
        return await scores.size(board.key, (bounds.low, bounds.high))

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


async def _write(
    slug: str, _connection: BaseDBAsyncClient, changes: Changes[Held]
) -> Collection[str]:
    """Write a batch of a board, in the transaction of the flusher; the players without a board."""
    batch = flushed(changes)
    places = [
        scores.Place(row.player, row.points, row.version, row.achieved_at)
        for row in batch.standings
    ]
    is_there = await scores.write_places(slug, places, batch.removed, batch.version)
    return () if is_there else changes.keys()


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
