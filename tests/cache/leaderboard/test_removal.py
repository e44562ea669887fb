"""A player who is removed is nowhere any more, and comes back by no way.

R9 and R10 of `test_races.py` are the races; these are the promises.
"""

import asyncio
from collections.abc import Iterable

import pytest
from redis.asyncio import Redis

from cache.leaderboard import Leaderboards, Options, Placed, Submission, Timing
from cache.writes import NotAcknowledged
from tests.cache.leaderboard.conftest import Process
from tests.support.boards import (
    BOARDS,
    MemoryScores,
    Model,
    bare,
    drained,
    live,
    random_submissions,
    shown,
)

BOARD = BOARDS["set"]


async def submit(boards: Leaderboards, player: str, value: int) -> None:
    await boards.submit(BOARD, Submission(player, (value, *(0 for _ in BOARD.ties))))


def players(rows: Iterable[Placed]) -> list[str]:
    return [row.standing.player for row in rows]


async def test_nobody_sees_them_in_any_process(process: Process, scores: MemoryScores) -> None:
    a, b = process(), process()
    for player, value in (("ada", 3), ("bob", 2), ("eve", 1)):
        await submit(a, player, value)
    assert await a.remove(BOARD, "bob")
    assert "bob" not in scores.tables[BOARD.key].rows
    assert not await a.remove(BOARD, "bob"), "the second time there is nobody"
    for boards in (a, b):
        assert players(await shown(boards, BOARD)) == ["ada", "eve"]
        assert (await live(boards, BOARD)).size == 2
        assert await shown(boards, BOARD) == scores.rows(BOARD)
    await submit(a, "bob", 9)
    assert players(await shown(b, BOARD)) == ["bob", "ada", "eve"], "and may begin anew"
    await drained(b, BOARD)
    assert await shown(b, BOARD) == scores.rows(BOARD)
    assert scores.tables[BOARD.key].version == 5


@pytest.mark.parametrize("name", BOARDS)
async def test_the_copy_stays_right(
    process: Process, scores: MemoryScores, model: Model, name: str
) -> None:
    """Submissions and removals by turns: every count of the copy is kept."""
    board, (a, b) = BOARDS[name], (process(), process())
    for at, submission in enumerate(random_submissions(board, seed=8, count=60)):
        await a.submit(board, submission)
        model.submit(board, submission)
        if at % 4 == 3:
            gone = model.rows(board)[at % len(model.rows(board))].standing.player
            assert await b.remove(board, gone)
            model.remove(board, gone)
            await live(a, board)
        assert bare(await shown(a, board)) == model.rows(board)
    await drained(a, board)
    assert bare(scores.rows(board)) == model.rows(board)


async def test_the_source_is_away(
    redis: Redis, key_prefix: str, scores: MemoryScores, process: Process
) -> None:
    """They are off the board at once; it is not acknowledged; the source follows."""
    hasty = Leaderboards(redis, scores, key_prefix, Options(timing=Timing(removal=0.2)))
    other = process()
    await submit(hasty, "ada", 3)
    await submit(hasty, "bob", 2)
    await drained(hasty, BOARD)
    scores.failing = OSError("the database is away")
    with pytest.raises(NotAcknowledged, match="off the leaderboard") as caught:
        await hasty.remove(BOARD, "bob")
    assert caught.value.sent
    assert players(await shown(other, BOARD)) == ["ada"]
    assert players(scores.rows(BOARD)) == ["ada", "bob"]
    scores.failing = None
    scores.progress(BOARD.key).end_leases()  # one was taken, and the reply lost
    assert await other.remove(BOARD, "bob"), "asked again, it is done"
    assert players(scores.rows(BOARD)) == ["ada"]
    assert not await other.remove(BOARD, "bob")
    await hasty.aclose()


async def test_another_flusher_has_the_lease(process: Process, scores: MemoryScores) -> None:
    """1. F has read bob's submission, and is paused. 2. Bob is removed: that waits for F."""
    a, b = process(), process()
    await submit(a, "bob", 2)
    gate = scores.hold("commit")
    flushing = asyncio.create_task(a.flushing.flush(BOARD.key))
    await gate.reached.wait()
    removing = asyncio.create_task(b.remove(BOARD, "bob"))
    done, _ = await asyncio.wait([removing], timeout=0.2)
    assert not done
    gate.open()
    assert await removing
    await flushing
    assert players(scores.rows(BOARD)) == []


async def test_it_goes_on_when_its_client_goes_away(process: Process, scores: MemoryScores) -> None:
    a, b = process(), process()
    await submit(a, "ada", 3)
    gate = scores.hold("commit")
    asked = asyncio.create_task(a.remove(BOARD, "ada"))
    await gate.reached.wait()
    asked.cancel()
    gate.open()
    await asyncio.wait({asked})
    assert players(await shown(b, BOARD)) == []
    scores.progress(BOARD.key).end_leases()
    await drained(b, BOARD)
    assert players(scores.rows(BOARD)) == []
