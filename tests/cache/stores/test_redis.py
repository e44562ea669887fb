"""What is particular to Redis: exchanges, times to live, bounds, servers in trouble."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError

from cache.breaker import Breaker
from cache.errors import StoreUnavailable
from cache.facts import Fact, RoundTrip
from cache.policy import MAX_LIFETIME
from cache.protocol import Position
from cache.stores import redis as redis_store
from cache.stores.base import Fill
from cache.stores.connection import GuardedRedis, open_redis
from cache.stores.redis import RedisStore
from tests.support.polling import eventually
from tests.support.servers import ValkeyServer, valkey


@pytest.fixture
async def wire(redis_url: str) -> AsyncIterator[GuardedRedis]:
    client = open_redis(redis_url, budget=5.0)
    yield client
    await client.aclose()


@pytest.fixture
async def store(wire: GuardedRedis, key_prefix: str) -> AsyncIterator[RedisStore]:
    store = RedisStore(wire, key_prefix)
    yield store
    await store.aclose()


@pytest.fixture(scope="module")
def other_url() -> Iterator[str]:
    with valkey() as server:
        yield server.url


@asynccontextmanager
async def store_of(server: ValkeyServer, **options: object) -> AsyncIterator[RedisStore]:
    redis = open_redis(server.url, **{"budget": 5.0, **options})
    store = RedisStore(redis, "p")
    try:
        yield store
    finally:
        await store.aclose()
        await redis.aclose()


# ---- exchanges ----


async def test_a_look_up_and_a_look_are_one_round_trip(
    wire: GuardedRedis, store: RedisStore
) -> None:
    await store.look(["tag"])
    before = wire.round_trips

    await asyncio.gather(store.get(["a", "b"]), store.look(["tag"]), store.get(["c"]))

    assert wire.round_trips == before + 1


async def test_storing_and_remembering_are_one_round_trip(
    wire: GuardedRedis, store: RedisStore
) -> None:
    await store.remember({"tag": 1.0})
    before = wire.round_trips

    await asyncio.gather(
        store.put([Fill(str(n), b"value", 60) for n in range(10)]), store.remember({"tag": 60.0})
    )

    assert wire.round_trips == before + 1


async def test_with_entries_apart_each_server_is_asked_once(
    wire: GuardedRedis, other_url: str, key_prefix: str
) -> None:
    entries = open_redis(other_url, budget=5.0)
    store = RedisStore(entries, key_prefix, state=wire)
    await store.look(["tag"])
    before = wire.round_trips, entries.round_trips

    await asyncio.gather(store.get(["a", "b"]), store.look(["tag"]))

    assert (wire.round_trips, entries.round_trips) == (before[0] + 1, before[1] + 1)
    assert await wire.exists(f"{key_prefix}:e:a") == 0
    assert await entries.exists(f"{{{key_prefix}}}:state") == 0
    await entries.aclose()


async def test_what_it_asks_is_told(wire: GuardedRedis, key_prefix: str) -> None:
    facts: list[Fact] = []
    store = RedisStore(wire, key_prefix, observers=[facts.append])
    await store.get(["a", "b"])
    head = (await store.follow(None, 0)).head
    await store.follow(head, 0.125)

    assert facts == [RoundTrip("get", 2), RoundTrip("follow", 1), RoundTrip("follow", 2)]
    await store.aclose()


async def test_scripts_that_the_server_forgot_are_sent_again(
    wire: GuardedRedis, store: RedisStore
) -> None:
    head = await store.invalidate(["tag"])
    await wire.script_flush()

    assert (await store.look(["tag"])).head == head
    assert (await store.follow(None, 0)).head == head


# ---- what is stored ----


async def test_epochs_have_short_names(store: RedisStore) -> None:
    epoch = (await store.look(())).head.epoch

    assert len(epoch) == 16
    assert int(epoch, 16) >= 0


async def test_every_key_ends_or_is_one_of_two(
    store: RedisStore, redis: Redis, key_prefix: str
) -> None:
    await store.put([Fill("entry", b"value", 30.0)])
    await store.invalidate(["purged"])
    await store.remember({"read": 40.0})

    async def milliseconds(key: str) -> int:
        return int(await redis.pttl(key))

    tagged = f"{{{key_prefix}}}:w:"
    assert 0 < await milliseconds(f"{key_prefix}:e:entry") <= 30_000
    assert 30_000 < await milliseconds(f"{tagged}read") <= 40_000
    assert await milliseconds(f"{tagged}purged") > MAX_LIFETIME * 1000
    assert await milliseconds(f"{{{key_prefix}}}:state") == -1
    assert await milliseconds(f"{{{key_prefix}}}:log") == -1


async def test_the_log_says_what_and_in_which_epoch(
    store: RedisStore, redis: Redis, key_prefix: str
) -> None:
    start = (await store.look(())).head
    position = await store.invalidate(["b", "a"])

    [(identifier, fields)] = await redis.xrange(f"{{{key_prefix}}}:log", f"({start.id}-0")
    assert identifier == b"%d-0" % position.id
    assert fields == {
        b"predecessor": b"%d" % start.id,
        b"epoch": position.epoch.encode(),
        b"tags": b'["a","b"]',
    }


async def test_the_log_forgets_what_is_older_than_ten_minutes(
    store: RedisStore, redis: Redis, key_prefix: str
) -> None:
    await store.look(())
    log = f"{{{key_prefix}}}:log"
    await redis.delete(log)
    ago = int((time.time() - 700) * 1000)
    pipeline = redis.pipeline()
    for index in range(350):
        pipeline.xadd(log, {"predecessor": "0", "epoch": "", "tags": "[]"}, f"{ago + index}-0")
    await pipeline.execute()

    position = await store.invalidate(["tag"])

    kept = await redis.xrange(log)
    assert len(kept) <= 101  # whole nodes of a hundred go at once
    assert kept[-1][0] == b"%d-0" % position.id


async def test_a_position_is_the_servers_time_or_one_more(store: RedisStore) -> None:
    before = (await store.look(())).now
    position = await store.invalidate(["tag"])
    after = (await store.look(())).now

    assert before * 1000 - 1 <= position.id <= after * 1000 + 1


async def test_a_clock_that_was_set_back_does_not_set_back_positions(
    store: RedisStore, redis: Redis, key_prefix: str
) -> None:
    head = await store.invalidate(["tag"])
    future = head.id + 3_600_000
    fields = {"predecessor": str(head.id), "epoch": head.epoch, "tags": "[]"}
    await redis.xadd(f"{{{key_prefix}}}:log", fields, f"{future}-0")

    position = await store.invalidate(["tag"])

    assert position == Position(head.epoch, future + 1)
    assert [purge.id for purge in (await store.follow(head, 0)).purges] == [future, future + 1]


# ---- a server in trouble ----


async def _fill_up(redis: Redis) -> None:
    with pytest.raises(OutOfMemoryError):  # noqa: PT012 (until it is full)
        for number in range(100_000):
            await redis.set(f"filler:{number}", b"x" * 10_000)
    with pytest.raises(OutOfMemoryError):  # noqa: PT012 (and the last bytes)
        for number in range(100_000):
            await redis.set(f"small:{number}", b"x")


async def test_a_full_server_still_purges_and_judges() -> None:
    with valkey(maxmemory="6mb") as server:
        async with store_of(server) as store:
            await store.put([Fill("entry", b"value", 60)])
            old = await store.invalidate(["tag"])
            redis = Redis.from_url(server.url)
            await _fill_up(redis)

            purged = await store.invalidate(["tag", "new"])
            look = await store.look(["tag", "new"])
            assert look.watermarks == {"tag": purged, "new": purged}
            assert [purge.id for purge in (await store.follow(old, 0)).purges] == [purged.id]
            assert list(await store.get(["entry"])) == [b"value"]
            begun = await store.relay_begins(60.0)
            assert begun.head == purged
            await store.relay_looked(purged.epoch, begun.now)
            assert (await store.renew(purged.epoch)).epoch != purged.epoch

            for refused in (
                store.put([Fill("other", b"x" * 100, 60)]),
                store.remember({"another": 60.0}),
            ):
                with pytest.raises(StoreUnavailable, match="OutOfMemory"):
                    await refused
            await redis.aclose()


Ask = Callable[[RedisStore], Awaitable[object]]
ASKS: list[Ask] = [
    lambda store: store.look(["tag"]),
    lambda store: store.remember({"tag": 60.0}),
    lambda store: store.invalidate(["tag"]),
    lambda store: store.follow(None, 0),
    lambda store: store.renew(),
    lambda store: store.relay_begins(60.0),
    lambda store: store.relay_looked("epoch", 0.0),
]
ASKED = ["look", "remember", "invalidate", "follow", "renew", "relay_begins", "relay_looked"]


@pytest.fixture(scope="module")
def replica() -> Iterator[ValkeyServer]:
    """A replica whose primary is away: its data is there, and old."""
    with valkey(replicaof="127.0.0.1 1") as server:
        yield server


@pytest.mark.parametrize("ask", ASKS, ids=ASKED)
async def test_a_replica_answers_nothing(replica: ValkeyServer, ask: Ask) -> None:
    """It does not know what its primary has purged meanwhile."""
    async with store_of(replica) as store:
        with pytest.raises(StoreUnavailable, match=r"ReadOnly|READONLY"):
            await ask(store)


async def test_a_promoted_replica_begins_a_new_epoch() -> None:
    """1. a replica has the log, perhaps without its end  2. the primary dies  3. it is promoted."""
    with (
        valkey(tcp=True, repl_diskless_sync_delay="0") as primary,
        valkey(replicaof=f"127.0.0.1 {primary.port}") as second,
    ):
        async with store_of(primary) as store, store_of(second) as promoted:
            old = await store.invalidate(["tag"])
            redis = Redis.from_url(second.url)

            async def has_it() -> bool:
                return bool(await redis.exists("{p}:w:tag"))

            await eventually(has_it)
            primary.stop(kill=True)
            await redis.execute_command("REPLICAOF", "NO", "ONE")

            answer = await promoted.follow(old, 0)

            assert answer.head.epoch != old.epoch
            assert list(answer.purges) == []
            await redis.aclose()


async def test_a_restarted_server_begins_a_new_epoch() -> None:
    """Its append-only log may lack what was acknowledged in the last second."""
    with valkey() as server:
        async with store_of(server, breaker=Breaker(threshold=1_000)) as store:
            old = await store.invalidate(["tag"])
            await store.put([Fill("entry", b"value", 60)])
            server.stop()
            with pytest.raises(StoreUnavailable):
                await store.look(())
            server.start()

            look = await store.look(["tag"])

            assert look.head.epoch != old.epoch
            assert list(await store.get(["entry"])) == [b"value"]


async def test_an_unreachable_server_says_whether_anything_was_sent() -> None:
    with valkey() as server:
        async with store_of(server, breaker=Breaker(pause=60)) as store:
            await store.look(())
            server.stop()
            sent = []
            for _ in range(3):
                with pytest.raises(StoreUnavailable) as refused:
                    await store.look(())
                sent.append(refused.value.sent)
            server.start()

    assert sent == [True, True, False]


async def test_a_purge_is_tried_though_the_breaker_is_open(
    wire: GuardedRedis, store: RedisStore
) -> None:
    await store.look(())
    wire.breaker.failed(waited=True)
    with pytest.raises(StoreUnavailable, match="not asked yet"):
        await store.get(["a"])

    position = await store.invalidate(["tag"])

    assert (await store.look(["tag"])).watermarks == {"tag": position}


# ---- the follower's line ----


async def test_a_follower_has_a_line_of_its_own() -> None:
    """It waits on the only connection of the pool else, and a breaker would refuse it."""
    with valkey() as server:
        async with store_of(server, connections=1, breaker=Breaker(pause=60)) as store:
            head = (await store.follow(None, 0)).head
            waiting = asyncio.create_task(store.follow(head, 60.0))
            for _ in range(10):
                await store.look(())
            store._redis.breaker.failed(waited=True)
            with pytest.raises(StoreUnavailable):
                await store.look(())

            async with store_of(server) as other:
                position = await other.invalidate(["tag"])
                async with asyncio.timeout(20):
                    assert (await waiting).head == position
                assert (await store.follow(position, 0)).head == position


@pytest.mark.parametrize("blocks", [False, True], ids=["as it is", "the server waits, always"])
async def test_a_short_wait_is_short_though_the_server_has_nothing_to_do(
    monkeypatch: pytest.MonkeyPatch, blocks: bool
) -> None:
    """A worker that is to hear of purges every 0.0125 s must not wait for the server's timer."""
    if blocks:
        monkeypatch.setattr(redis_store, "_SHORTEST_BLOCK", 0.0)
    waits = []
    with valkey() as server:
        async with store_of(server) as store:
            head = (await store.follow(None, 0)).head
            for _ in range(10):
                began = time.monotonic()
                await store.follow(head, 0.0125)
                waits.append(time.monotonic() - began)

    assert min(waits) >= 0.0125
    assert (min(waits[1:]) < 0.05) is not blocks  # the first may meet the timer


async def test_a_follower_gives_up_on_a_server_that_hangs_and_comes_back() -> None:
    with valkey() as server:
        async with store_of(server) as store:
            head = (await store.follow(None, 0)).head
            server.pause()
            began = time.monotonic()
            with pytest.raises(StoreUnavailable, match="TimeoutError"):
                await store.follow(head, 0.1)
            took = time.monotonic() - began
            server.resume()

            assert 0.3 < took < 2
            assert (await store.follow(head, 0)).head == head


async def test_a_follower_connects_again() -> None:
    with valkey() as server:
        async with store_of(server) as store:
            head = (await store.follow(None, 0)).head
            waiting = asyncio.create_task(store.follow(head, 60.0))
            for _ in range(10):
                await store.look(())
            server.stop()
            with pytest.raises(StoreUnavailable):
                await waiting
            with pytest.raises(StoreUnavailable):
                await store.follow(head, 0)
            server.start()

            assert (await store.follow(head, 0)).head.epoch != head.epoch


async def test_a_follower_that_was_cancelled_reads_its_own_answers(
    store: RedisStore, wire: GuardedRedis
) -> None:
    """The reply to a question that nobody waits for must not be taken for the next one's."""
    head = (await store.follow(None, 0)).head
    for number in range(50):
        asking = asyncio.create_task(store.follow(head, 0.5))
        await asyncio.sleep(0.0001 * number)
        asking.cancel()
        await asyncio.wait({asking})
        position = await store.invalidate([f"tag {number}"])
        answer = await store.follow(head, 0)
        assert [purge.tags for purge in answer.purges] == [(f"tag {number}",)]
        head = position
