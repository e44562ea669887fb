"""What is acknowledged reaches the source: by whom, when, and of which boards."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import pytest
from redis.asyncio import Redis

from cache.leaderboard import Board, Leaderboards, Options, Order, Submission
from cache.leaderboard.board import Operator
from cache.leaderboard.waiting import FORGOTTEN, TRUSTED, WaitingBoards
from cache.writes import WriteBehindSettings
from tests.cache.leaderboard.conftest import QUICK
from tests.support.boards import (
    BOARDS,
    MemoryScores,
    Model,
    bare,
    random_submissions,
    shown,
)
from tests.support.polling import eventually

BOARD = BOARDS["league"]
SOON = WriteBehindSettings(max_age=0.2, longest_pause=0.2)
LATE = WriteBehindSettings(max_age=3600.0)

Make = Callable[[WriteBehindSettings], Leaderboards]


@pytest.fixture
async def make(redis: Redis, key_prefix: str, scores: MemoryScores) -> AsyncIterator[Make]:
    """Makes leaderboards, each as of a process of its own, that flush as they are told."""
    made: list[Leaderboards] = []
    names = itertools.count(1)

    def make(settings: WriteBehindSettings) -> Leaderboards:
        options = Options(QUICK, settings, lambda: f"epoch{next(names)}")
        made.append(Leaderboards(redis, scores, key_prefix, options))
        return made[-1]

    yield make
    for boards in made:
        await boards.aclose()


async def fill(boards: Leaderboards, model: Model, board: Board = BOARD, seed: int = 1) -> None:
    for submission in random_submissions(board, seed, count=30):
        await boards.submit(board, submission)
        model.submit(board, submission)


async def flushed(scores: MemoryScores, model: Model, board: Board = BOARD) -> None:
    async def is_flushed() -> bool:
        return bare(scores.rows(board)) == model.rows(board)

    await eventually(is_flushed)


async def test_it_is_flushed_in_time(make: Make, scores: MemoryScores, model: Model) -> None:
    boards = make(SOON)
    boards.start()
    for board in BOARDS.values():
        await fill(boards, model, board)
    for board in BOARDS.values():
        await flushed(scores, model, board)


async def test_a_batch_s_worth_is_flushed_at_once(
    make: Make, scores: MemoryScores, model: Model
) -> None:
    boards = make(WriteBehindSettings(max_age=3600.0, batch=10))
    boards.start()
    await eventually(lambda: _has_begun(scores))
    submissions = random_submissions(BOARDS["set"], seed=2, count=60, span=99)
    for submission in submissions:
        await boards.submit(BOARDS["set"], submission)

    async def most_are_flushed() -> bool:
        return boards.flushing.counts["set"].operations >= 50

    await eventually(most_are_flushed)


async def _has_begun(scores: MemoryScores) -> bool:
    return "boards" in scores.calls


async def test_another_worker_flushes_what_a_dead_one_left(
    make: Make, scores: MemoryScores, model: Model
) -> None:
    """It knows of the board from Redis alone."""
    other = make(SOON)
    other.start()
    await eventually(lambda: _has_begun(scores))
    await fill(make(LATE), model)  # which never flushes
    await flushed(scores, model)
    assert await shown(other, BOARD) == scores.rows(BOARD)


async def test_the_control_without_a_note_nobody_finds_it(
    make: Make, scores: MemoryScores, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(_waiting: WaitingBoards, _board: str) -> None:
        return None

    monkeypatch.setattr(WaitingBoards, "note", silent)
    other = make(SOON)
    other.start()
    await eventually(lambda: _has_begun(scores))
    await fill(make(LATE), model)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3.0):  # three looks
            await flushed(scores, model)


async def test_a_worker_that_starts_finds_every_backlog(
    make: Make, scores: MemoryScores, model: Model, redis: Redis, key_prefix: str
) -> None:
    """Also of boards that are noted nowhere, and of many."""
    for at in range(600):
        scores.tables[f"empty-{at}"] = type(scores.table(BOARD.key))()
    late = make(LATE)
    for board in BOARDS.values():
        await fill(late, model, board)
    await redis.delete(f"{key_prefix}:lb2-waiting")
    make(SOON).start()
    for board in BOARDS.values():
        await flushed(scores, model, board)


async def test_the_lease_of_a_dead_worker_ends(
    make: Make, scores: MemoryScores, model: Model
) -> None:
    """A worker dies in the middle of a flush, with the lease; another goes on after its end."""
    dead = make(LATE)
    await fill(dead, model)
    lease = await scores.progress(BOARD.key).take_lease("dead", 1.0)
    assert lease is not None
    other = make(SOON)
    other.start()
    await flushed(scores, model)
    assert scores.progress(BOARD.key).token > lease.token


async def test_failures_are_tried_again_in_order(
    make: Make, scores: MemoryScores, model: Model
) -> None:
    boards = make(SOON)
    boards.start()
    scores.failing = OSError("the database is away")
    await eventually(lambda: _has_begun(scores))
    scores.failing = None
    await fill(boards, model)
    scores.failing = OSError("the database is away")

    async def has_failed() -> bool:
        return boards.flushing.counts[BOARD.key].failures > 1

    await eventually(has_failed)
    await fill(boards, model, seed=2)  # goes on: there is a copy
    scores.failing = None
    await flushed(scores, model)


async def test_a_stop_flushes_what_waits(make: Make, scores: MemoryScores, model: Model) -> None:
    boards = make(LATE)
    boards.start()
    await fill(boards, model)
    await boards.stop(5.0)
    assert bare(scores.rows(BOARD)) == model.rows(BOARD)


async def test_a_stop_that_cannot_says_what_is_left(
    make: Make, scores: MemoryScores, model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    boards = make(LATE)
    boards.start()
    await fill(boards, model)
    gate = scores.hold("commit")
    await boards.stop(0.1)
    gate.open()
    assert f"what is left of {BOARD.key}" in caplog.text


async def test_it_starts_once(make: Make) -> None:
    boards = make(LATE)
    boards.start()
    with pytest.raises(RuntimeError, match="flushed already"):
        boards.start()


async def test_nobody_holds_the_lease_between_flushes(
    make: Make, scores: MemoryScores, model: Model
) -> None:
    boards = make(SOON)
    boards.start()
    await fill(boards, model)
    await flushed(scores, model)

    async def is_free() -> bool:
        progress = scores.progress(BOARD.key)
        lease = await progress.take_lease("another", 0.001)
        if lease is not None:
            await progress.release_lease(lease)
        return lease is not None

    await eventually(is_free)


async def test_order_is_kept_for_each_player(make: Make, scores: MemoryScores) -> None:
    """Two workers submit, two flush in tiny batches: what is flushed never goes back."""
    board = Board("counter", Operator.INCREMENT, Order.DESC)
    scores.tables["counter"] = type(scores.table(BOARD.key))()
    tiny = WriteBehindSettings(max_age=0.02, batch=3, lease=0.5)
    workers = [make(tiny), make(tiny)]
    for worker in workers:
        worker.start()
    seen: list[dict[str, int]] = []

    async def watch() -> None:
        while True:
            rows = scores.table("counter").rows
            seen.append({player: row.points[0] for player, row in rows.items()})
            await asyncio.sleep(0)

    watching = asyncio.create_task(watch())
    for at in range(150):
        await workers[at % 2].submit(board, Submission(f"p{at % 3}", (1,)))

    async def all_is_flushed() -> bool:
        rows = scores.table("counter").rows
        return sorted(row.points[0] for row in rows.values()) == [50, 50, 50]

    await eventually(all_is_flushed)
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    for before, after in itertools.pairwise(seen):
        assert all(after[player] >= value for player, value in before.items())
    assert scores.table("counter").version == 150


# ---- which boards ----


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_a_board_is_noted_again_after_a_while(redis: Redis, key_prefix: str) -> None:
    clock = Clock()
    waiting = WaitingBoards(redis, key_prefix, clock)
    key = f"{key_prefix}:lb2-waiting"
    await waiting.note("one")
    assert set(await waiting.found()) == {"one"}
    await redis.delete(key)
    clock.now = TRUSTED
    await waiting.note("one")
    assert await waiting.found() == {}, "it is trusted"
    clock.now = TRUSTED + 0.1
    await waiting.note("one")
    assert set(await waiting.found()) == {"one"}
    assert FORGOTTEN > 2 * TRUSTED


async def test_a_board_is_forgotten_unless_it_was_noted_meanwhile(
    redis: Redis, key_prefix: str
) -> None:
    clock = Clock()
    waiting = WaitingBoards(redis, key_prefix, clock)
    key = f"{key_prefix}:lb2-waiting"
    for name in ("old", "new"):
        await waiting.note(name)
    await redis.zincrby(key, -(FORGOTTEN + 1) * 1000, "old")
    found = await waiting.found()
    assert found["old"] > FORGOTTEN > found["new"]
    clock.now += 2 * TRUSTED
    for name in ("old", "new"):
        await waiting.forget(name)
    assert set(await waiting.found()) == {"new"}
    await redis.zincrby(key, -(FORGOTTEN + 1) * 1000, "new")
    await waiting.note("new")  # between a look and the forgetting
    await waiting.forget("new")
    assert set(await waiting.found()) == {"new"}


async def test_a_board_without_a_backlog_is_watched_no_more(
    make: Make, scores: MemoryScores, model: Model, redis: Redis, key_prefix: str
) -> None:
    boards = make(SOON)
    boards.start()
    await fill(boards, model)
    await flushed(scores, model)
    await redis.zincrby(f"{key_prefix}:lb2-waiting", -(FORGOTTEN + 1) * 1000, BOARD.key)

    async def is_forgotten() -> bool:
        return not boards.flushing.counts

    await eventually(is_forgotten)
    await redis.delete(f"{key_prefix}:lb2-waiting")
    boards._waiting._noted.clear()
    await fill(boards, model, seed=2)
    await flushed(scores, model)
