"""A stream in a slot of somebody else's, with an append script of their own: as a leaderboard has.

The flusher, the opening, the trim, dead letters: all of that is used as it is.
"""

from collections.abc import Collection, Mapping
from typing import Any

import pytest
from redis.asyncio import Redis

from cache.integrations.tortoise_progress import TortoiseProgress
from cache.writes import (
    DeadLetters,
    Flusher,
    Journal,
    Operation,
    WriteBehindSettings,
    better_of,
    script,
)
from cache.writes.dead_letters import Past
from models.database import is_unavailable
from models.tables import DeadLetter, WriteBehindProgress
from tests.support.polling import eventually

pytestmark = pytest.mark.usefixtures("database")

SUBMIT = script(
    "writes",
    """
local now = incarnation()
local epoch = opened(now)
if not epoch then
  return {'closed', now}
end
redis.call('ZADD', KEYS[3], 'GT', ARGV[2], ARGV[1])
local id = redis.call('XADD', KEYS[1], '*', 'k', ARGV[1], 'n', ARGV[3], 'f', 'best')
return {'ok', id, redis.call('ZREVRANK', KEYS[3], ARGV[1])}
""",
)


class Board:
    """Best scores of players, in a sorted set beside their stream."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self.rows: dict[str, list[Any]] = {}
        self.refused: set[str] = set()
        self.redis = redis
        self.slot = f"{{{prefix}:board}}"
        self.members = f"{self.slot}:members"
        operation = Operation(
            name="board:test", rule=better_of(lambda it: it[0]), apply=self._apply, fields=("best",)
        )
        self.progress = TortoiseProgress(
            operation, WriteBehindProgress, DeadLetter, is_unavailable=is_unavailable
        )
        self.journal = Journal("board:test", redis, self.slot, self.progress.fence)
        self.flusher = Flusher(self.journal, self.progress, WriteBehindSettings(tries=1))
        self.letters = DeadLetters(self.progress, "board:test", self._told)
        self.told: list[int] = []

    async def submit(self, player: str, score: int) -> int:
        """Append and rank, in one script; the rank."""
        payload = self.progress.operation.rule.encode([score, f"at {score}"])
        reply = await self.journal.run(SUBMIT, [self.members], [player, score, payload])
        self.journal.saw(reply[1].decode(), 0)
        return int(reply[2])

    async def _apply(
        self, connection: Any, changes: Mapping[str, Mapping[str, Any]]
    ) -> Collection[str]:
        for player, fields in changes.items():
            if player in self.refused:
                raise ValueError(player)
            self.rows[player] = fields["best"]
        return ()

    async def _told(self, past: Past) -> None:
        self.told.append(past.revision)


async def test_a_stream_with_a_script_and_a_slot_of_its_own(redis: Redis, key_prefix: str) -> None:
    board = Board(redis, key_prefix)
    ranks = [await board.submit(*it) for it in (("ada", 5), ("bob", 9), ("ada", 7), ("ada", 6))]
    assert ranks == [0, 0, 1, 1]
    assert board.journal.stream == f"{board.slot}:stream"
    assert await board.flusher.flush() == 4
    assert board.rows == {"ada": [7, "at 7"], "bob": [9, "at 9"]}
    assert await redis.xlen(board.journal.stream) == 0


async def test_it_is_opened_anew_when_it_was_lost(redis: Redis, key_prefix: str) -> None:
    board = Board(redis, key_prefix)
    await board.submit("ada", 5)
    await board.flusher.flush()
    await redis.delete(board.journal.stream, board.journal.meta)
    await board.submit("ada", 6)
    assert await board.flusher.flush() == 0  # the fence took its lease
    assert await board.flusher.flush() == 1
    assert board.rows == {"ada": [6, "at 6"]}


async def test_its_poison_is_parked_and_replayed(redis: Redis, key_prefix: str) -> None:
    board = Board(redis, key_prefix)
    board.refused.add("bob")
    for player, score in (("ada", 5), ("bob", 9), ("ada", 7), ("bob", 11)):
        await board.submit(player, score)

    async def is_flushed() -> bool:
        await board.flusher.flush()
        return int(await redis.xlen(board.journal.stream)) == 0

    await eventually(is_flushed)
    assert board.rows == {"ada": [7, "at 7"]}
    assert [one.entry.payload for one in await board.letters.listed()] == [
        '[9,"at 9"]',
        '[11,"at 11"]',
    ]
    board.refused.clear()
    assert await board.letters.replay("bob") == 2
    assert board.rows["bob"] == [11, "at 11"]
    assert board.told == [1]
