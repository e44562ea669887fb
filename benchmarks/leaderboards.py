"""What a leaderboard's scripts cost, by the number of players.

    python -m benchmarks.leaderboards [--players 10000 1000000] [--rounds 2000]

Starts a Valkey of its own on a unix socket. Loads a board with a tie column, then asks one question
at a time: the time of a whole call as a client sees it, and of a script in the server.
"""

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from cache.leaderboard import (
    Around,
    Board,
    Entries,
    Operator,
    Order,
    Question,
    RankOfScore,
    Slice,
    Standing,
    Submission,
)
from cache.leaderboard.journal import BoardJournal
from cache.leaderboard.live import LiveCopies, Rows
from cache.leaderboard.submitting import submit
from cache.stores.connection import open_redis
from cache.writes import Applied
from ops.embedded import ValkeyServer

BOARD = Board("bench", Operator.SET, Order.DESC, (Order.DESC,))
NOW = datetime(2026, 1, 1, tzinfo=UTC)
PAGE = 1000
ENDLESS = 10**9
"""Nobody flushes here: the stream may grow."""


async def _nothing_applied() -> Applied:
    return Applied()


class Bench:
    """One board with so many players."""

    def __init__(self, redis: Redis, players: int, rounds: int) -> None:
        self._redis, self._rounds = redis, rounds
        self._journal = BoardJournal(BOARD.key, redis, "bench", _nothing_applied)
        self._live = LiveCopies(redis, lambda _key: self._journal)
        self._chance = random.Random(1)
        self.players = players

    async def load(self) -> None:
        """Build and install the copy."""
        began, before = time.perf_counter(), await self._memory()
        await self._live.begin(BOARD, "bench")
        for start in range(0, self.players, PAGE):
            page = range(start, min(start + PAGE, self.players))
            await self._live.load(BOARD, "bench", [self._standing(at, at + 1) for at in page])
        await self._live.install(BOARD, "bench", Rows(Applied(), self.players))
        size = (await self._memory() - before) / self.players
        print(f"load {time.perf_counter() - began:.1f} s, {size:.0f} bytes a player")

    async def ask(self, name: str, question: Callable[[], Question[Any]]) -> None:
        """Time a question."""
        await self._time(name, lambda: self._live.read([(BOARD, [question()])]))

    async def submit(self) -> None:
        """Time a submission that changes the player's points."""

        async def one() -> None:
            points = self.score(), self._chance.randrange(3)
            await submit(self._live, BOARD, Submission(self.player(), points), ENDLESS, 1.0)

        await self._time("a submission", one)

    def player(self) -> str:
        """Any of them."""
        return f"player-{self._chance.randrange(self.players)}"

    def score(self) -> int:
        """Any score."""
        return self._chance.randrange(100_000)

    def _standing(self, at: int, version: int) -> Standing:
        points = self.score(), self._chance.randrange(3)
        return Standing(f"player-{at}", points, version, NOW, version)

    async def _memory(self) -> int:
        return int((await self._redis.info("memory"))["used_memory"])

    async def _time(self, name: str, call: Callable[[], Awaitable[Any]]) -> None:
        await self._redis.config_resetstat()
        began = time.perf_counter()
        for _ in range(self._rounds):
            await call()
        whole = (time.perf_counter() - began) / self._rounds * 1e6
        script = (await self._redis.info("commandstats"))["cmdstat_evalsha"]["usec_per_call"]
        print(f"{name:24} {whole:6.0f} µs, of which {script:.0f} in the server")


async def measure(url: str, players: int, rounds: int) -> None:
    """Print what each question costs with so many players."""
    redis = open_redis(url, budget=30.0)
    await redis.flushall()
    bench = Bench(redis, players, rounds)
    print(f"\n{players:,} players")
    await bench.load()
    await bench.ask("top 10", lambda: Slice(10))
    await bench.ask("an entry", lambda: Entries((bench.player(),)))
    await bench.ask("10 around a player", lambda: Around(bench.player(), 5, 5))
    await bench.ask("rank of a score", lambda: RankOfScore(bench.score()))
    await bench.submit()
    await redis.aclose()


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--players", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=2_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, ValkeyServer(Path(directory)) as server:
        for players in arguments.players:
            asyncio.run(measure(server.url, players, arguments.rounds))


if __name__ == "__main__":
    main()
