"""Every answer, from the sorted set and from the source, against the naive order."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from cache.leaderboard import (
    MAX_VALUE,
    Around,
    Board,
    Count,
    Entries,
    Freshness,
    Leaderboards,
    Page,
    Percentile,
    Placed,
    Position,
    Question,
    RankOfScore,
    ScoreRefusedError,
    Slice,
    State,
    Submission,
)
from cache.leaderboard.direct import read_source
from tests.support.boards import (
    ASC,
    BEGIN,
    BOARDS,
    MemoryScores,
    Model,
    bare,
    drained,
    live,
    random_submissions,
    shown,
)

PLAYERS = tuple(f"player-{at}" for at in range(12))


def questions(rows: list[Placed]) -> list[Question[Any]]:
    """Everything that can be asked of a board, at every edge."""
    asked: list[Question[Any]] = [State(), Slice(5), Slice(1000), Entries((*PLAYERS, "nobody"))]
    for placed in rows:
        player, position = placed.standing.player, placed.standing.position
        asked += [Slice(3, after=position), Percentile(player)]
        asked += [Around(player, above, below) for above in range(4) for below in range(4)]
    for low in range(-9, 10, 3):
        asked += [Count(low), Count(high=low), Count(low, low + 4), RankOfScore(low)]
        asked += [Slice(4, low=low), Slice(4, low=low, high=low + 4), Slice(100, high=low)]
        asked += [Slice(2, after=rows[1].standing.position, low=low, high=low + 9)]
    return [*asked, Count(5, -5), Around("nobody", 2, 2), Percentile("nobody")]


class Oracle:
    """The answers by their definitions, from the ranked rows."""

    def __init__(self, board: Board, rows: list[Placed]) -> None:
        self.board, self.rows = board, rows
        self.names = [row.standing.player for row in rows]
        self.scores = [row.standing.points[0] for row in rows]

    def __call__(self, question: Question[Any]) -> Any:
        return getattr(self, type(question).__name__)(question)

    def State(self, _: State) -> None:
        return None

    def Slice(self, asked: Slice) -> Page:
        behind = 0
        if asked.after is not None:
            positions = [row.standing.position for row in self.rows]
            behind = positions.index(asked.after) + 1
        chosen = [row for row in self.rows[behind:] if _within(row.standing.points[0], asked)]
        return Page(tuple(chosen[: asked.limit]), len(chosen) > asked.limit)

    def Count(self, asked: Count) -> int:
        return sum(_within(score, asked) for score in self.scores)

    def Entries(self, asked: Entries) -> tuple[Placed | None, ...]:
        by_name = dict(zip(self.names, self.rows, strict=True))
        return tuple(by_name.get(player) for player in asked.players)

    def Around(self, asked: Around) -> tuple[Placed, ...]:
        if asked.player not in self.names:
            return ()
        index, total = self.names.index(asked.player), asked.above + asked.below + 1
        start = max(0, min(index - asked.above, len(self.rows) - total))
        return tuple(self.rows[start : start + total])

    def RankOfScore(self, asked: RankOfScore) -> int:
        if self.board.order is ASC:
            return 1 + sum(score < asked.score for score in self.scores)
        return 1 + sum(score > asked.score for score in self.scores)

    def Percentile(self, asked: Percentile) -> float | None:
        if asked.player not in self.names:
            return None
        own = self.rows[self.names.index(asked.player)].place.competition
        worse = sum(row.place.competition > own for row in self.rows)
        return 100.0 if len(self.rows) == 1 else 100 * worse / (len(self.rows) - 1)


def _within(score: int, bounds: Slice | Count) -> bool:
    low = bounds.low is None or score >= bounds.low
    return low and (bounds.high is None or score <= bounds.high)


@pytest.mark.parametrize("name", BOARDS)
@pytest.mark.parametrize("count", [2, 12, 60])
async def test_every_answer(
    boards: Leaderboards, scores: MemoryScores, model: Model, name: str, count: int
) -> None:
    board = BOARDS[name]
    for submission in random_submissions(board, seed=count, count=count):
        await boards.submit(board, submission)
        model.submit(board, submission)
    await drained(boards, board)
    await live(boards, board)
    rows = scores.rows(board)
    assert bare(rows) == model.rows(board)
    asked, oracle = questions(rows), Oracle(board, rows)
    readings = await asyncio.gather(*(boards.read(board, question) for question in asked))
    direct = await read_source(scores, board, asked)
    for question, reading, from_source in zip(asked, readings, direct, strict=True):
        assert reading.answer == oracle(question), question
        assert from_source.answer == reading.answer, question
        assert (reading.header.version, reading.header.size) == (
            await scores.version(board),
            len(rows),
        )
        assert reading.header.freshness is Freshness.LIVE
        assert from_source.header.cursor == f"sql:{reading.header.version}"


@pytest.mark.parametrize("name", BOARDS)
@pytest.mark.parametrize("seed", range(4))
async def test_it_stays_right_change_by_change(
    boards: Leaderboards, scores: MemoryScores, model: Model, name: str, seed: int
) -> None:
    board = BOARDS[name]
    for submission in random_submissions(board, seed, count=50):
        before = {row.standing.player: row for row in model.rows(board)}
        done = await boards.submit(board, submission)
        after = model.submit(board, submission)
        rows = model.rows(board)
        assert bare(await shown(boards, board)) == rows
        own = next(row for row in rows if row.standing.player == submission.player)
        assert done.rank == own.place.competition
        held = before.get(submission.player)
        assert done.previous_rank == (None if held is None else held.place.competition)
        assert replace(done.change.after, achieved_at=BEGIN) == after
        was = done.change.before
        assert (was and replace(was, achieved_at=BEGIN)) == (held and held.standing)
        assert done.change.version == model.versions[board.key]
    assert scores.calls.count("scan") == 1  # built once, empty: everything else was applied


async def test_the_largest_numbers_stay_apart(
    boards: Leaderboards, scores: MemoryScores, model: Model
) -> None:
    board = BOARDS["set"]
    edges = [MAX_VALUE, MAX_VALUE - 1, 1, 0, -1, -MAX_VALUE + 1, -MAX_VALUE]
    for at, value in enumerate(edges):
        for submission in (
            Submission(f"score {at}", (value, 0, 0, 0)),
            Submission(f"tie {at}", (0, value, value, value)),
        ):
            await boards.submit(board, submission)
            model.submit(board, submission)
    assert bare(await shown(boards, board)) == model.rows(board)
    assert (await boards.read(board, RankOfScore(MAX_VALUE - 1))).answer == 2
    await drained(boards, board)
    assert await shown(boards, board) == scores.rows(board)


async def test_increments_of_2_to_the_53_do_not_drift(boards: Leaderboards) -> None:
    board = BOARDS["golf"]
    for score in (MAX_VALUE, -1, 1, -MAX_VALUE, 1):
        await boards.submit(board, Submission("ada", (score,)))
    (row,) = await shown(boards, board)
    assert row.standing.points == (1,)


@pytest.mark.parametrize("values", [(MAX_VALUE, 1), (-MAX_VALUE, -1), (MAX_VALUE, MAX_VALUE)])
@pytest.mark.parametrize("name", ["golf", "league"])
async def test_a_sum_out_of_range_is_refused_and_nothing_is_appended(
    boards: Leaderboards, name: str, values: tuple[int, int]
) -> None:
    board, (first, more) = BOARDS[name], values
    rest = (0,) * len(board.ties)
    await boards.submit(board, Submission("ada", (*rest, first)))
    with pytest.raises(ScoreRefusedError, match=str(first + more)):
        await boards.submit(board, Submission("ada", (*rest, more)))
    (row,) = await shown(boards, board)
    assert (row.standing.points, row.standing.version) == ((*rest, first), 1)
    await drained(boards, board)
    assert boards.flushing.counts[board.key].operations == 1


@pytest.mark.parametrize("player", ["a:b", ":", "é" * 32, "\n\r", "日本", '"\\', "{x}", " "])
async def test_any_name_survives(boards: Leaderboards, player: str) -> None:
    board = BOARDS["best"]
    await live(boards, board)
    await boards.submit(board, Submission(player, (7,)))
    await boards.submit(board, Submission(f"{player}2"[-3:], (6,)))
    assert (await shown(boards, board))[0].standing.player == player
    (row,) = (await boards.read(board, Around(player, 0, 0))).answer
    assert row.standing.player == player


async def test_a_cursor_of_a_row_that_moved_still_names_its_place(boards: Leaderboards) -> None:
    board = BOARDS["set"]
    await live(boards, board)
    for at in range(5):
        await boards.submit(board, Submission(f"p{at}", (10 - at, 0, 0, 0)))
    page = (await boards.read(board, Slice(2))).answer
    await boards.submit(board, Submission("p1", (0, 0, 0, 0)))
    after = page.rows[1].standing.position
    rest = (await boards.read(board, Slice(9, after=after))).answer
    assert [row.standing.player for row in rest.rows] == ["p2", "p3", "p4", "p1"]
    assert [row.place.ordinal for row in rest.rows] == [2, 3, 4, 5]
    beyond = Slice(9, after=Position((-99, 0, 0, 0), 1))
    assert (await boards.read(board, beyond)).answer == Page((), has_next=False)
