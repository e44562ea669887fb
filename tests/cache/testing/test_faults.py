"""The faulty store: right without faults, and wrong in just the way that was asked for."""

import asyncio

import pytest

from cache.errors import StoreUnavailable
from cache.stores.base import Fill, Store
from cache.stores.memory import MemoryServer, MemoryStore
from cache.testing.contract import OpenStore, StoreContract
from cache.testing.faults import EVERY, METHODS, FaultyStore, Method

FILL = Fill("key", b"value", 60)


@pytest.fixture
def store() -> FaultyStore:
    return FaultyStore(MemoryStore())


class TestFaultyStore(StoreContract):
    @pytest.fixture
    def open_store(self) -> OpenStore:
        server = MemoryServer()
        return lambda: FaultyStore(MemoryStore(server))


async def test_the_next_call_fails_and_does_nothing(store: FaultyStore) -> None:
    store.fail("put")
    with pytest.raises(StoreUnavailable) as refused:
        await store.put([FILL])

    assert not refused.value.sent
    assert list(await store.get(["key"])) == [None]
    await store.put([FILL])
    assert list(await store.get(["key"])) == [b"value"]
    assert store.calls == {"put": 2, "get": 2}


async def test_a_dropped_call_did_nothing_and_nobody_knows(store: FaultyStore) -> None:
    store.drop("invalidate")
    with pytest.raises(StoreUnavailable) as lost:
        await store.invalidate(["tag"])

    assert lost.value.sent
    assert (await store.look(["tag"])).watermarks == {"tag": None}


async def test_a_call_whose_reply_is_lost_was_executed(store: FaultyStore) -> None:
    store.lose_reply("invalidate")
    with pytest.raises(StoreUnavailable) as lost:
        await store.invalidate(["tag"])

    assert lost.value.sent
    assert (await store.look(["tag"])).watermarks["tag"] is not None


@pytest.mark.parametrize("is_reply", [False, True])
async def test_a_call_waits_at_a_gate(store: FaultyStore, is_reply: bool) -> None:
    with (store.hold_reply if is_reply else store.hold)("put") as gate:
        putting = asyncio.create_task(store.put([FILL]))
        await gate.arrival()
        assert list(await store.get(["key"])) == [b"value" if is_reply else None]
        assert not putting.done()
    await putting

    assert list(await store.get(["key"])) == [b"value"]


async def test_faults_come_in_order_and_as_often_as_asked_for(store: FaultyStore) -> None:
    store.fail("look", times=2)
    store.drop("look")
    sent = []
    for _ in range(3):
        with pytest.raises(StoreUnavailable) as error:
            await store.look(())
        sent.append(error.value.sent)

    assert sent == [False, False, True]
    await store.look(())


async def test_every_call_fails_until_it_is_healed(store: FaultyStore) -> None:
    store.fail("look", "follow", times=EVERY)
    for _ in range(5):
        with pytest.raises(StoreUnavailable):
            await store.look(())
    await store.renew()
    store.heal("look")
    await store.look(())
    with pytest.raises(StoreUnavailable):
        await store.follow(None, 0)
    store.heal()
    await store.follow(None, 0)


@pytest.mark.parametrize("method", METHODS)
async def test_without_a_method_it_is_every_one(store: FaultyStore, method: Method) -> None:
    store.fail(times=EVERY)
    with pytest.raises(StoreUnavailable):
        await _ask(store, method)


async def _ask(store: Store, method: Method) -> None:
    arguments = {
        "get": (["key"],),
        "put": ([FILL],),
        "look": ((),),
        "remember": ({"tag": 60.0},),
        "invalidate": (["tag"],),
        "follow": (None, 0.0),
        "renew": (),
        "relay_begins": (60.0,),
        "relay_looked": ("epoch", 0.0),
    }
    await getattr(store, method)(*arguments[method])
