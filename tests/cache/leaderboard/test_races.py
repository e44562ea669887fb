"""Each race of `docs/leaderboards.md`, as a numbered interleaving on a real server.

Each has a control: the same interleaving with the rule switched off, which must end wrong. Most
rules are in the scripts, so a control is the script without one of its lines.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import zip_longest
from typing import Any

import pytest
from redis.asyncio import Redis

from cache.leaderboard import (
    STANDING,
    Board,
    Entries,
    Leaderboards,
    Operator,
    Placed,
    Submission,
    Submitted,
    scripts,
)
from cache.leaderboard.rebuild import Rebuilder
from cache.once import Once
from cache.stores.script import Script
from cache.writes import Lease
from tests.cache.leaderboard.conftest import Process
from tests.support.boards import (
    BOARDS,
    MemoryProgress,
    MemoryScores,
    Model,
    bare,
    drained,
    header,
    live,
    shown,
)
from tests.support.polling import eventually

SET = BOARDS["set"]
SUM = BOARDS["golf"]


def score(board: Board, player: str, value: int, once: Once | None = None) -> Submission:
    return Submission(player, (value, *(0 for _ in board.ties)), once)


SCRIPTS = ("READ", "SUBMIT", "REMOVE", "BEGIN", "LOAD", "INSTALL")


class Off:
    """Rules to switch off."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch

    def rule(self, line: str, instead: str = "") -> None:
        """In every script that has it, replace this line."""
        found = [name for name in SCRIPTS if line in getattr(scripts, name).source]
        assert found, f"no script has the line {line!r}"
        for name in found:
            source = getattr(scripts, name).source.replace(line, instead)
            self._patch.setattr(scripts, name, Script(source))

    def builds_are_kept_apart(self) -> None:
        """Build into the same keys, without emptying them, and do not count what is there."""
        self.rule(WHOLE, instead=f"true or {WHOLE}")
        self.rule("redis.call('DEL', build.meta, build.members, build.players, build.tuples)")
        self.rule(TRIMMED)
        build = Rebuilder.build

        async def same(rebuilder: Rebuilder, board: Board) -> bool:
            rebuilder._new_id = lambda: "same"
            return await build(rebuilder, board)

        self._patch.setattr(Rebuilder, "build", same)

    def the_token_decides(self) -> None:
        """Commit under a void token, too."""
        self._patch.setattr(MemoryProgress, "has_token", _any_token)

    def the_last_standing_counts(self) -> None:
        """Keep the first of each player."""
        first = replace(STANDING, merge=lambda earlier, _: earlier)
        self._patch.setattr("tests.support.boards.STANDING", first)


def _any_token(_progress: MemoryProgress, _lease: Lease) -> bool:
    return True


@pytest.fixture
def off(monkeypatch: pytest.MonkeyPatch) -> Off:
    return Off(monkeypatch)


def idle(boards: Leaderboards) -> Callable[[], Awaitable[bool]]:
    """Whether a process builds nothing."""

    async def is_idle() -> bool:
        return not boards._keeper._builds

    return is_idle


class World:
    """Two processes, A and B, what is flushed, and what was acknowledged."""

    def __init__(self, process: Process, scores: MemoryScores, redis: Redis, model: Model) -> None:
        self.a, self.b = process(), process()
        self.scores, self.model, self._redis = scores, model, redis
        self.showing: list[Placed] | None = None
        """What was shown at the moment that the race is about, if that is not its end."""

    async def submit(self, boards: Leaderboards, board: Board, player: str, value: int) -> None:
        """A submission that is acknowledged."""
        await boards.submit(board, score(board, player, value))
        self.model.submit(board, score(board, player, value))

    async def lose(self, board: Board, *parts: str) -> None:
        """Remove keys of the board, as an eviction or the end of a time to live does."""
        journal = self.a.journal(board.key)
        await self._redis.delete(*(journal.key(part) for part in parts))

    async def lose_copy(self, board: Board) -> None:
        await self.lose(board, "copy", "members", "players", "tuples")

    async def shows(self, board: Board) -> tuple[list[Placed], list[Placed]]:
        """What B shows from the sorted set, and what is flushed in the end."""
        await live(self.b, board)
        showing = bare(await shown(self.b, board)) if self.showing is None else self.showing
        await drained(self.b, board)
        return showing, bare(self.scores.rows(board))


Race = Callable[[World], Awaitable[Board]]


@pytest.fixture
def world(process: Process, scores: MemoryScores, redis: Redis, model: Model) -> World:
    return World(process, scores, redis, model)


# ---- the interleavings ----


async def two_add_at_once(world: World) -> Board:
    """R1. A and B add 1 to ada = 1, both at once."""
    await world.submit(world.a, SUM, "ada", 1)
    await asyncio.gather(world.submit(world.a, SUM, "ada", 1), world.submit(world.b, SUM, "ada", 1))
    return SUM


async def a_flush_beside_a_build(world: World) -> Board:
    """R2. A builds, has read ada = 5, is paused · its lease ends · F commits ada = 9, trims · A
    installs."""
    await world.submit(world.a, SET, "ada", 5)
    await drained(world.a, SET)
    await world.submit(world.b, SET, "ada", 9)
    await world.lose_copy(SET)
    gate = world.scores.hold("scan")
    await header(world.a, SET)  # finds no copy: the build starts
    await gate.reached.wait()
    world.scores.progress(SET.key).end_leases()
    await drained(world.b, SET)
    gate.open()
    await eventually(idle(world.a))
    return SET


async def a_build_beside_a_backlog(world: World) -> Board:
    """R3. ada = 9 waits in the stream · the copy is evicted · A builds."""
    await world.submit(world.a, SET, "ada", 5)
    await drained(world.a, SET)
    await world.submit(world.a, SET, "ada", 9)
    await world.submit(world.a, SET, "bob", 1)
    await world.lose_copy(SET)
    return SET


async def several_standings_in_a_batch(world: World) -> Board:
    """R4. ada = 9, then ada = 5 · F flushes both."""
    await world.submit(world.a, SET, "ada", 9)
    await world.submit(world.b, SET, "ada", 5)
    return SET


async def a_flusher_outlives_its_lease(world: World) -> Board:
    """R5. F1 reads ada = 5, is paused · its lease ends · F2 commits ada = 5 and ada = 9, trims ·
    F1 commits."""
    await world.submit(world.a, SET, "ada", 5)
    gate = world.scores.hold("commit")
    flushing = asyncio.create_task(world.a.flushing.flush(SET.key))
    await gate.reached.wait()
    world.scores.progress(SET.key).end_leases()
    await world.submit(world.b, SET, "ada", 9)
    await drained(world.b, SET)
    gate.open()
    await flushing
    return SET


async def a_key_is_evicted(world: World) -> Board:
    """R6. The copy's members are evicted, the rest is not · a reader comes."""
    await world.submit(world.a, SET, "ada", 5)
    await world.submit(world.a, SET, "bob", 7)
    await world.lose(SET, "members")
    return SET


async def a_part_of_a_build_is_evicted(world: World) -> Board:
    """R7. A builds, has loaded a page · the page is evicted · A loads the rest, installs."""
    for at in range(6):
        await world.submit(world.a, SET, f"p{at}", at)
    await drained(world.a, SET)
    await world.lose_copy(SET)
    world.scores.hold("scan").open()
    gate = world.scores.hold("scan")  # the second page: they have 4 rows
    await header(world.a, SET)
    await gate.reached.wait()
    await world.lose(SET, "epoch2:members")
    gate.open()
    await eventually(idle(world.a))
    return SET


async def a_build_outlives_its_lease(world: World) -> Board:
    """R8. A builds, has read ada = 5, is paused · its lease ends · F flushes ada = 9 · B builds,
    has loaded ada = 9 · A loads ada = 5 into the same keys · B installs."""
    await world.submit(world.a, SET, "ada", 5)
    await drained(world.a, SET)
    await world.submit(world.b, SET, "ada", 9)
    await world.lose_copy(SET)
    paused_a = world.scores.hold("scan")
    await header(world.a, SET)
    await paused_a.reached.wait()
    progress = world.scores.progress(SET.key)
    progress.end_leases()
    await drained(world.b, SET)
    world.scores.hold("scan").open()
    paused_b = world.scores.hold("scan")  # B's second look at the rows: it has loaded the first
    await header(world.b, SET)
    await paused_b.reached.wait()
    paused_a.open()
    await eventually(idle(world.a))
    paused_b.open()
    await eventually(idle(world.b))
    return SET


async def a_removal_beside_a_backlog(world: World) -> Board:
    """R9. bob = 5 waits in the stream · A removes bob · F flushes."""
    await world.submit(world.a, SET, "ada", 3)
    await world.submit(world.b, SET, "bob", 5)
    assert await world.a.remove(SET, "bob")
    world.model.remove(SET, "bob")
    return SET


async def a_build_beside_a_removal(world: World) -> Board:
    """R10. bob's removal waits in the stream, SQL has bob · the copy is evicted · A builds."""
    await world.submit(world.a, SET, "ada", 3)
    await world.submit(world.b, SET, "bob", 5)
    await drained(world.a, SET)
    gate = world.scores.hold("commit")
    removing = asyncio.create_task(world.a.remove(SET, "bob"))
    world.model.remove(SET, "bob")
    await gate.reached.wait()
    world.scores.progress(SET.key).end_leases()
    await world.lose_copy(SET)
    await live(world.b, SET)
    world.showing = bare(await shown(world.b, SET))
    gate.open()
    await removing
    return SET


async def a_submission_is_sent_again(world: World) -> Board:
    """R11. ada + 1 is applied, its answer is lost · ada + 1 again with the same key, elsewhere."""
    once = Once("key", "ada + 1")
    await world.submit(world.a, SUM, "ada", 1)
    await world.a.submit(SUM, score(SUM, "ada", 1, once))
    world.model.submit(SUM, score(SUM, "ada", 1))
    await world.b.submit(SUM, score(SUM, "ada", 1, once))
    return SUM


async def a_stream_is_lost_and_its_copy_is_not(world: World) -> Board:
    """R12. ada = 9 waits · the stream is lost, the copy is not · bob = 1."""
    await world.submit(world.a, SET, "ada", 5)
    await drained(world.a, SET)
    await world.a.submit(SET, score(SET, "ada", 9))  # acknowledged, and lost: it is reported
    await world.lose(SET, "stream", "meta")
    await world.submit(world.b, SET, "bob", 1)
    return SET


WHOLE = "redis.call('ZCARD', copy.members) == tonumber(size)"
TRIMMED = "if before(cursor, trimmed) and ARGV[8] ~= '1' then return { 'trimmed', trimmed } end"
TAIL = "local entries = redis.call('XRANGE', KEYS[1], '(' .. cursor, '+', 'COUNT', 1000)"


async def _naive_removal(boards: Leaderboards, board: Board, player: str) -> bool:
    """A transaction in the source, and the copy is given up."""
    table = boards._source.tables[board.key]  # type: ignore[attr-defined] # MemoryScores
    table.version += 1
    table.rows.pop(player, None)
    await boards.live.discard(board.key)
    return True


def _naive_remove(off: Off) -> None:
    off._patch.setattr(Leaderboards, "remove", _naive_removal)


def _read_then_write(off: Off) -> None:
    """A worker reads what the player holds, adds, and sets the sum."""
    scripted = Leaderboards.submit

    async def naive(boards: Leaderboards, board: Board, submission: Submission) -> Submitted:
        (held,) = (await boards.read(board, Entries((submission.player,)))).answer
        points = () if held is None else held.standing.points
        pairs = zip_longest(points, submission.points, fillvalue=0)
        summed = replace(submission, points=tuple(one + other for one, other in pairs))
        return await scripted(boards, replace(board, operator=Operator.SET), summed)

    off._patch.setattr(Leaderboards, "submit", naive)


def _without_the_key(off: Off) -> None:
    off.rule("local kept = once and redis.call('GET', once)", "local kept = nil")


RACES: dict[str, tuple[Race, Callable[[Off], Any]]] = {
    "R1": (two_add_at_once, _read_then_write),
    "R2": (a_flush_beside_a_build, lambda off: off.rule(TRIMMED)),
    "R3": (a_build_beside_a_backlog, lambda off: off.rule(TAIL, "local entries = {}")),
    "R4": (several_standings_in_a_batch, lambda off: off.the_last_standing_counts()),
    "R5": (a_flusher_outlives_its_lease, lambda off: off.the_token_decides()),
    "R6": (a_key_is_evicted, lambda off: off.rule(WHOLE, instead=f"true or {WHOLE}")),
    "R7": (a_part_of_a_build_is_evicted, lambda off: off.rule(WHOLE, f"true or {WHOLE}")),
    "R8": (a_build_outlives_its_lease, lambda off: off.builds_are_kept_apart()),
    "R9": (a_removal_beside_a_backlog, _naive_remove),
    "R10": (
        a_build_beside_a_removal,
        lambda off: off.rule("take_out(build, width, player, state)"),
    ),
    "R11": (a_submission_is_sent_again, _without_the_key),
    "R12": (
        a_stream_is_lost_and_its_copy_is_not,
        lambda off: off.rule("meta[1] ~= world() or"),
    ),
}


@pytest.mark.parametrize("name", RACES)
async def test_the_race_ends_like_the_model(world: World, name: str) -> None:
    race, _ = RACES[name]
    board = await race(world)
    expected = world.model.rows(board)
    assert await world.shows(board) == (expected, expected)


@pytest.mark.parametrize("name", RACES)
async def test_without_its_rule_it_ends_wrong(world: World, off: Off, name: str) -> None:
    race, switch_off = RACES[name]
    switch_off(off)
    board = await race(world)
    expected = world.model.rows(board)
    found = await world.shows(board)
    assert found != (expected, expected)
