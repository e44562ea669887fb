"""Redis is killed, or hangs, in the middle of appends: nothing acknowledged is lost, nothing twice.

`test_restarts.py` kills it when all is answered; here many clients append all the time.
"""

import asyncio
import itertools
import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cache.stores.connection import open_redis
from cache.writes import NotAcknowledged, Once
from ops.embedded import ValkeyServer
from tests.support.polling import eventually
from tests.support.write_behind import SteppedProgress, Worker, a_worker, sql_views

CLIENTS = 16
ENOUGH = 300
"""Operations that are acknowledged before the fault, and again after it."""


@dataclass
class Told:
    """What clients were told of their operations: numbers of those, by outcome."""

    acknowledged: set[int] = field(default_factory=set)
    unknown: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)

    async def are(self, outcome: str, number: int) -> None:
        """Wait until so many have this outcome."""

        async def enough() -> bool:
            return len(getattr(self, outcome)) >= number

        await eventually(enough, patience=60.0)


def product_of(number: int, products: int) -> int:
    return number % products + 1


def once(number: int) -> Once:
    return Once(f"operation-{number}", "one view")


@asynccontextmanager
async def appending(one: Worker, products: int, *, keyed: bool) -> AsyncIterator[Told]:
    """Clients that append one view after the other, until the end of the block."""
    told, numbers, done = Told(), itertools.count(), asyncio.Event()

    async def client() -> None:
        while not done.is_set():
            number = next(numbers)
            key = str(product_of(number, products))
            try:
                await one.views.add(key, 1, once(number) if keyed else None)
            except NotAcknowledged as error:
                (told.unknown if error.sent else told.refused).add(number)
                await asyncio.sleep(0.02)
            else:
                told.acknowledged.add(number)

    clients = [asyncio.create_task(client()) for _ in range(CLIENTS)]
    try:
        yield told
    finally:
        done.set()
        await asyncio.gather(*clients)


async def flushed(url: str, prefix: str, products: int) -> dict[int, int]:
    """What a worker that starts now has in SQL when nothing waits; it shows the same."""
    async with a_worker(url, prefix, lease=1.0) as heir:
        await heir.drain()
        counted = await sql_views()
        keys = [str(number) for number in range(1, products + 1)]
        assert await heir.views.read(keys) == [counted.get(int(key), 0) for key in keys]
    return counted


def assert_between(counted: dict[int, int], told: Told, products: int) -> None:
    """Of each product every acknowledged view, and none that nobody asked for."""
    least = Counter(product_of(number, products) for number in told.acknowledged)
    unknown = Counter(product_of(number, products) for number in told.unknown)
    for product in range(1, products + 1):
        found = counted.get(product, 0)
        assert least[product] <= found <= least[product] + unknown[product], product


@contextmanager
def on_a_disk_that_never_stalls(fsync: str) -> Iterator[ValkeyServer]:
    """With `everysec` a killed process loses what it could not write while the disk was busy."""
    memory = Path("/dev/shm")
    directory = Path(tempfile.mkdtemp(prefix="fqv", dir=memory if memory.is_dir() else None))
    try:
        with ValkeyServer(directory, options={"appendfsync": fsync}) as server:
            yield server
    finally:
        shutil.rmtree(directory)


# ---- killed ----


@pytest.mark.parametrize("fsync", ["everysec", "always"])
async def test_killed_in_the_middle_of_appends_it_lost_nothing_that_was_acknowledged(
    products: int, key_prefix: str, fsync: str
) -> None:
    with on_a_disk_that_never_stalls(fsync) as server:
        async with a_worker(server.url, key_prefix) as one:
            async with appending(one, products, keyed=False) as told:
                await told.are("acknowledged", ENOUGH)
                await one.flush()  # SQL has a part of it, the rest is the backlog
                await told.are("acknowledged", 2 * ENOUGH)
                await asyncio.to_thread(server.stop, kill=True)
                before = len(told.acknowledged)
                await asyncio.to_thread(server.start)
                await told.are("acknowledged", before + ENOUGH)
            assert await one.waiting() > 0
        assert_between(await flushed(server.url, key_prefix, products), told, products)


async def test_control_without_the_log_the_same_check_finds_the_loss(
    products: int, key_prefix: str
) -> None:
    """What `ops/redis_check.py` warns of."""
    with on_a_disk_that_never_stalls("always") as server:
        told = await appended_without_a_log(server, key_prefix, products)
        counted = await flushed(server.url, key_prefix, products)
    with pytest.raises(AssertionError):
        assert_between(counted, told, products)


async def appended_without_a_log(server: ValkeyServer, prefix: str, products: int) -> Told:
    """Somebody turns the log off · Redis is killed in the middle of appends, and comes back."""
    async with (
        a_worker(server.url, prefix) as one,
        appending(one, products, keyed=False) as told,
    ):
        await told.are("acknowledged", ENOUGH)
        await one.redis.config_set("appendonly", "no")
        await told.are("acknowledged", 2 * ENOUGH)
        await asyncio.to_thread(server.stop, kill=True)
        shutil.rmtree(server.directory / "appendonlydir")
        await asyncio.to_thread(server.start)
        await told.are("acknowledged", 3 * ENOUGH)
    return told


# ---- hung ----


async def hangs(products: int, key_prefix: str, *, keyed: bool) -> tuple[Told, dict[int, int]]:
    """Redis hangs in the middle of appends and goes on · what is not acknowledged is sent again."""
    with on_a_disk_that_never_stalls("everysec") as server:
        redis = open_redis(server.url, budget=0.2)
        one = Worker(redis, key_prefix, SteppedProgress())
        async with appending(one, products, keyed=keyed) as told:
            await told.are("acknowledged", ENOUGH)
            server.pause()
            await told.are("unknown", 1)
            await told.are("refused", CLIENTS)  # the breaker opened: nothing is sent any more
            server.resume()
            before = len(told.acknowledged)
            await told.are("acknowledged", before + ENOUGH)
        assert_between(await flushed(server.url, key_prefix, products), told, products)
        for number in told.unknown | told.refused:
            key = str(product_of(number, products))
            await one.views.add(key, 1, once(number) if keyed else None)
        counted = await flushed(server.url, key_prefix, products)
        await redis.aclose()
    return told, counted


def every(told: Told, products: int) -> dict[int, int]:
    """Each operation once."""
    numbers = told.acknowledged | told.unknown | told.refused
    return dict(Counter(product_of(number, products) for number in numbers))


async def test_hung_in_the_middle_of_appends_nothing_is_applied_twice(
    products: int, key_prefix: str
) -> None:
    told, counted = await hangs(products, key_prefix, keyed=True)
    assert counted == every(told, products)


async def test_control_without_keys_what_is_sent_again_is_applied_twice(
    products: int, key_prefix: str
) -> None:
    told, counted = await hangs(products, key_prefix, keyed=False)
    assert sum(counted.values()) > sum(every(told, products).values())
