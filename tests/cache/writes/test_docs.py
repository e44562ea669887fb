"""The page on write-behind: its example runs, and its numbers are those of the tests."""

import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

from redis.asyncio import Redis

import cache.writes
from cache.writes import Applied, Batch, Lease, Snapshot, WriteBehindSettings

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "write-behind.md").read_text("utf-8")


class Downloads:
    """A progress that keeps everything in memory: for an example that needs no database."""

    def __init__(self) -> None:
        self.token = 0
        self.applied = Applied()
        self.rows: dict[str, int] = {}

    async def take_lease(self, owner: str, seconds: float) -> Lease | None:
        self.token += 1
        return Lease(self.token, seconds, self.applied)

    async def release_lease(self, lease: Lease) -> None:
        assert lease.token == self.token

    async def fence(self) -> Applied:
        self.token += 1
        return self.applied

    async def commit(self, lease: Lease, batch: Batch) -> Mapping[str, int]:
        if lease.token != self.token:
            raise cache.writes.LeaseLost("void")
        self.applied = batch.applied
        for key, amount in batch.increments.items():
            self.rows[key] = self.rows.get(key, 0) + amount
        return {}

    async def read(self, keys: Sequence[str]) -> Snapshot:
        return Snapshot(self.applied, {key: self.rows.get(key, 0) for key in keys})


async def test_the_example_of_the_page_runs(redis: Redis, key_prefix: str) -> None:
    [example] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    progress = Downloads()
    names = {"redis": redis, "prefix": key_prefix, "progress": progress}
    body = textwrap.indent(example, "    ")
    exec(f"async def example(redis, prefix, progress):\n{body}", names)
    await names["example"](redis, key_prefix, progress)  # type: ignore[operator] # made by exec
    assert progress.rows == {"report.pdf": 8}


def test_each_interleaving_of_the_page_has_a_test_and_no_test_is_without_one() -> None:
    rows = set(re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE))
    tests = "".join(
        (Path(__file__).parent / name).read_text("utf-8")
        for name in ("test_races.py", "test_restarts.py", "test_losses.py")
    )
    assert rows == set(re.findall(r"def test_(\d+)_", tests))
    controls = set(re.findall(r"def test_(\d+)_control_", tests))
    assert controls == rows


def test_the_defaults_of_the_page_are_those_of_the_code() -> None:
    settings = WriteBehindSettings()
    assert f"{settings.max_age:.0f} s later (`max_age`)" in PAGE
    assert f"{settings.batch:,} operations wait (`batch`)" in PAGE
    assert f"{settings.limit:,} operations wait already (`limit`)" in PAGE
    assert f"when its lease ends ({settings.lease:.0f} s)" in PAGE
    assert f"up to {settings.longest_pause:.0f} s, always" in PAGE
