"""The faulty store: a store like any other, until a test says how it fails."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from cache import Cache, CachePolicy, CacheScope, Store, StoreUnavailable, cached
from cache.stores.base import Fill
from cache.stores.memory import MemoryServer, MemoryStore
from cache.testing.contract import StoreContract
from cache.testing.faults import METHODS, FaultyStore

CALLS: dict[str, Callable[[Store], Any]] = {
    "get": lambda store: store.get(["k"]),
    "put": lambda store: store.put([Fill("k", b"v", 60.0)]),
    "look": lambda store: store.look(["t"]),
    "remember": lambda store: store.remember({"t": 60.0}),
    "invalidate": lambda store: store.invalidate(["t"]),
    "follow": lambda store: store.follow(None, 0),
    "renew": lambda store: store.renew(),
    "relay_begins": lambda store: store.relay_begins(30.0),
    "relay_looked": lambda store: store.relay_looked("e"),
}


class TestFaultyStore(StoreContract):
    """Without a fault it is what is behind it."""

    @pytest.fixture
    def open_store(self) -> Callable[[], Store]:
        server = MemoryServer()
        return lambda: FaultyStore(MemoryStore(server))


@pytest.fixture
def store() -> FaultyStore:
    return FaultyStore(MemoryStore())


def test_the_faults_cover_every_method_of_a_store() -> None:
    assert set(CALLS) == METHODS
    public = {name for name in dir(Store) if not name.startswith("_")}
    assert public - {"aclose"} == METHODS


@pytest.mark.parametrize("method", sorted(METHODS))
async def test_away_fails_a_call_and_nothing_reaches_the_store(
    store: FaultyStore, method: str
) -> None:
    behind = store.store
    assert isinstance(behind, MemoryStore)
    with store.away(method):
        with pytest.raises(StoreUnavailable, match=method):
            await CALLS[method](store)
        assert behind.server.head == 0
        for other in METHODS - {method}:
            await CALLS[other](store)
    await CALLS[method](store)
    assert store.calls[method] == 2


async def test_a_call_whose_reply_is_lost_has_happened(store: FaultyStore) -> None:
    before = (await store.look([])).head
    with store.losing_replies("invalidate"), pytest.raises(StoreUnavailable, match="lost"):
        await store.invalidate(["t"])
    look = await store.look(["t"])
    assert before.is_before(look.head)
    assert look.watermarks == {"t": look.head}


async def test_hanging_calls_go_on_when_the_fault_ends(store: FaultyStore) -> None:
    with store.hanging():
        asked = [asyncio.create_task(call(store)) for call in CALLS.values()]
        await asyncio.wait(asked, timeout=0.01)
        assert not any(one.done() for one in asked)
    await asyncio.gather(*asked)


async def test_faults_may_overlap(store: FaultyStore) -> None:
    with store.away():
        with store.away("get"), pytest.raises(StoreUnavailable):
            await store.get(["k"])
        with pytest.raises(StoreUnavailable):
            await store.get(["k"])
    assert await store.get(["k"]) == [None]


@pytest.mark.parametrize("fault", ["away", "losing_replies", "hanging"])
def test_a_method_that_is_none_is_refused(store: FaultyStore, fault: str) -> None:
    with pytest.raises(ValueError, match="a store has no purge"), getattr(store, fault)("purge"):
        pass


async def test_a_cache_on_it_loads_while_it_is_away(store: FaultyStore) -> None:
    loads = 0

    @cached(CachePolicy(ttl=60, scope=CacheScope.PUBLIC), tags=lambda: ["t"])
    async def value() -> int:
        nonlocal loads
        loads += 1
        return loads

    cache = Cache(store)
    with store.away(), cache.activate("anonymous"):
        assert [await value(), await value()] == [1, 2]
    with cache.activate("anonymous"):
        assert [await value(), await value()] == [3, 3]
    await cache.close()
