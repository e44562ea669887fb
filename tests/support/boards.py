"""Leaderboards for tests: a source in memory, the naive order as an oracle, boards of all kinds."""

import itertools
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from cache.leaderboard import (
    EVERYWHERE,
    Ahead,
    Board,
    Bounds,
    Change,
    Freshness,
    Header,
    Leaderboards,
    Operator,
    Order,
    Place,
    Placed,
    Points,
    Position,
    Slice,
    Standing,
    State,
    Submission,
    combined,
)
from tests.support.polling import eventually
from tests.support.world import Gate

T = TypeVar("T")

DESC, ASC = Order.DESC, Order.ASC
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)

BOARDS = {
    "best": Board("best", Operator.BEST, DESC),
    "fastest": Board("fastest", Operator.BEST, ASC, (DESC,)),
    "set": Board("set", Operator.SET, DESC, (ASC, DESC, ASC)),
    "league": Board("league", Operator.INCREMENT, DESC, (DESC, DESC)),
    "golf": Board("golf", Operator.INCREMENT, ASC),
}
"""Every operator, both orders, no to three tie columns."""


def naive_key(board: Board, standing: Standing) -> tuple[int, ...]:
    """What a plain sort orders a board by. Written without the code that it checks."""
    signs = [1 if order is ASC else -1 for order in (board.order, *board.ties)]
    return (
        *(sign * value for sign, value in zip(signs, standing.points, strict=True)),
        standing.sequence,
    )


def naive_rows(board: Board, standings: Iterable[Standing]) -> list[Placed]:
    """The whole board, ranked by counting: O(n²), and nothing clever."""
    rows = list(standings)
    points = {row.player: naive_key(board, row)[:-1] for row in rows}
    places = {
        row.player: Place(
            ordinal=1 + sum(naive_key(board, other) < naive_key(board, row) for other in rows),
            competition=1 + sum(it < points[row.player] for it in points.values()),
            dense=1 + len({it for it in points.values() if it < points[row.player]}),
        )
        for row in rows
    }
    ordered = sorted(rows, key=lambda row: naive_key(board, row))
    return [Placed(row, places[row.player]) for row in ordered]


@dataclass
class _Table:
    version: int
    rows: dict[str, Standing]
    removed_at: int = 0


class MemoryScores:
    """A `ScoreSource` of dictionaries. `hold(method)` makes the next call of a method wait.

    It waits after it has read and before it returns: with the answer of that moment in hand.
    """

    def __init__(self, *boards: Board) -> None:
        self.tables = {board.key: _Table(0, {}) for board in boards}
        self.calls: list[str] = []
        self.failing: Exception | None = None
        self.failing_once: list[Exception] = []
        self._gates: dict[str, list[Gate]] = {}
        self._clock = itertools.count()

    def hold(self, method: str) -> Gate:
        """The next call of `method` waits at this gate."""
        gate = Gate()
        self._gates.setdefault(method, []).append(gate)
        return gate

    def rows(self, board: Board) -> list[Placed]:
        """The whole board, by the oracle."""
        return naive_rows(board, self.tables[board.key].rows.values())

    async def submit(self, board: Board, submission: Submission) -> Change:
        table = self._table(board)
        before = table.rows.get(submission.player)
        points = combined(board, before.points if before else None, submission.points)
        change = Change(table.version, before, before) if before else None
        if change is None or points != change.after.points:
            table.version += 1
            at = BEGIN + timedelta(microseconds=next(self._clock))
            row = Standing(submission.player, points, table.version, at, table.version)
            table.rows[submission.player] = row
            change = Change(table.version, before, row)
        return await self._answer("submit", change)

    async def remove(self, board: Board, player: str) -> int | None:
        table = self._table(board)
        version = None
        if table.rows.pop(player, None) is not None:
            table.version += 1
            version = table.removed_at = table.version
        return await self._answer("remove", version)

    async def version(self, board: Board) -> int:
        return await self._answer("version", self._table(board).version)

    async def size(self, board: Board, bounds: Bounds = EVERYWHERE) -> int:
        rows = self._table(board).rows.values()
        return await self._answer("size", sum(_within(row, bounds) for row in rows))

    async def changed(self, board: Board, after: int, limit: int) -> Sequence[Standing] | None:
        if self._table(board).removed_at > after:
            return await self._answer("changed", None)
        rows = [row for row in self._table(board).rows.values() if row.version > after]
        found = sorted(rows, key=lambda row: row.version)[:limit]
        return await self._answer("changed", found)

    async def scan(self, board: Board, after: str | None, limit: int) -> Sequence[Standing]:
        rows = self._table(board).rows
        found = [rows[name] for name in sorted(rows) if after is None or name > after][:limit]
        return await self._answer("scan", found)

    async def stretch(self, board: Board, bounds: Bounds, limit: int) -> Sequence[Standing]:
        rows = [
            placed.standing
            for placed in self.rows(board)
            if _within(placed.standing, bounds) and _between(board, placed.standing, bounds)
        ]
        found = rows[-limit:] if bounds.before is not None else rows[:limit]
        return await self._answer("stretch", found)

    async def held(self, board: Board, players: Sequence[str]) -> Mapping[str, Standing]:
        rows = self._table(board).rows
        return await self._answer("held", {name: rows[name] for name in players if name in rows})

    async def ahead(self, board: Board, position: Position) -> Ahead:
        key = _key(board, position)
        keys = [naive_key(board, row) for row in self._table(board).rows.values()]
        better = [it[:-1] for it in keys if it[:-1] < key[:-1]]
        earlier = sum(it[:-1] == key[:-1] and it[-1] < key[-1] for it in keys)
        return await self._answer("ahead", Ahead(len(better), len(set(better)), earlier))

    async def worse(self, board: Board, points: Points) -> int:
        key = _key(board, Position(points, 0))[:-1]
        rows = self._table(board).rows.values()
        return await self._answer("worse", sum(naive_key(board, row)[:-1] > key for row in rows))

    async def better_scores(self, board: Board, score: int) -> int:
        sign = 1 if board.order is ASC else -1
        rows = self._table(board).rows.values()
        better = sum(sign * row.points[0] < sign * score for row in rows)
        return await self._answer("better_scores", better)

    def _table(self, board: Board) -> _Table:
        if board.key not in self.tables:
            raise LookupError(f"there is no leaderboard {board.key!r}")
        return self.tables[board.key]

    async def _answer(self, method: str, answer: T) -> T:
        self.calls.append(method)
        if self.failing is not None:
            raise self.failing
        if self._gates.get(method):
            await self._gates[method].pop(0)()
        if self.failing_once:
            raise self.failing_once.pop(0)
        return answer


def _within(row: Standing, bounds: Bounds) -> bool:
    low = bounds.low is None or row.points[0] >= bounds.low
    return low and (bounds.high is None or row.points[0] <= bounds.high)


def _between(board: Board, row: Standing, bounds: Bounds) -> bool:
    key = naive_key(board, row)
    after = bounds.after is None or key > _key(board, bounds.after)
    return after and (bounds.before is None or key < _key(board, bounds.before))


def _key(board: Board, position: Position) -> tuple[int, ...]:
    return naive_key(board, Standing("", position.points, position.sequence, BEGIN, 0))


def random_submissions(
    board: Board, seed: int, count: int, players: int = 12, span: int = 3
) -> list[Submission]:
    """Submissions with many ties: few players, small values of both signs."""
    chance = random.Random(seed)
    columns = 1 + len(board.ties)
    return [
        Submission(
            f"player-{chance.randrange(players)}",
            tuple(chance.randint(-span, span) for _ in range(columns)),
        )
        for _ in range(count)
    ]


async def header(boards: Leaderboards, board: Board) -> Header:
    """The board's state as this process reads it."""
    return (await boards.read(board, State())).header


async def live(boards: Leaderboards, board: Board) -> Header:
    """Read until the answer comes from the sorted set; its header."""

    async def is_live() -> bool:
        return (await header(boards, board)).freshness is Freshness.LIVE

    await eventually(is_live)
    return await header(boards, board)


async def shown(boards: Leaderboards, board: Board) -> list[Placed]:
    """The whole board as this process reads it."""
    return list((await boards.read(board, Slice(1000))).answer.rows)
