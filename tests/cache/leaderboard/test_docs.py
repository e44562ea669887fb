"""The page on leaderboards: its example runs, its races are tests, its numbers are the code's."""

import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

import cache.leaderboard
from benchmarks.leaderboards import measure
from cache.leaderboard import Board, Operator, Options, Order, Timing
from cache.leaderboard.flushing import LOOK
from cache.leaderboard.live import BUILD_LEASE, COPY_TTL
from cache.leaderboard.rebuild import PAGE
from cache.leaderboard.waiting import FORGOTTEN, TRUSTED
from cache.leaderboard.watch import POLL
from tests.cache.leaderboard.test_races import RACES
from tests.support.boards import MemoryScores
from tests.support.servers import valkey

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "leaderboards.md").read_text("utf-8")


async def test_the_example_runs(redis: Redis, key_prefix: str) -> None:
    [example] = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    source = MemoryScores(Board("spring", Operator.INCREMENT, Order.DESC, (Order.DESC,)))
    names: dict[str, Any] = dict(vars(cache.leaderboard))
    body = textwrap.indent(example, "    ")
    exec(f"async def example(redis, source, prefix):\n{body}", names)
    await names["example"](redis, source, key_prefix)
    assert source.tables["spring"].version == 2, "the stop has flushed"


def test_each_race_of_the_page_has_a_test_and_no_test_is_without_one() -> None:
    assert set(re.findall(r"^\| (R\d+) \|", TEXT, re.MULTILINE)) == set(RACES)


def test_the_numbers_are_those_of_the_code() -> None:
    timing, writes = Timing(), Options().writes
    pauses = f"{writes.pause(1):g} s, {writes.pause(2):g} s, … up to {writes.longest_pause:g} s"
    for said in (
        f"{COPY_TTL // 86_400} days after its last use",
        f"{BUILD_LEASE:.0f} s after its last page",
        f"page by page ({PAGE:,})",
        f"at most {writes.max_age:g} s later (`max_age`)",
        f"{writes.batch:,} submissions to the board wait",
        f"when {writes.limit:,} submissions to the board wait already (`limit`)",
        f"no copy for {timing.patience:g} s (`patience`)",
        f"{timing.patience:g} s at most",
        f"SQL is not reached in {timing.removal:g} s",
        f"when the lease ends ({writes.lease:g} s)",
        f"tried again after {pauses}",
        f"its last time is {TRUSTED:g} s ago",
        f"nobody\nhas said it for {FORGOTTEN:g} s",
    ):
        assert said in TEXT, said
    assert POLL == LOOK == 1.0
    assert "the watch looks every second" in TEXT
    assert "read that set every second" in TEXT
    assert writes.once_ttl == 24 * 3600


async def test_the_benchmark_runs(capsys: pytest.CaptureFixture[str]) -> None:
    with valkey() as server:
        await measure(server.url, players=1_500, rounds=3)
    printed = capsys.readouterr().out
    assert "1,500 players" in printed
    assert len(re.findall(r"µs, of which \d+ in the server", printed)) == 5
