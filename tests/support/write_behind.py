"""Workers with a write-behind of product views, and places to interrupt their flushers."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from redis.asyncio import Redis

from cache.integrations.tortoise_progress import TortoiseProgress
from cache.stores.connection import open_redis
from cache.stores.script import Script
from cache.writes import (
    Batch,
    Committed,
    Lease,
    Operation,
    Snapshot,
    WriteBehind,
    WriteBehindSettings,
    scripts,
)
from models.database import is_unavailable
from models.tables import DeadLetter, Product, ProductStats, WriteBehindProgress
from ops.embedded import ValkeyServer
from resolvers.stats import VIEWS

Hook = Callable[[], Awaitable[object]]


class Crash(Exception):
    """The worker died here."""


async def crash() -> None:
    raise Crash


async def nothing() -> None:
    return None


COUNTED = replace(VIEWS, directly=False)
"""Product views, for workers that have no cache to tell of what they did past the stream."""


def _is_away(error: BaseException) -> bool:
    return isinstance(error, Crash) or is_unavailable(error)


class SteppedProgress(TortoiseProgress):
    """The real progress, with hooks between its steps."""

    def __init__(self, operation: Operation[Any] = COUNTED) -> None:
        super().__init__(operation, WriteBehindProgress, DeadLetter, is_unavailable=_is_away)
        self.before_commit: Hook = nothing
        self.after_commit: Hook = nothing
        self.after_read: Hook = nothing
        self.commits: list[Batch] = []
        self.reads = 0

    async def commit(self, lease: Lease, batch: Batch) -> Committed:
        await self.before_commit()
        committed = await super().commit(lease, batch)
        self.commits.append(batch)
        await self.after_commit()
        return committed

    async def read(self, keys: Any) -> Snapshot:
        self.reads += 1
        snapshot = await super().read(keys)
        await self.after_read()
        return snapshot


class Pause:
    """A hook that stops whoever reaches it until `go` is called; `reached` can be awaited."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self._go = asyncio.Event()

    async def __call__(self) -> None:
        self.reached.set()
        await self._go.wait()

    def go(self) -> None:
        """Let everyone go on, who is there or comes later."""
        self._go.set()

    async def ended(self) -> None:
        """A hook that does nothing: in the place of this one when it is done."""


class Worker:
    """One worker's write-behind, with a client of its own."""

    def __init__(
        self, redis: Redis, prefix: str, progress: TortoiseProgress, **settings: Any
    ) -> None:
        self.redis = redis
        self.progress = progress
        self.views = WriteBehind(progress, redis, prefix, settings=WriteBehindSettings(**settings))

    @property
    def stepped(self) -> SteppedProgress:
        assert isinstance(self.progress, SteppedProgress)
        return self.progress

    async def add(self, product: int, times: int = 1) -> None:
        """So many acknowledged views of a product."""
        for _ in range(times):
            await self.views.add(str(product))

    async def read(self, product: int) -> int:
        """The views of a product, as a client of this worker sees them."""
        [value] = await self.views.read([str(product)])
        return value

    async def flush(self) -> int:
        """One step of this worker's flusher."""
        return await self.views.flusher.flush()

    async def drain(self) -> None:
        """Flush until nothing waits; the lease may have to be waited for."""

        async def drained() -> bool:
            await self.flush()
            return await self.waiting() == 0

        await until(drained)

    async def waiting(self) -> int:
        """The length of the stream."""
        return int(await self.redis.xlen(self.views.journal.stream))

    async def lose_stream(self) -> None:
        """What emptying Redis does to this write-behind."""
        journal = self.views.journal
        live = [journal.live(str(number)) for number in range(30)]
        await self.redis.delete(journal.stream, journal.meta, *live)


@asynccontextmanager
async def a_worker(
    url: str, prefix: str, progress: TortoiseProgress | None = None, **settings: Any
) -> AsyncIterator[Worker]:
    """A worker; its flusher does not run by itself."""
    redis = open_redis(url, budget=5.0)
    try:
        yield Worker(redis, prefix, progress or SteppedProgress(), **settings)
    finally:
        await redis.aclose()


async def add_products(count: int) -> None:
    """Products 1 to `count`."""
    now = datetime.now(UTC)
    await Product.bulk_create(
        Product(
            id=number, sku=f"S{number}", name=f"P{number}", name_key=f"p{number}",
            price_minor=100, stock=1, created_at=now, updated_at=now,
        )
        for number in range(1, count + 1)
    )  # fmt: skip


async def sql_views() -> dict[int, int]:
    """What SQL has counted for each product."""
    rows = await ProductStats.all().values_list("product_id", "views")
    return {int(product): int(views) for product, views in rows}


async def progress_row() -> WriteBehindProgress:
    """The row of progress of the views."""
    return await WriteBehindProgress.get(stream=VIEWS.name)


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 20.0) -> None:
    """Wait until `condition` holds; fail after `seconds`."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.01)


def switch_off(patch: pytest.MonkeyPatch, old: str, new: str, *names: str) -> None:
    """Replace `old` by `new` in these scripts (all, if none is named).

    For controls: a rule that can be switched off without a test's noticing is not tested.
    """
    wanted = names or [name for name, it in vars(scripts).items() if isinstance(it, Script)]
    for name in wanted:
        source = getattr(scripts, name).source
        assert old in source, f"{name} has no {old!r}"
        patch.setattr(scripts, name, Script(source.replace(old, new)))


@asynccontextmanager
async def interrupted(task: Coroutine[Any, Any, Any], pause: Pause) -> AsyncIterator[Any]:
    """Run `task` up to `pause`, then the block, then the rest; yields the task."""
    running = asyncio.create_task(task)
    reached = asyncio.create_task(pause.reached.wait())
    await asyncio.wait({running, reached}, return_when=asyncio.FIRST_COMPLETED, timeout=20)
    assert pause.reached.is_set(), "the pause was not reached"
    try:
        yield running
    finally:
        pause.go()
        await running


class Rewinder:
    """A Valkey that can be put back to the state that it had when `remember` was called."""

    def __init__(self, server: ValkeyServer) -> None:
        self.server = server
        self._kept = server.directory.with_name(f"{server.directory.name}-kept")

    def remember(self) -> None:
        """Keep the append-only log as it is now (stops and starts the server)."""
        self.server.stop()
        shutil.copytree(self.server.directory, self._kept)
        self.server.start()

    def rewind(self) -> None:
        """Kill the server and start it with the log that was kept."""
        self.server.stop(kill=True)
        shutil.rmtree(self.server.directory)
        shutil.move(self._kept, self.server.directory)
        self.server.start()

    @staticmethod
    async def leap(worker: Worker, hours: int) -> None:
        """Let ids go on from so many hours ahead, as after a clock that was wrong."""
        seconds, _ = await worker.redis.time()
        future = f"{(int(seconds) + hours * 3600) * 1000}-0"
        script = "return redis.call('XSETID', KEYS[1], ARGV[1])"
        await Script(script).run(worker.redis, [worker.views.journal.stream], [future])
