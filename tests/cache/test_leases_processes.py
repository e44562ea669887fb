"""500 readers in each of four processes miss the same key at once."""

import asyncio
import subprocess
import sys
import time
from contextlib import ExitStack

from redis.asyncio import Redis

from tests.support.worlds.misses import PROCESSES, READERS

Said = list[tuple[int, int]]
"""What each process said: how many readers got the value, and how many an error."""


async def miss_together(url: str, prefix: str, lease: float, *words: str) -> Said:
    with ExitStack() as closing:
        command = [sys.executable, "-m", "tests.support.worlds.misses", url, prefix, str(lease)]
        processes = [closing.enter_context(started([*command, *words])) for _ in range(PROCESSES)]
        said = [await asyncio.to_thread(heard, process) for process in processes]
        assert said == ["ready"] * PROCESSES
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        told = [await asyncio.to_thread(heard, process) for process in processes]
    return [(int(values), int(errors)) for values, errors in map(str.split, told)]


def started(command: list[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def heard(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


async def loads(redis: Redis, prefix: str) -> int:
    number = int(await redis.get(f"{prefix}:loads") or 0)
    await redis.delete(f"{prefix}:loads", f"{prefix}:arrived")
    return number


async def test_with_a_lease_one_of_them_loads(
    redis_url: str, redis: Redis, key_prefix: str
) -> None:
    began = time.monotonic()
    said = await miss_together(redis_url, key_prefix, 60)

    assert said == [(READERS, 0)] * PROCESSES
    assert await loads(redis, key_prefix) == 1
    assert time.monotonic() - began < 50  # woken, and not by the end of the lease


async def test_without_one_each_loads_once(redis_url: str, redis: Redis, key_prefix: str) -> None:
    said = await miss_together(redis_url, key_prefix, 0)

    assert said == [(READERS, 0)] * PROCESSES
    assert await loads(redis, key_prefix) == PROCESSES


async def test_nobody_hangs_when_the_load_fails(
    redis_url: str, redis: Redis, key_prefix: str
) -> None:
    """Its own readers get the error; of the other processes one loads."""
    began = time.monotonic()
    said = await miss_together(redis_url, key_prefix, 60, "fails")

    assert sorted(said) == [(0, READERS), *[(READERS, 0)] * (PROCESSES - 1)]
    assert await loads(redis, key_prefix) == 2
    assert time.monotonic() - began < 50
