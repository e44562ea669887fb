"""A real cluster: exchanges, moved slots, nodes that are away, failover."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

import pytest
from redis.crc import key_slot
from redis.exceptions import ResponseError

from cache.errors import StoreUnavailable
from cache.facts import Fact, StoreFailed
from cache.keys import storage_key
from cache.protocol import Position
from cache.records import Records
from cache.stores.base import Fill
from cache.stores.connection import GuardedCluster, open_redis
from cache.stores.redis import RedisStore
from tests.support.cluster import Cluster, ClusterNode, cluster
from tests.support.polling import eventually
from tests.support.servers import free_port

KEYS = [f"key {number}" for number in range(60)]
FILLS = [Fill(key, key.encode(), 600) for key in KEYS]
VALUES = [key.encode() for key in KEYS]


@pytest.fixture(scope="module")
def three() -> Iterator[Cluster]:
    with cluster() as nodes:
        yield nodes
        assert sum(node.errors("CROSSSLOT") for node in nodes.nodes) == 0


@pytest.fixture
async def wire(three: Cluster) -> AsyncIterator[GuardedCluster]:
    client = open_redis(three.url, budget=5.0)
    assert isinstance(client, GuardedCluster)
    yield client
    await client.aclose()


@pytest.fixture
async def store(wire: GuardedCluster, key_prefix: str) -> AsyncIterator[RedisStore]:
    store = RedisStore(wire, key_prefix)
    yield store
    await store.aclose()


@asynccontextmanager
async def store_on(
    nodes: Cluster, prefix: str, budget: float = 5.0, facts: list[Fact] | None = None
) -> AsyncIterator[RedisStore]:
    redis = open_redis(nodes.url, budget=budget)
    store = RedisStore(redis, prefix, observers=[] if facts is None else [facts.append])
    try:
        yield store
    finally:
        await store.aclose()
        await redis.aclose()


def state_key(prefix: str) -> str:
    return f"{{{prefix}}}:log"


def is_on(key: str, node: ClusterNode, nodes: Cluster, prefix: str) -> bool:
    return nodes.owner(storage_key(prefix, key)) is node


def other_than(nodes: Cluster, *known: ClusterNode) -> ClusterNode:
    return next(node for node in nodes.primaries if node not in known)


# ---- exchanges ----


def _trips(wire: GuardedCluster) -> dict[int, int]:
    return {id(node): node.round_trips for node in wire._topology.nodes}


async def test_a_tick_is_one_round_trip_for_each_node(
    three: Cluster, wire: GuardedCluster, store: RedisStore
) -> None:
    await store.look(["tag"])
    await store.put(FILLS)
    before = _trips(wire)
    gets = [node.calls("get") for node in three.nodes]

    stored, _, more = await asyncio.gather(
        store.get(KEYS[:30]), store.look(["tag"]), store.get(KEYS[30:])
    )

    assert [*stored, *more] == VALUES
    after = _trips(wire)
    made = {node: after[node] - before.get(node, 0) for node in after}
    assert sorted(made.values()) == [1, 1, 1]
    asked = [node.calls("get") - count for node, count in zip(three.nodes, gets, strict=True)]
    assert sum(asked) == 60 + 1  # and the watermark, in the script
    assert min(asked) > 5
    assert all(node.calls("mget") == 0 for node in three.nodes)


async def test_without_ticks_each_key_is_a_round_trip(
    wire: GuardedCluster, store: RedisStore, key_prefix: str
) -> None:
    """The control."""
    await store.put(FILLS)
    before = wire.round_trips
    for key in KEYS:
        await wire.get(storage_key(key_prefix, key))

    assert wire.round_trips == before + 60


async def test_storing_and_remembering_are_one_round_trip_for_each_node(
    wire: GuardedCluster, store: RedisStore
) -> None:
    await store.remember({"tag": 60.0})
    before = _trips(wire)

    await asyncio.gather(store.put(FILLS), store.remember({"tag": 60.0, "other": 60.0}))

    after = _trips(wire)
    assert sorted(after[node] - before.get(node, 0) for node in after) == [1, 1, 1]


async def test_redis_pys_ways_of_asking_work(wire: GuardedCluster, key_prefix: str) -> None:
    keys = [f"{key_prefix}{number}" for number in range(10)]
    pipeline = wire.pipeline(transaction=False)
    for number, key in enumerate(keys):
        pipeline.set(key, number, px=60_000)
    pipeline.incr(keys[9]).get(keys[0])
    assert await pipeline.execute() == [True] * 10 + [10, b"0"]
    assert await wire.mget(keys) == [b"%d" % n for n in (*range(9), 10)]

    whole = wire.pipeline(transaction=True).set(keys[0], "1", px=60_000).incr(keys[0])
    assert await whole.execute() == [True, 2]
    with pytest.raises(ResponseError):
        await wire.incr(keys[0], amount="text")  # type: ignore[arg-type]
    assert await wire.ping()

    records = Records(wire, key_prefix, "kind", 60.0)
    await records.put_many({str(number): {"field": number} for number in range(20)})
    assert await records.get_many(["3", "17"], ["field"]) == [(b"3",), (b"17",)]


def test_a_question_that_crosses_slots_is_counted() -> None:
    """The control of the check at the end of these tests."""
    with cluster(primaries=1) as nodes:
        with pytest.raises(ResponseError, match="same slot"):
            nodes.nodes[0].ask("MGET", "a", "b")
        assert nodes.nodes[0].errors("CROSSSLOT") == 1


async def test_messages_reach_every_node(three: Cluster, wire: GuardedCluster) -> None:
    async with wire.pubsub() as listener:
        await listener.subscribe("channel")
        for node in three.nodes:

            async def is_heard(node: ClusterNode = node) -> bool:
                node.ask("PUBLISH", "channel", node.port)
                message = await listener.get_message(timeout=0.1)
                return message is not None and message["data"] == str(node.port).encode()

            await eventually(is_heard)


# ---- finding the nodes ----


async def test_one_seed_that_answers_is_enough(three: Cluster, key_prefix: str) -> None:
    dead = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    url = f"redis+cluster://{dead[0]},127.0.0.1:{three.nodes[1].port},{dead[1]}"
    redis = open_redis(url, budget=5.0)

    assert (await RedisStore(redis, key_prefix).look(())).head.id > 0
    await redis.aclose()


async def test_a_cluster_that_is_away_is_waited_for_once() -> None:
    redis = open_redis(f"redis+cluster://127.0.0.1:{free_port()}", budget=0.5)
    store = RedisStore(redis, "p")
    began = time.monotonic()
    for _ in range(20):
        with pytest.raises(StoreUnavailable) as refused:
            await store.look(())
        assert not refused.value.sent
        with pytest.raises(StoreUnavailable):
            await store.get(["key"])
    assert time.monotonic() - began < 0.5
    await redis.aclose()


async def test_a_single_server_is_no_cluster(redis_url: str) -> None:
    """`CLUSTER SLOTS` is an error there: as if no node had answered."""
    redis = open_redis("redis+cluster://127.0.0.1:1", budget=0.5)
    with pytest.raises(StoreUnavailable, match="which slots"):
        await RedisStore(redis, "p").look(())
    await redis.aclose()


# ---- moved slots ----


async def test_a_moved_slot_is_followed(three: Cluster, store: RedisStore, key_prefix: str) -> None:
    await store.put(FILLS)
    for key in KEYS[:3]:
        stored = storage_key(key_prefix, key)
        three.move(stored, other_than(three, three.owner(stored)))

    assert list(await store.get(KEYS)) == VALUES
    await store.put(FILLS)
    assert list(await store.get(KEYS)) == VALUES


async def test_a_slot_that_is_moving_is_asked_for_at_both_ends(
    three: Cluster, store: RedisStore, key_prefix: str
) -> None:
    key = KEYS[7]
    await store.put(FILLS)
    stored = storage_key(key_prefix, key)
    target = other_than(three, three.owner(stored))
    slot, source = three.begin_move(stored, target)
    assert list(await store.get(KEYS)) == VALUES  # still there

    source.ask("MIGRATE", "127.0.0.1", target.port, stored, 0, 5_000)
    assert list(await store.get(KEYS)) == VALUES  # there already: ASK
    await store.put([Fill(key, b"new", 600)])
    assert list(await store.get([key])) == [b"new"]

    three.end_move(slot, target)
    assert list(await store.get([key])) == [b"new"]


class Traffic:
    """Purges and a follower, until `stop`; every answer is checked."""

    def __init__(self, store: RedisStore) -> None:
        self.store = store
        self.done: list[Position] = []
        self.failed: list[StoreUnavailable] = []
        self.stop = asyncio.Event()

    async def purge(self, tag: str) -> None:
        while not self.stop.is_set():
            try:
                position = await self.store.invalidate([tag])
                look = await self.store.look([tag])
            except StoreUnavailable as error:
                self.failed.append(error)
                continue
            self.done.append(position)
            mark = look.watermarks[tag]
            if look.head.epoch == position.epoch:
                assert mark is not None
                assert mark.reaches(position)

    async def follow(self) -> None:
        after: Position | None = None
        while not self.stop.is_set():
            try:
                after = (await self.store.follow(after, 0.05)).head
            except StoreUnavailable as error:
                self.failed.append(error)

    async def goes_on(self) -> None:
        seen = len(self.done)

        async def has_gone_on() -> bool:
            return len(self.done) > seen + 100

        await eventually(has_gone_on)


async def test_the_state_may_move_while_it_is_used(three: Cluster, key_prefix: str) -> None:
    """No purge that was confirmed is forgotten: its watermark is as new, or the epoch is another.

    While keys are moved one by one a script may find some of its keys gone: it is tried again for a
    moment, and then the store says that it is not available.
    """
    async with store_on(three, key_prefix) as store:
        traffic = Traffic(store)
        await store.look(())
        async with asyncio.TaskGroup() as tasks:
            for number in range(8):
                tasks.create_task(traffic.purge(f"tag {number}"))
            tasks.create_task(traffic.follow())
            for _ in range(4):
                await traffic.goes_on()
                key = state_key(key_prefix)
                target = other_than(three, three.owner(key))
                await asyncio.to_thread(three.move, key, target)
            await traffic.goes_on()
            traffic.stop.set()
        after = await store.invalidate(["last"])
        assert (await store.look(["last"])).watermarks == {"last": after}
        assert (await store.follow(None, 0)).head == after
    # Each node is another incarnation.
    assert len({position.epoch for position in traffic.done}) == 5
    assert all("TryAgain" in str(error) for error in traffic.failed)


async def test_a_follower_that_waits_goes_with_the_log(three: Cluster, key_prefix: str) -> None:
    """The server wakes who waits on a slot that is no longer its own (MOVED)."""
    async with store_on(three, key_prefix) as store:
        old = (await store.follow(None, 0)).head
        waiting = asyncio.create_task(store.follow(old, 60.0))
        for _ in range(20):
            await store.look(())
        key = state_key(key_prefix)
        await asyncio.to_thread(three.move, key, other_than(three, three.owner(key)))
        async with asyncio.timeout(20):
            answer = await waiting

        assert answer.head.epoch != old.epoch
        position = await store.invalidate(["tag"])
        async with asyncio.timeout(20):
            assert (await store.follow(answer.head, 60.0)).head == position


# ---- nodes that are away ----


async def test_a_dead_node_fails_its_own_entries_only(key_prefix: str) -> None:
    facts: list[Fact] = []
    with cluster() as nodes:
        async with store_on(nodes, key_prefix, facts=facts) as store:
            await store.put(FILLS)
            dead = other_than(nodes, nodes.owner(state_key(key_prefix)))
            there = [not is_on(key, dead, nodes, key_prefix) for key in KEYS]
            head = await store.invalidate(["tag"])
            dead.server.stop(kill=True)

            for _ in range(5):
                stored, look = await asyncio.gather(store.get(KEYS), store.look(["tag"]))
                assert list(stored) == [
                    value if is_there else None
                    for value, is_there in zip(VALUES, there, strict=True)
                ]
                assert look.head == head
            await asyncio.gather(store.put(FILLS), store.remember({"tag": 60.0}))
    assert 0 < sum(there) < len(there)
    assert [type(fact) for fact in facts if isinstance(fact, StoreFailed)] == [StoreFailed]


async def test_a_dead_state_node_is_a_store_that_is_away(key_prefix: str) -> None:
    with cluster() as nodes:
        async with store_on(nodes, key_prefix) as store:
            await store.put(FILLS)
            dead = nodes.owner(state_key(key_prefix))
            there = [key for key in KEYS if not is_on(key, dead, nodes, key_prefix)]
            dead.server.stop(kill=True)

            for ask in (store.look(()), store.invalidate(["tag"]), store.follow(None, 0)):
                with pytest.raises(StoreUnavailable):
                    await ask
            assert list(await store.get(there)) == [key.encode() for key in there]
            with pytest.raises(StoreUnavailable):
                await asyncio.gather(store.put([FILLS[0]]), store.look(()))


async def test_a_hung_node_is_waited_for_once(key_prefix: str) -> None:
    with cluster(cluster_node_timeout="60000") as nodes:
        async with store_on(nodes, key_prefix, budget=0.4) as store:
            await store.put(FILLS)
            hung = nodes.owner(state_key(key_prefix))
            hung.server.pause()
            try:
                began = time.monotonic()
                for _ in range(10):
                    answers = await asyncio.gather(
                        store.get(KEYS), store.look(()), return_exceptions=True
                    )
                    assert isinstance(answers[1], StoreUnavailable)
                took = time.monotonic() - began
            finally:
                hung.server.resume()

            assert 0.35 < took < 2  # and not ten times 0.4

            async def answers_again() -> bool:
                try:
                    return (await store.look(())).head.id > 0
                except StoreUnavailable:
                    return False

            await eventually(answers_again)
            assert list(await store.get(KEYS)) == VALUES


async def test_a_primary_dies_and_its_replica_takes_over(key_prefix: str) -> None:
    """The state's node: a new epoch, since the end of its log may be lost; then all goes on."""
    with cluster(replicas=1, cluster_node_timeout="1000") as nodes:
        async with store_on(nodes, key_prefix) as store:
            await store.put(FILLS)
            old = await store.invalidate(["tag"])
            dying = nodes.owner(state_key(key_prefix))
            stop = asyncio.Event()
            heard: list[Position] = []

            async def follow() -> None:
                after: Position | None = old
                while not stop.is_set():
                    try:
                        after = (await store.follow(after, 0.1)).head
                        heard.append(after)
                    except StoreUnavailable:
                        await asyncio.sleep(0.02)

            following = asyncio.create_task(follow())
            promoted = await asyncio.to_thread(nodes.kill, dying)

            async def answers() -> bool:
                try:
                    return (await store.look(())).head.epoch != old.epoch
                except StoreUnavailable:
                    return False

            await eventually(answers)
            new = await store.invalidate(["tag"])

            async def is_heard() -> bool:
                return new in heard

            await eventually(is_heard)
            stop.set()
            await following
            assert nodes.owner(state_key(key_prefix)) is promoted
            assert {position.epoch for position in heard} <= {old.epoch, new.epoch}
            await _all_entries_are_served(store)

            dying.server.start()  # it comes back as a replica, and answers nothing
            assert (await store.look(["tag"])).watermarks == {"tag": new}
            assert (await store.follow(new, 0)).head == new


async def _all_entries_are_served(store: RedisStore) -> None:
    async def are_served() -> bool:
        await store.put(FILLS)
        return list(await store.get(KEYS)) == VALUES

    await eventually(are_served)


def test_the_sample_is_spread(key_prefix: str) -> None:
    slots: Sequence[int] = [key_slot(storage_key(key_prefix, key).encode()) for key in KEYS]

    assert {slot * 3 // 16_384 for slot in slots} == {0, 1, 2}
