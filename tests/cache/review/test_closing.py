"""The end of a cache: nothing that was begun is lost, and nothing hangs."""

import asyncio
import logging
from collections.abc import Iterable

import pytest

from cache import Cache, Position, StoreUnavailable, cached, engine
from cache.errors import LoadCancelledError
from cache.stores.memory import MemoryServer, MemoryStore
from tests.support.world import PUBLIC, Gate


async def test_a_load_that_hangs_does_not_keep_the_process(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(engine, "_LAST_LOADS", 0.05)
    cache = Cache(MemoryStore())
    gate = Gate()

    @cached(PUBLIC)
    async def hanging() -> str:
        await gate()
        return "never"

    with cache.activate("anonymous"):
        reader = asyncio.ensure_future(hanging())
    await gate.reached.wait()
    with caplog.at_level(logging.WARNING, "cache"):
        async with asyncio.timeout(5):
            await cache.close()
    with pytest.raises(LoadCancelledError):
        await reader
    assert "1 loads still run" in caplog.text


class Losing(MemoryStore):
    """The first purge waits at a gate, and is lost."""

    def __init__(self, server: MemoryServer) -> None:
        super().__init__(server)
        self.gate, self.purges = Gate(), 0

    async def invalidate(self, tags: Iterable[str]) -> Position:
        self.purges += 1
        if self.purges == 1:
            await self.gate()
            raise StoreUnavailable("lost on its way")
        return await super().invalidate(tags)


async def test_a_purge_whose_client_went_away_is_waited_for() -> None:
    """1. A purge is sent; its client goes away  2. the cache is closed  3. the purge fails: it is
    tried once more before the store is closed, and not by nobody, later."""
    server = MemoryServer()
    store = Losing(server)
    cache = Cache(store)
    client = asyncio.ensure_future(cache.invalidate(["row:1"]))
    await store.gate.reached.wait()
    client.cancel()
    await asyncio.gather(client, return_exceptions=True)
    closing = asyncio.ensure_future(cache.close())
    for _ in range(20):
        await asyncio.sleep(0)
    assert not closing.done()
    store.gate.open()
    await closing

    assert cache.unpublished == frozenset()
    assert server.log[-1][1].tags == ("row:1",)


@pytest.mark.parametrize(
    ("error", "is_away"),
    [
        (ConnectionRefusedError(), True),
        (TimeoutError(), True),
        (OSError("Multiple exceptions"), True),
        (FileNotFoundError(2, "no such socket"), True),
        (PermissionError("this is not yours"), False),
        (FileNotFoundError("there is no such report"), False),
        (ValueError(), False),
    ],
)
def test_which_errors_say_that_a_database_is_away(error: Exception, is_away: bool) -> None:
    assert engine.is_network_error(error) is is_away
