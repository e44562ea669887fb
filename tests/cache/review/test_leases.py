"""A lease is given back, whatever happens between taking it and the load."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from cache import StoreUnavailable, cached
from cache.flight import Outcome
from cache.leasing import Leasing
from cache.observers import Observers
from cache.protocol import Dependencies, Log
from cache.worker import Worker
from tests.support.world import PUBLIC, Gate
from tests.support.worlds.clock import ManualClock
from tests.support.worlds.leases import MemoryLeases


@cached(PUBLIC)
async def page() -> str:
    return "loaded"


CALL = page.call("anonymous")


async def loaded() -> Outcome:
    return Outcome("loaded", Dependencies())


async def broken() -> Outcome | None:
    raise ValueError("what is stored cannot be looked at")


async def away() -> Outcome | None:
    raise StoreUnavailable("away")


async def nothing() -> Outcome | None:
    return None


class Process:
    def __init__(self) -> None:
        clock = ManualClock()
        self.leases = MemoryLeases(clock)
        self._leasing = Leasing(self.leases, Worker(Log(), clock, Observers()))

    async def run(self, refind: Callable[[], Awaitable[Outcome | None]]) -> Outcome:
        return await self._leasing.run(CALL, 5, loaded, refind)

    async def is_free(self) -> bool:
        return await self.leases.acquire(CALL.key, 5) is not None


@pytest.mark.parametrize("refind", [away, nothing])
async def test_after_the_load_it_is_free(refind: Callable[[], Awaitable[Outcome | None]]) -> None:
    process = Process()
    assert (await process.run(refind)).value == "loaded"
    assert await process.is_free()


async def test_it_is_free_after_a_look_that_failed() -> None:
    """1. A has the lease, and looks for what another has stored  2. that raises."""
    process = Process()
    with pytest.raises(ValueError, match="cannot be looked at"):
        await process.run(broken)
    assert await process.is_free()


async def test_it_is_free_after_a_look_that_was_cancelled() -> None:
    process, gate = Process(), Gate()

    async def waits() -> Outcome | None:
        await gate()
        return None

    load = asyncio.ensure_future(process.run(waits))
    await gate.reached.wait()
    load.cancel()
    await asyncio.gather(load, return_exceptions=True)
    assert await process.is_free()
