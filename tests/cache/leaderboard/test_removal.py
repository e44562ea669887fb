"""A player who is removed is nowhere any more, and comes back by no way."""

import asyncio
from collections.abc import Iterable

import pytest
from redis.asyncio import Redis

from cache.errors import StoreUnavailable
from cache.leaderboard import Leaderboards, Placed, Submission
from tests.cache.leaderboard.conftest import Process
from tests.support.boards import BOARDS, MemoryScores, live, shown
from tests.support.polling import eventually

BOARD = BOARDS["set"]


def score(player: str, value: int) -> Submission:
    return Submission(player, (value, *(0 for _ in BOARD.ties)))


async def submit(boards: Leaderboards, player: str, value: int) -> None:
    await boards.submit(BOARD, score(player, value))


def players(rows: Iterable[Placed]) -> list[str]:
    return [row.standing.player for row in rows]


async def test_nobody_sees_them_in_any_process(process: Process, scores: MemoryScores) -> None:
    a, b = process(), process()
    for player, value in (("ada", 3), ("bob", 2), ("eve", 1)):
        await submit(a, player, value)
    for boards in (a, b):
        await live(boards, BOARD)
    assert await a.remove(BOARD, "bob")
    assert not await a.remove(BOARD, "bob"), "the second time there is nobody"
    for boards in (a, b):
        assert "bob" not in players(await shown(boards, BOARD))
        assert (await live(boards, BOARD)).size == 2
        assert await shown(boards, BOARD) == scores.rows(BOARD)
    await submit(a, "bob", 9)
    assert await shown(b, BOARD) == scores.rows(BOARD), "and may begin anew"


class Deaf(MemoryScores):
    """The control: rows are told, and removals are not."""

    async def remove(self, board, player):  # type: ignore[no-untyped-def]
        version = await super().remove(board, player)
        self._table(board).removed_at = 0
        return version


@pytest.mark.parametrize("source", [MemoryScores, Deaf])
async def test_a_copy_that_missed_it_is_not_caught_up_from_rows(
    redis: Redis, key_prefix: str, monkeypatch: pytest.MonkeyPatch, source: type[MemoryScores]
) -> None:
    """1. A removes bob, and is killed before it reaches the copy. 2. B submits: the copy lacks
    a version. 3. B reads the rows that changed since: none of them is bob's."""
    scores = source(*BOARDS.values())
    a, b = Leaderboards(redis, scores, key_prefix), Leaderboards(redis, scores, key_prefix)
    for player, value in (("ada", 3), ("bob", 2)):
        await submit(b, player, value)
    await live(b, BOARD)
    await scores.remove(BOARD, "bob")
    await submit(b, "eve", 1)
    found = players(await shown(b, BOARD))
    assert found == (["ada", "eve"] if source is MemoryScores else ["ada", "bob", "eve"])
    for boards in (a, b):
        await boards.aclose()


@pytest.mark.parametrize("source", [MemoryScores, Deaf])
async def test_a_build_that_has_loaded_them_is_not_installed(
    redis: Redis, key_prefix: str, source: type[MemoryScores]
) -> None:
    """1. B builds, has read bob's row. 2. Bob is removed. 3. B reads what changed meanwhile."""
    scores = source(*BOARDS.values())
    b = Leaderboards(redis, scores, key_prefix)
    for player, value in (("ada", 3), ("bob", 2)):
        await scores.submit(BOARD, score(player, value))
    gate = scores.hold("scan")
    await shown(b, BOARD)
    await gate.reached.wait()
    await scores.remove(BOARD, "bob")
    gate.open()
    await live(b, BOARD)
    found = players(await shown(b, BOARD))
    assert found == (["ada"] if source is MemoryScores else ["ada", "bob"])
    await b.aclose()


async def test_while_redis_is_away_this_process_reads_the_source_and_mends_the_copy(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = process(), process()
    await submit(a, "ada", 3)
    await submit(a, "bob", 2)
    await live(a, BOARD)

    async def away(*_: object, **__: object) -> None:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(a.live, "discard", away)
        patched.setattr(a.live, "apply", away)
        assert await a.remove(BOARD, "bob")
        assert players(await shown(a, BOARD)) == ["ada"]

    async def gone() -> bool:
        return players(await shown(b, BOARD)) == ["ada"]

    await eventually(gone)


async def test_it_goes_on_when_its_client_goes_away(process: Process, scores: MemoryScores) -> None:
    a, b = process(), process()
    await submit(a, "ada", 3)
    await live(b, BOARD)
    gate = scores.hold("remove")
    asked = asyncio.create_task(a.remove(BOARD, "ada"))
    await gate.reached.wait()
    asked.cancel()
    gate.open()
    await asyncio.wait({asked})

    async def gone() -> bool:
        return players(await shown(b, BOARD)) == []

    await eventually(gone)
