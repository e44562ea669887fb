"""Each race of `docs/leaderboards.md`, as a numbered interleaving on a real server.

Each has a control: the same interleaving with the rule switched off, which must end wrong. The
rules are in the scripts, so a control is the script without one of its lines.
"""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis

from cache.leaderboard import Board, Leaderboards, Placed, Submission, scripts
from cache.leaderboard.rebuild import Rebuilder
from cache.stores.script import Script
from tests.cache.leaderboard.conftest import Process
from tests.support.boards import BOARDS, MemoryScores, header, live, shown
from tests.support.polling import eventually

BOARD = BOARDS["best"]
SET = BOARDS["set"]


def score(player: str, value: int, board: Board = BOARD) -> Submission:
    return Submission(player, (value, *(0 for _ in board.ties)))


SCRIPTS = ("READ", "APPLY", "BEGIN", "LOAD", "INSTALL", "DISCARD")


class Off:
    """Rules to switch off."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch

    def rule(self, *lines: str, instead: str = "") -> None:
        """In every script that has them, replace these lines."""
        for line in lines:
            found = [name for name in SCRIPTS if line in getattr(scripts, name).source]
            assert found, f"no script has the line {line!r}"
            for name in found:
                source = getattr(scripts, name).source.replace(line, instead)
                self._patch.setattr(scripts, name, Script(source))

    def builds_read_changes_again(self) -> None:
        """Install a build as it was read page by page."""

        async def skip(rebuilder: Rebuilder, board: Board, _build: str, _version: int) -> int:
            return await rebuilder._source.version(board)

        self._patch.setattr(Rebuilder, "_load_changed", skip)

    def builds_are_kept_apart(self) -> None:
        """Build into the same keys, and do not count what is there."""
        self.rule(WHOLE, instead=f"true or {WHOLE}")
        begin = Rebuilder.build

        async def same(rebuilder: Rebuilder, board: Board) -> bool:
            rebuilder._new_id = lambda: "same"
            return await begin(rebuilder, board)

        self._patch.setattr(Rebuilder, "build", same)


@pytest.fixture
def off(monkeypatch: pytest.MonkeyPatch) -> Off:
    return Off(monkeypatch)


def idle(boards: Leaderboards) -> Callable[[], Awaitable[bool]]:
    """Whether a process builds and repairs nothing."""

    async def is_idle() -> bool:
        return not boards._keeper._tasks

    return is_idle


class World:
    """Two processes, A and B, and the truth."""

    def __init__(self, process: Process, scores: MemoryScores, redis: Redis, prefix: str) -> None:
        self.a, self.b = process(), process()
        self.scores, self._redis, self._prefix = scores, redis, prefix

    def key(self, part: str, board: Board = BOARD) -> str:
        return f"{{{self._prefix}:lb1:{board.key}}}:{part}"

    async def lose(self, *parts: str, board: Board = BOARD) -> None:
        """Remove keys of the board, as an eviction or the end of a time to live does."""
        await self._redis.delete(*(self.key(part, board) for part in parts))

    async def settled(self, board: Board = BOARD) -> list[Placed]:
        """What B shows from the sorted set."""
        await live(self.b, board)
        return await shown(self.b, board)


Race = Callable[[World], Awaitable[Board]]


@pytest.fixture
def world(process: Process, scores: MemoryScores, redis: Redis, key_prefix: str) -> World:
    return World(process, scores, redis, key_prefix)


# ---- the interleavings ----


async def applied_out_of_order(world: World) -> Board:
    """R1. A commits 1 · B commits 2 · B applies 2 · A applies 1."""
    await live(world.a, BOARD)
    gate = world.scores.hold("submit")
    first = asyncio.create_task(world.a.submit(BOARD, score("ada", 5)))
    await gate.reached.wait()
    await world.b.submit(BOARD, score("bob", 7))
    gate.open()
    await first
    return BOARD


async def an_older_state_comes_last(world: World) -> Board:
    """R2. A commits ada = 5 · B commits ada = 9, applies it · A applies ada = 5."""
    await live(world.a, SET)
    gate = world.scores.hold("submit")
    first = asyncio.create_task(world.a.submit(SET, score("ada", 5, SET)))
    await gate.reached.wait()
    await world.b.submit(SET, score("ada", 9, SET))
    gate.open()
    await first
    return SET


async def two_catch_up(world: World) -> Board:
    """R3. Nobody applied 1 · A commits ada = 2, misses 1, reads 1 and 2 · B commits ada = 3,
    misses 1, reads and applies 1 to 3 · A applies what it read."""
    await live(world.a, SET)
    await world.scores.submit(SET, score("eve", 1, SET))
    gate = world.scores.hold("changed")
    first = asyncio.create_task(world.a.submit(SET, score("ada", 2, SET)))
    await gate.reached.wait()
    await world.b.submit(SET, score("ada", 3, SET))
    gate.open()
    await first
    return SET


async def a_write_beside_a_build(world: World) -> Board:
    """R4. A builds, has read all changes up to 1 · B commits 2, finds no copy, acknowledges ·
    A installs."""
    await world.scores.submit(BOARD, score("ada", 5))
    gate = world.scores.hold("changed")
    await header(world.a, BOARD)  # finds no copy: the build starts
    await gate.reached.wait()
    await world.b.submit(BOARD, score("bob", 7))
    await eventually(idle(world.b))  # it wanted to build as well
    gate.open()
    return BOARD


async def a_row_behind_the_scan(world: World) -> Board:
    """R5. A builds, has read the page with ada · B commits ada = 9 · A reads the other pages."""
    for at, player in enumerate(["ada", "bob", "eve", "joe", "sue"]):
        await world.scores.submit(SET, score(player, at, SET))
    gate = world.scores.hold("scan")  # pages have 4 rows
    await header(world.a, SET)
    await gate.reached.wait()
    await world.b.submit(SET, score("ada", 9, SET))
    await eventually(idle(world.b))
    gate.open()
    return SET


async def a_key_is_evicted(world: World) -> Board:
    """R6. The copy's members are evicted, the rest is not · a reader comes."""
    await live(world.a, BOARD)
    await world.a.submit(BOARD, score("ada", 5))
    await world.a.submit(BOARD, score("bob", 7))
    await world.lose("members")
    return BOARD


async def a_part_of_a_build_is_evicted(world: World) -> Board:
    """R7. A builds, has loaded a page · the page is evicted · A loads the rest, installs."""
    for at in range(6):
        await world.scores.submit(BOARD, score(f"p{at}", at))
    world.scores.hold("scan").open()
    gate = world.scores.hold("scan")  # the second page
    await header(world.a, BOARD)
    await gate.reached.wait()
    await world.lose("epoch1:members")
    gate.open()
    return BOARD


async def a_build_outlives_its_lease(world: World) -> Board:
    """R8. A builds, has read the change ada = 5, is paused · its lease ends · ada = 9 is
    committed · B builds, has loaded ada = 9 · A loads ada = 5, installs · B installs."""
    await world.scores.submit(SET, score("ada", 1, SET))
    scanned = world.scores.hold("scan")
    await header(world.a, SET)
    await scanned.reached.wait()
    await world.scores.submit(SET, score("ada", 5, SET))
    paused_a = world.scores.hold("changed")
    scanned.open()
    await paused_a.reached.wait()
    await world.lose("build", board=SET)
    await world.scores.submit(SET, score("ada", 9, SET))
    paused_b = world.scores.hold("changed")
    await header(world.b, SET)
    await paused_b.reached.wait()
    paused_a.open()
    await eventually(idle(world.a))
    paused_b.open()
    return SET


async def an_unchanged_submission(world: World) -> Board:
    """R9. A commits ada = 5 · B gets ada = 5 again: nothing changes, and the copy has no ada ·
    B acknowledges · A applies."""
    await live(world.b, BOARD)
    gate = world.scores.hold("submit")
    first = asyncio.create_task(world.a.submit(BOARD, score("ada", 5)))
    await gate.reached.wait()
    await world.b.submit(BOARD, score("ada", 5))
    gate.open()
    await first
    return BOARD


WHOLE = "redis.call('ZCARD', copy.members) == tonumber(size)"
GAP = "if version < from then return { 'GAP', state.epoch, state.version } end"
AHEAD = "if version >= to then return { 'AHEAD', state.epoch, state.version, ranks() } end"

RACES: dict[str, tuple[Race, Callable[[Off], None]]] = {
    "R1": (applied_out_of_order, lambda off: off.rule(GAP)),
    "R2": (an_older_state_comes_last, lambda off: off.rule(GAP, AHEAD)),
    "R3": (two_catch_up, lambda off: off.rule(AHEAD)),
    "R4": (a_write_beside_a_build, lambda off: off.rule("  raise_floor(KEYS[5], ARGV[5])")),
    "R5": (a_row_behind_the_scan, lambda off: off.builds_read_changes_again()),
    "R6": (a_key_is_evicted, lambda off: off.rule(WHOLE, instead=f"true or {WHOLE}")),
    "R7": (a_part_of_a_build_is_evicted, lambda off: off.rule(WHOLE, instead=f"true or {WHOLE}")),
    "R8": (a_build_outlives_its_lease, lambda off: off.builds_are_kept_apart()),
    "R9": (an_unchanged_submission, lambda off: off.rule(GAP)),
}


@pytest.mark.parametrize("name", RACES)
async def test_the_race_ends_like_the_source(world: World, name: str) -> None:
    race, _ = RACES[name]
    board = await race(world)
    assert await world.settled(board) == world.scores.rows(board)


@pytest.mark.parametrize("name", RACES)
async def test_without_its_rule_it_ends_wrong(world: World, off: Off, name: str) -> None:
    race, switch_off = RACES[name]
    switch_off(off)
    board = await race(world)
    assert await world.settled(board) != world.scores.rows(board)


async def test_the_rank_of_points_that_another_process_has_not_applied_yet(world: World) -> None:
    """R9, and what B shows before A applies."""
    await live(world.b, BOARD)
    gate = world.scores.hold("submit")
    first = asyncio.create_task(world.a.submit(BOARD, score("ada", 5)))
    await gate.reached.wait()
    assert [row.standing.player for row in await shown(world.b, BOARD)] == []  # the copy lags

    try:
        again = await world.b.submit(BOARD, score("ada", 5))
        acknowledged = await shown(world.b, BOARD)
    finally:
        gate.open()
        await first

    assert (again.previous_rank, again.rank, again.new_best) == (1, 1, False)
    assert acknowledged == world.scores.rows(BOARD)
