"""The page on write-behind: its example runs, and its numbers are those of the tests."""

import ast
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

import cache.writes
from cache.writes import (
    Applied,
    Batch,
    Committed,
    Lease,
    Operation,
    Snapshot,
    WriteBehindSettings,
    merged,
    of_every_field,
)

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "write-behind.md").read_text("utf-8")


class Memory:
    """A progress that keeps everything in memory: for an example that needs no database."""

    def __init__(self, operation: Operation[Any]) -> None:
        self.operation = operation
        self.token = 0
        self.applied = Applied()

    def is_unavailable(self, error: BaseException) -> bool:
        return False

    async def take_lease(self, owner: str, seconds: float) -> Lease | None:
        self.token += 1
        return Lease(self.token, seconds, self.applied)

    async def release_lease(self, lease: Lease) -> None:
        assert lease.token == self.token

    async def fence(self) -> Applied:
        self.token += 1
        return self.applied

    async def commit(self, lease: Lease, batch: Batch) -> Committed:
        if lease.token != self.token:
            raise cache.writes.LeaseLost("void")
        await self.operation.apply(None, merged(self.operation, batch.entries))
        self.applied = batch.applied
        return Committed(batch.applied)

    async def read(self, keys: Sequence[str]) -> Snapshot:
        assert self.operation.read is not None
        found = await self.operation.read(None, keys)
        return Snapshot(self.applied, of_every_field(self.operation, keys, found))

    async def raise_revision(self, least: int) -> None:
        raise AssertionError("nothing is changed past the stream")


async def test_the_example_of_the_page_runs(redis: Redis, key_prefix: str) -> None:
    [example] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {"redis": redis, "prefix": key_prefix, "Memory": Memory}
    code = compile(example, "write-behind.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    await eval(code, names)
    assert names["rows"] == {"report.pdf": {"started": 8, "finished": 1}}


def test_each_interleaving_of_the_page_has_a_test_and_no_test_is_without_one() -> None:
    rows = set(re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE))
    tests = "".join(
        (Path(__file__).parent / name).read_text("utf-8")
        for name in ("test_races.py", "test_restarts.py", "test_losses.py", "test_direct.py")
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
