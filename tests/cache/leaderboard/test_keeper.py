"""Committed changes that the copy lacks: the reply was lost, or the process ends."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from cache.errors import StoreUnavailable
from cache.leaderboard import Leaderboards, Options, Submission, Timing
from tests.cache.leaderboard.conftest import Process
from tests.support.boards import BOARDS, MemoryScores, live, shown
from tests.support.polling import eventually

BOARD = BOARDS["best"]


def score(player: str, value: int) -> Submission:
    return Submission(player, (value, *(0 for _ in BOARD.ties)))


async def test_a_commit_whose_reply_was_lost_is_shown(
    process: Process, scores: MemoryScores
) -> None:
    """1. the source commits and its reply is lost  2. the submitter gets the error  3. whoever
    reads gets what was committed, from this process and from another."""
    a, b = process(), process()
    await a.submit(BOARD, score("ada", 5))
    await live(a, BOARD)
    await live(b, BOARD)
    scores.failing_once.append(ConnectionResetError("the reply was lost"))
    with pytest.raises(ConnectionResetError):
        await a.submit(BOARD, score("ada", 9))

    assert await shown(a, BOARD) == scores.rows(BOARD)

    async def b_shows_it() -> bool:
        return await shown(b, BOARD) == scores.rows(BOARD)

    await eventually(b_shows_it)


async def test_a_doubt_outlives_a_source_that_is_away(
    process: Process, scores: MemoryScores
) -> None:
    a = process()
    await a.submit(BOARD, score("ada", 5))
    await live(a, BOARD)
    scores.failing = ConnectionResetError("away")
    with pytest.raises(ConnectionResetError):
        await a.submit(BOARD, score("ada", 9))  # committed: `failing` fails the reply
    asked = len(scores.calls)

    async def asked_again() -> bool:
        return len(scores.calls) > asked + 2

    await eventually(asked_again)
    scores.failing = None

    async def is_whole() -> bool:
        return a._keeper.may_use(BOARD)

    await eventually(is_whole)
    await live(a, BOARD)
    assert await shown(a, BOARD) == scores.rows(BOARD)


async def test_a_process_that_ends_tries_once_more(
    redis: Redis, key_prefix: str, scores: MemoryScores, process: Process
) -> None:
    """1. Redis is away, a score is committed and acknowledged  2. Redis is back  3. the process is
    stopped before its next try: the others must not wait for the board's next change."""
    patient = Options(timing=Timing(first_retry=600), poll=0.05)
    ending, other = Leaderboards(redis, scores, key_prefix, patient), process()
    await ending.submit(BOARD, score("ada", 5))
    await live(ending, BOARD)
    await live(other, BOARD)
    apply, tried = ending.live.apply, asyncio.Event()

    async def away(*arguments: Any) -> Any:
        if len(arguments) < 3:  # the repair: it asks for no ranks
            tried.set()
        raise StoreUnavailable("away")

    ending.live.apply = away  # type: ignore[method-assign]  # Redis, for this process
    await ending.submit(BOARD, score("ada", 9))
    await tried.wait()
    ending.live.apply = apply  # type: ignore[method-assign]
    assert await shown(other, BOARD) != scores.rows(BOARD)

    await ending.aclose()

    assert await shown(other, BOARD) == scores.rows(BOARD)


async def test_what_an_ending_process_cannot_mend_is_logged(
    redis: Redis,
    key_prefix: str,
    scores: MemoryScores,
    caplog: pytest.LogCaptureFixture,
) -> None:
    ending = Leaderboards(redis, scores, key_prefix, Options(timing=Timing(first_retry=600)))
    await ending.submit(BOARD, score("ada", 5))
    await live(ending, BOARD)

    async def away(*_: Any) -> Any:
        raise StoreUnavailable("away")

    ending.live.apply = away  # type: ignore[method-assign]  # Redis, for this process
    await ending.submit(BOARD, score("ada", 9))
    await ending.aclose()

    assert "its copy lacks a committed change" in caplog.text
