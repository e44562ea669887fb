"""How long after a purge another worker knows of it.

    python -m benchmarks.following [--short]

One worker purges, a hundred times a second; another, in a process of its own, follows the log. For
each purge: the milliseconds from its begin until the other judges by it, on one clock. Beside it
the bound that is promised, and the share of purges that arrived within an eighth of it.
"""

import asyncio
import multiprocessing
import statistics
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection

from benchmarks.servers import command_line, valkey
from cache import Cache, RedisStore
from cache.protocol import MAX_STALENESS

PAUSE = 0.01
"""Seconds between two purges."""


async def follow(url: str, told: Connection) -> None:
    """Tell the time at which each position of the log was applied, until told to stop."""
    async with Cache(RedisStore.open(url, "bench")) as cache:
        await cache.catch_up(10.0)
        told.send("ready")
        seen: list[tuple[int, float]] = []
        last = cache.applied
        while not told.poll():
            if cache.applied != last:
                last = cache.applied
                assert last is not None
                seen.append((last.id, time.monotonic()))
            await asyncio.sleep(0)
        told.send(seen)


def run_follower(url: str, told: Connection) -> None:
    """The follower's process."""
    asyncio.run(follow(url, told))


async def purge(url: str, purges: int) -> list[tuple[int, float]]:
    """Send purges; the position of each, and when it began."""
    store = RedisStore.open(url, "bench")
    sent = []
    for number in range(purges):
        began = time.monotonic()
        position = await store.invalidate([f"row:{number % 100}"])
        sent.append((position.id, began))
        await asyncio.sleep(PAUSE)
    await store.aclose()
    return sent


def lags(sent: Sequence[tuple[int, float]], seen: Sequence[tuple[int, float]]) -> list[float]:
    """For each purge the milliseconds until something at or after it was applied."""
    found, index = [], 0
    for identifier, began in sent:
        while seen[index][0] < identifier:
            index += 1
        found.append((seen[index][1] - began) * 1_000)
    return sorted(found)


def measure(url: str, purges: int) -> None:
    """Print the distribution."""
    mine, others = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=run_follower, args=(url, others))
    process.start()
    assert mine.recv() == "ready"
    sent = asyncio.run(purge(url, purges))
    time.sleep(MAX_STALENESS)  # the last ones arrive
    mine.send("stop")
    found = lags(sent, mine.recv())
    process.join()
    bound = MAX_STALENESS * 1_000
    within = sum(lag < bound / 8 for lag in found) / len(found)
    print(f"purges {len(found)}: p50 {statistics.median(found):.2f} ms", end=", ")
    print(f"p99 {found[int(len(found) * 0.99)]:.2f} ms, max {found[-1]:.2f} ms")
    print(f"bound {bound:.0f} ms; within an eighth of it: {within:.1%}")


def main() -> None:
    """Read the command line."""
    chosen = command_line(__doc__).parse_args()
    with valkey() as port:
        measure(f"redis://127.0.0.1:{port}", 50 if chosen.short else 3_000)


if __name__ == "__main__":
    main()
