"""Leaderboards for tests: a model and a source in memory, the naive order, boards of all kinds."""

import asyncio
import random
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeVar

from cache.leaderboard import (
    EVERYWHERE,
    FIELD,
    STANDING,
    Ahead,
    Board,
    Bounds,
    Freshness,
    Header,
    Held,
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
    flushed,
    stream_name,
)
from cache.writes import (
    Applied,
    Batch,
    Changes,
    Committed,
    Lease,
    LeaseLost,
    Operation,
    Snapshot,
    merged,
)
from tests.support.polling import PATIENCE, eventually
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


class Model:
    """The boards by the definition: what was acknowledged, applied in that order to a dictionary.

    Times are not modelled: they are all `BEGIN`, as `bare` makes them.
    """

    def __init__(self) -> None:
        self.versions: Counter[str] = Counter()
        self._rows: dict[str, dict[str, Standing]] = defaultdict(dict)

    def submit(self, board: Board, submission: Submission) -> Standing:
        """What the player holds after it."""
        held = self._rows[board.key].get(submission.player)
        points = submission.points
        if held is not None and board.operator is Operator.INCREMENT:
            points = tuple(a + b for a, b in zip(held.points, points, strict=True))
        if held is not None and board.operator is Operator.BEST:
            new = Standing("", points, held.sequence, BEGIN, 0)
            points = points if naive_key(board, new) < naive_key(board, held) else held.points
        if held is not None and points == held.points:
            return held
        self.versions[board.key] += 1
        at = self.versions[board.key]
        row = Standing(submission.player, points, at, BEGIN, at)
        self._rows[board.key][submission.player] = row
        return row

    def remove(self, board: Board, player: str) -> None:
        """The player is on the board no more."""
        del self._rows[board.key][player]
        self.versions[board.key] += 1

    def rows(self, board: Board) -> list[Placed]:
        """The whole board."""
        return naive_rows(board, self._rows[board.key].values())


def bare(rows: Iterable[Placed]) -> list[Placed]:
    """Rows without their times."""
    return [replace(row, standing=replace(row.standing, achieved_at=BEGIN)) for row in rows]


@dataclass
class _Table:
    version: int = 0
    rows: dict[str, Standing] = field(default_factory=dict)


class MemoryProgress:
    """A board's progress and rows in dictionaries: a `cache.writes.Progress`."""

    def __init__(self, scores: "MemoryScores", key: str) -> None:
        self.operation = Operation(
            name=stream_name(key), rule=STANDING, apply=self._apply, fields=(FIELD,)
        )
        self.applied = Applied()
        self.token = 0
        self.commits: list[Batch] = []
        self._scores, self._key = scores, key
        self._owner, self._ends = "", 0.0

    def is_unavailable(self, error: BaseException) -> bool:
        return isinstance(error, OSError)

    async def take_lease(self, owner: str, seconds: float) -> Lease | None:
        lease = None
        if self._owner in ("", owner) or self._ends <= time.monotonic():
            self.token += 1
            self._owner, self._ends = owner, time.monotonic() + seconds
            lease = Lease(self.token, seconds, self.applied)
        return await self._scores._answer("take_lease", lease)

    async def release_lease(self, lease: Lease) -> None:
        if lease.token == self.token:
            self._owner = ""

    def end_leases(self) -> None:
        """What time does to a lease."""
        self._ends = 0.0

    async def fence(self) -> Applied:
        self.token += 1
        self._owner = ""
        return await self._scores._answer("fence", self.applied)

    async def commit(self, lease: Lease, batch: Batch) -> Committed:
        await self._scores._answer("commit", None)
        if not self.has_token(lease):
            raise LeaseLost("the token is void")
        written = await self._apply(None, merged(self.operation, batch.entries))
        self.applied = batch.applied
        self.commits.append(batch)
        return await self._scores._answer("committed", Committed(batch.applied, len(written)))

    def has_token(self, lease: Lease) -> bool:
        return lease.token == self.token

    async def _apply(self, _connection: object, changes: Changes[Held]) -> Collection[str]:
        table, found = self._scores.table(self._key), flushed(changes)
        for row in found.standings:
            table.rows[row.player] = row
        for player in found.removed:
            table.rows.pop(player, None)
        table.version = found.version
        return ()

    async def read(self, keys: Sequence[str]) -> Snapshot:
        raise NotImplementedError("boards have no live values")

    async def raise_revision(self, least: int) -> None:
        raise NotImplementedError("boards are changed through their streams only")


class MemoryScores:
    """A `ScoreSource` of dictionaries. `hold(method)` makes the next call of a method wait.

    It waits after it has read and before it returns: with the answer of that moment in hand.
    """

    progress_type = MemoryProgress

    def __init__(self, *boards: Board) -> None:
        self.tables = {board.key: _Table() for board in boards}
        self.calls: list[str] = []
        self.failing: Exception | None = None
        self.failing_once: list[Exception] = []
        self._gates: dict[str, list[Gate]] = {}
        self._progress: dict[str, MemoryProgress] = {}

    def hold(self, method: str) -> Gate:
        """The next call of `method` waits at this gate."""
        gate = Gate()
        self._gates.setdefault(method, []).append(gate)
        return gate

    def rows(self, board: Board) -> list[Placed]:
        """The whole board as it was flushed, by the oracle."""
        return naive_rows(board, self.tables[board.key].rows.values())

    def progress(self, key: str) -> MemoryProgress:
        return self._progress.setdefault(key, self.progress_type(self, key))

    async def boards(self, after: str | None, limit: int) -> Sequence[str]:
        found = [key for key in sorted(self.tables) if after is None or key > after][:limit]
        return await self._answer("boards", found)

    async def version(self, board: Board) -> int:
        return await self._answer("version", self.table(board.key).version)

    async def size(self, board: Board, bounds: Bounds = EVERYWHERE) -> int:
        rows = self.table(board.key).rows.values()
        return await self._answer("size", sum(_within(row, bounds) for row in rows))

    async def scan(self, board: Board, after: str | None, limit: int) -> Sequence[Standing]:
        rows = self.table(board.key).rows
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
        rows = self.table(board.key).rows
        return await self._answer("held", {name: rows[name] for name in players if name in rows})

    async def ahead(self, board: Board, position: Position) -> Ahead:
        key = _key(board, position)
        keys = [naive_key(board, row) for row in self.table(board.key).rows.values()]
        better = [it[:-1] for it in keys if it[:-1] < key[:-1]]
        earlier = sum(it[:-1] == key[:-1] and it[-1] < key[-1] for it in keys)
        return await self._answer("ahead", Ahead(len(better), len(set(better)), earlier))

    async def worse(self, board: Board, points: Points) -> int:
        key = _key(board, Position(points, 0))[:-1]
        rows = self.table(board.key).rows.values()
        return await self._answer("worse", sum(naive_key(board, row)[:-1] > key for row in rows))

    async def better_scores(self, board: Board, score: int) -> int:
        sign = 1 if board.order is ASC else -1
        rows = self.table(board.key).rows.values()
        better = sum(sign * row.points[0] < sign * score for row in rows)
        return await self._answer("better_scores", better)

    def table(self, key: str) -> _Table:
        """The rows and the version of a board."""
        if key not in self.tables:
            raise LookupError(f"there is no leaderboard {key!r}")
        return self.tables[key]

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


async def drained(boards: Leaderboards, board: Board) -> None:
    """Flush the board until nothing of it waits; another worker's lease may have to end."""
    async with asyncio.timeout(PATIENCE):
        await boards.flushing.flush_all(board.key)
