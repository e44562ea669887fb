"""Promise 8: Redis stopped, hung, emptied, full, evicting, replaced, in the middle of traffic.

In each: no wrong answer, no request that waits for Redis longer than 150 ms in all, and hits again
within 5 s of its return. The control is a worker that goes on trusting what it knows.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from cache import Cache, RedisStore
from cache.protocol import ALL, Rules
from cache.stores.connection import open_redis
from tests.cache.faults.traffic import BUDGET, HEALING, ListOutbox, Traffic
from tests.support.proxy import Proxy
from tests.support.servers import ValkeyServer, valkey

Fault = Callable[[ValkeyServer], Awaitable[None]]
LASTS = 1.5
"""Seconds that a fault lasts: longer than Δ."""


@asynccontextmanager
async def under_way(url: str, rules: Rules = ALL) -> AsyncIterator[Traffic]:
    """Traffic on two workers, each with a connection pool of its own."""
    outbox = ListOutbox()
    redis = [open_redis(url) for _ in range(2)]
    traffic = Traffic([], outbox)
    workers = [
        Cache(RedisStore(one, "faults"), outbox=outbox, observers=[traffic.observe], rules=rules)
        for one in redis
    ]
    traffic.workers = workers
    for worker in workers:
        await worker.start()
        await worker.catch_up(5.0)
    done = asyncio.Event()
    running = asyncio.create_task(traffic.run(done))
    try:
        await traffic.hits_return(5.0)
        yield traffic
    finally:
        done.set()
        await running
        for worker in workers:
            await worker.close()
        for one in redis:
            await one.aclose()


async def stop_and_start(server: ValkeyServer) -> None:
    """Down, and back with its data."""
    await asyncio.to_thread(server.stop)
    await asyncio.sleep(LASTS)
    await asyncio.to_thread(server.start)


async def kill_and_start(server: ValkeyServer) -> None:
    """Killed, and back with its data."""
    await asyncio.to_thread(server.stop, kill=True)
    await asyncio.sleep(LASTS)
    await asyncio.to_thread(server.start)


async def hang(server: ValkeyServer) -> None:
    """Stopped by a signal: connections stay, nothing answers."""
    server.pause()
    await asyncio.sleep(LASTS)
    server.resume()


async def empty(server: ValkeyServer) -> None:
    """Back without its data, in the same incarnation: as after an administrator's mistake."""
    async with Redis.from_url(server.url) as redis:
        await redis.flushdb()


async def lose_the_log(server: ValkeyServer) -> None:
    """The log alone is gone."""
    async with Redis.from_url(server.url) as redis:
        await redis.delete("{faults}:log")


async def evict_watermarks(server: ValkeyServer) -> None:
    """All watermarks are gone, the entries are not."""
    async with Redis.from_url(server.url) as redis:
        await redis.delete(*(f"{{faults}}:w:row:{row}" for row in range(20)))


async def fill_up(server: ValkeyServer) -> None:
    """No memory for anything new: fills fail, purges do not."""
    async with Redis.from_url(server.url) as redis:
        await redis.config_set("maxmemory", "1mb")
        await asyncio.sleep(LASTS)
        await redis.config_set("maxmemory", "0")


FAULTS: list[Fault] = [
    stop_and_start,
    kill_and_start,
    hang,
    empty,
    lose_the_log,
    evict_watermarks,
    fill_up,
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_reads_stay_right_and_wait_for_nothing(fault: Fault) -> None:
    with valkey() as server:
        async with under_way(server.url) as traffic:
            async with traffic.fault():
                await fault(server)
            took = await traffic.hits_return(HEALING)
            await asyncio.sleep(0.5)

        assert traffic.wrong == []
        assert traffic.slow == [], f"waits of more than {BUDGET} s"
        assert took < HEALING
        assert traffic.writes > 50
        assert traffic.reads > 300


async def test_a_replica_without_the_logs_tail_is_promoted() -> None:
    """Purges that only the old primary had are published again: its epoch ends (F3, W1)."""
    with valkey(tcp=True) as primary, valkey(tcp=True) as replica:
        assert primary.port is not None
        assert replica.port is not None
        async with Redis(port=replica.port) as admin:
            await admin.execute_command("REPLICAOF", "127.0.0.1", primary.port)
            async with Proxy(primary.port) as proxy:
                await _linked(admin)
                async with under_way(f"redis://127.0.0.1:{proxy.port}") as traffic:
                    async with traffic.fault():
                        replica.pause()
                        await asyncio.sleep(0.5)  # the primary goes on alone: this tail is lost
                        await asyncio.to_thread(primary.stop, kill=True)
                        replica.resume()
                        await admin.execute_command("REPLICAOF", "NO", "ONE")
                        proxy.point_to(replica.port)
                    took = await traffic.hits_return(HEALING)
                    await asyncio.sleep(0.5)

    assert traffic.wrong == []
    assert traffic.slow == []
    assert took < HEALING


async def test_entries_and_watermarks_are_evicted_all_the_time() -> None:
    """The entries' server may evict as it likes; a second one keeps the log and the watermarks."""
    with (
        valkey(maxmemory="1500kb", maxmemory_policy="allkeys-random") as entries,
        valkey() as state,
    ):
        outbox = ListOutbox()
        traffic = Traffic([], outbox)
        first, second = open_redis(entries.url), open_redis(state.url)
        store = RedisStore(first, "faults", state=second)
        worker = Cache(store, outbox=outbox, observers=[traffic.observe])
        traffic.workers = [worker]
        await worker.start()
        done = asyncio.Event()
        running = asyncio.create_task(traffic.run(done))
        async with Redis.from_url(entries.url) as pressure:
            for number in range(3_000):
                await pressure.set(f"other:{number}", b"x" * 1_000)
            evicted = (await pressure.info("stats"))["evicted_keys"]
        await traffic.hits_return(HEALING)
        done.set()
        await running
        await worker.close()
        await first.aclose()
        await second.aclose()

    assert evicted > 0
    assert traffic.wrong == []
    assert traffic.slow == []


async def _linked(replica: Redis) -> None:
    async with asyncio.timeout(20):
        while (await replica.info("replication"))["master_link_status"] != "up":
            await asyncio.sleep(0.05)


async def test_the_control_a_worker_that_trusts_what_it_knew_answers_wrong() -> None:
    """F2 and J5 off: while Redis hangs, a worker answers from memory, whatever was written."""
    rules = ALL.without("f2_current", "w5_outbox_id", "w5_position", "j5_bypass", "j5_token")
    with valkey() as server:
        async with under_way(server.url, rules) as traffic, traffic.fault():
            await hang(server)

        assert traffic.wrong != []
