"""Relays on real databases and a real Valkey, beside processes that are killed and stopped."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis

from cache.clock import SystemClock
from cache.facts import Fact, Invalidated
from cache.relay import Relay
from cache.stores.memory import MemoryServer, MemoryStore
from cache.stores.redis import RedisStore
from cache.tasks import end
from tests.support import outbox_writer
from tests.support.outboxes import Driver
from tests.support.polling import eventually
from tests.support.worlds.clock import ManualClock

DELTA = 2.0
"""Seconds: twice the usual, so that a slow machine is not taken for a broken relay."""


@asynccontextmanager
async def process(driver: Driver, url: str, what: str) -> AsyncIterator[tuple[int, str]]:
    """A writer or relay at its worst moment: its process id, and what it said."""
    name = "tortoise" if driver.table == "outbox" else "sqlalchemy"
    command = [str(Path(outbox_writer.__file__)), name, url, what]
    started = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert started.stdout is not None
        said = await asyncio.wait_for(started.stdout.readline(), 30)
        yield started.pid, said.decode().strip()
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()
        await asyncio.sleep(0)


@asynccontextmanager
async def relaying(store: RedisStore, driver: Driver) -> AsyncIterator[list[Fact]]:
    facts: list[Fact] = []
    relay = Relay(store, driver.outbox, max_staleness=DELTA, clock=SystemClock(), tell=facts.append)
    task = asyncio.create_task(relay.run())
    try:
        yield facts
    finally:
        await end([task])  # as a cache does it: one cancellation can be lost
        await relay.aclose()


async def is_purged(store: RedisStore) -> bool:
    return (await store.look(["product:1"])).watermarks["product:1"] is not None


@pytest.fixture
async def store(redis: Redis, key_prefix: str) -> AsyncIterator[RedisStore]:
    store = RedisStore(redis, key_prefix)
    yield store
    await store.aclose()


async def test_what_a_killed_writer_committed_is_published_within_delta(
    driver: Driver, database_url: str, store: RedisStore
) -> None:
    async with (
        relaying(store, driver) as facts,
        process(driver, database_url, "commit") as (pid, _),
    ):
        os.kill(pid, signal.SIGKILL)

        async def published() -> bool:
            return await is_purged(store)

        await eventually(published, patience=DELTA)
        await asyncio.sleep(DELTA / 2)
        assert sum(isinstance(fact, Invalidated) for fact in facts) == 1
    assert await driver.outbox.waiting((await store.look(())).head.epoch, 10) == []


async def test_without_a_relay_it_is_not(
    driver: Driver, database_url: str, store: RedisStore
) -> None:
    """The control: the row is there, and nobody publishes it."""
    async with process(driver, database_url, "commit") as (pid, said):
        assert said == "committed"
        os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(DELTA)
        assert not await is_purged(store)
    [row] = await driver.outbox.waiting("none", 10)
    assert row.tags == {"product:1"}


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP])
async def test_what_another_relay_held_when_it_was_killed_or_stopped_is_published(
    driver: Driver, database_url: str, store: RedisStore, blow: signal.Signals
) -> None:
    async with driver.transaction():
        await driver.outbox.add(["product:1"])
    async with process(driver, database_url, "hold") as (pid, said):
        assert said == "holding 1"
        os.kill(pid, blow)
        async with relaying(store, driver) as facts:

            async def published() -> bool:
                return await is_purged(store)

            await eventually(published, patience=DELTA)
            await asyncio.sleep(DELTA / 2)
            # What is held cannot be marked; it is not published with every look for that.
            assert sum(isinstance(fact, Invalidated) for fact in facts) == 1


async def test_relays_at_once_publish_each_row(driver: Driver) -> None:
    """Each row once on PostgreSQL, at least once on SQLite, and then nothing is left."""
    added = [await driver.outbox.add_alone([f"product:{number}"]) for number in range(60)]
    server, clock = MemoryServer(), ManualClock()
    facts: list[Fact] = []
    relays = [
        Relay(
            MemoryStore(server),
            driver.outbox,
            max_staleness=DELTA,
            clock=clock,
            tell=facts.append,
        )
        for _ in range(4)
    ]
    for relay in relays:
        await relay.step()
    clock.passes(DELTA / 4)
    async with asyncio.TaskGroup() as tasks:
        for relay in relays:
            tasks.create_task(relay.step())
    purged = [tag for fact in facts if isinstance(fact, Invalidated) for tag in fact.tags]
    assert len(set(purged)) == len(added)
    if driver.outbox._dialect == "postgresql":
        assert len(purged) == len(added)
    assert await driver.outbox.waiting(server.position().epoch, 10) == []
    for relay in relays:
        await relay.aclose()


async def test_a_drain_beside_a_held_row_waits_for_nobody(driver: Driver) -> None:
    held = await driver.outbox.add_alone(["product:1"])
    server = MemoryServer()
    relay = Relay(MemoryStore(server), driver.outbox, max_staleness=DELTA, clock=SystemClock())
    async with driver.outbox.unpublished("none", 10) as rows:
        assert [row.id for row in rows] == [held]
        position = await asyncio.wait_for(relay.drain(), 5)
        assert server.watermarks["product:1"].value == position
    await relay.aclose()
    # Whether the mark came through is another matter: it goes out again, or not.
    assert {one.published for one in (await driver.outbox.read([held])).values()} <= {
        None,
        position,
    }
