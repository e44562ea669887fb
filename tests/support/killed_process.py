"""A worker that is killed at a step: `killed_process.py DATABASE REDIS PREFIX STEP DATA`.

It does what STEP belongs to until it reaches the step, and there sends itself SIGKILL: no handler
runs, no connection is closed, nothing is flushed. What it acknowledges it prints, as `acknowledged
NUMBER`, numbered from 0, and waits for a line before it goes on. DATA is JSON: the `user` and
the `product` who and what it is about.

`STEPS` has every step; the last of each kind are broken on purpose, for the controls.
"""

import asyncio
import inspect
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from redis.asyncio import Redis
from tortoise.backends.asyncpg.client import TransactionWrapper

from cache import Cache
from cache.integrations.tortoise import TortoiseOutbox
from cache.protocol import ALL
from cache.writes import Batch, Committed, Lease, Progress, WriteBehind, WriteBehindSettings
from cache.writes.flusher import Flusher
from cache.writes.journal import Journal
from models.backends.sqlite import ImmediateWrapper
from models.database import connect, disconnect
from models.tables import Role
from resolvers import writing
from resolvers.context import Viewer
from resolvers.ordering import LineWanted, place_order
from resolvers.stats import record_product_view
from tests.support.store import Worker, context_of
from tests.support.write_behind import SteppedProgress

OPERATIONS = 5
"""Views, or orders, that it does one after the other if nothing kills it."""

BATCH = 4
"""Operations of one flush: several flushes come before and after the one that is killed."""

QUICK = WriteBehindSettings(max_age=0.2, batch=BATCH, lease=1.0)
"""A lease that ends soon, so that a test does not wait for it."""

Doing = Callable[["Killed"], Awaitable[None]]


@dataclass(frozen=True)
class Step:
    """Where it is killed: before or after the `nth` call of a function, while it does `doing`."""

    doing: Doing
    holder: Any
    name: str
    after: bool = False
    nth: int = 2

    def arm(self) -> None:
        """Let this process end there."""
        original = getattr(self.holder, self.name)
        calls = iter(range(1, sys.maxsize))

        def is_it() -> bool:
            return next(calls) == self.nth

        async def waits(*arguments: Any, **named: Any) -> Any:
            last = is_it()
            if last and not self.after:
                killed()
            result = await original(*arguments, **named)
            if last:
                killed()
            return result

        def returns(*arguments: Any, **named: Any) -> Any:
            if is_it():
                killed()
            return original(*arguments, **named)

        is_async = inspect.iscoroutinefunction(original)
        setattr(self.holder, self.name, waits if is_async else returns)


class Killed:
    """The worker, as far as what it does is concerned."""

    def __init__(self, redis: Redis, prefix: str, data: Mapping[str, int]) -> None:
        self.redis, self.prefix = redis, prefix
        self.viewer = Viewer(data["user"], Role.CUSTOMER)
        self.product = data["product"]
        self.progress: Progress = _Watched()
        self.engine: type[Cache] = Cache

    async def flush(self) -> None:
        """Flush until nothing waits."""
        views = self._views()
        while await views.flusher.flush():
            pass

    async def stop(self) -> None:
        """Start flushing, and stop at once: everything that waits is flushed by the stop."""
        views = self._views()
        views.start()
        await views.stop(30.0)

    async def view(self, *, too_early: bool = False) -> None:
        """Count views, each with a key."""
        worker = await self._worker()
        for number in range(OPERATIONS):
            if too_early:
                await acknowledge(number)
            with context_of(worker, self.viewer) as ctx:
                await record_product_view(ctx, self.product, key_of(number))
            if not too_early:
                await acknowledge(number)
        await worker.close()

    async def order(self) -> None:
        """Place orders of one piece, each with a key."""
        worker = await self._worker()
        for number in range(OPERATIONS):
            with context_of(worker, self.viewer) as ctx:
                await place_order(ctx, [LineWanted(self.product, 1)], key_of(number))
            await acknowledge(number)
        await worker.close()

    def _views(self) -> WriteBehind:
        return WriteBehind(self.progress, self.redis, self.prefix, settings=QUICK)

    async def _worker(self) -> Worker:
        """Follows and relays, as a server's."""
        worker = Worker(self.redis, self.prefix, self.engine)
        await worker.services.cache.start()
        assert await worker.services.cache.catch_up(30.0)
        return worker


def key_of(number: int) -> str:
    """The idempotency key of an operation."""
    return f"operation-{number}"


async def acknowledge(number: int) -> None:
    """What a client would have been told; goes on when that has answered with a line."""
    print(f"acknowledged {number}", flush=True)
    await asyncio.to_thread(sys.stdin.readline)


def killed() -> None:
    """The end of this process, with no time for anything."""
    os.kill(os.getpid(), signal.SIGKILL)


# ---- inside the flusher's transaction ----

_flushing: ContextVar[bool] = ContextVar("flushing", default=False)


class _Watched(SteppedProgress):
    """The real progress; notes that a transaction is the flusher's."""

    async def commit(self, lease: Lease, batch: Batch) -> Committed:
        token = _flushing.set(True)
        try:
            return await super().commit(lease, batch)
        finally:
            _flushing.reset(token)


class _Committing(Step):
    """Killed when all statements of a flush are done, right before its COMMIT."""

    def arm(self) -> None:
        calls = iter(range(1, sys.maxsize))
        for client in (ImmediateWrapper, TransactionWrapper):
            self._arm(client, calls)

    def _arm(self, client: Any, calls: Any) -> None:
        original = client.commit

        async def commit(wrapper: Any) -> None:
            if _flushing.get() and next(calls) == self.nth:
                killed()
            await original(wrapper)

        client.commit = commit


# ---- broken on purpose ----


class _Apart(SteppedProgress):
    """Commits the rows, and then, by itself, how far it got."""

    async def commit(self, lease: Lease, batch: Batch) -> Committed:
        committed = await super().commit(lease, replace(batch, applied=lease.applied))
        await self.note(lease, batch)
        return committed

    async def note(self, lease: Lease, batch: Batch) -> None:
        await super().commit(lease, replace(batch, entries=()))


class _WithoutOutbox(Cache):
    """Purges after the commit, and keeps no note of what has to be purged."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, rules=ALL.without("w1_outbox"), **named)


async def _flush_apart(worker: Killed) -> None:
    worker.progress = _Apart()
    await worker.flush()


async def _view_too_early(worker: Killed) -> None:
    await worker.view(too_early=True)


async def _order_without_outbox(worker: Killed) -> None:
    worker.engine = _WithoutOutbox
    await worker.order()


FLUSHES: dict[str, Step] = {
    "before the read": Step(Killed.flush, Journal, "pending"),
    "after the read": Step(Killed.flush, Journal, "pending", after=True),
    "inside the transaction": _Committing(Killed.flush, None, ""),
    "after the commit, before the trim": Step(Killed.flush, Journal, "trim"),
    "after the trim": Step(Killed.flush, Journal, "trim", after=True),
    "on a stop, with operations left": Step(Killed.stop, Flusher, "flush"),
    "on a stop, before the lease is given back": Step(
        Killed.stop, SteppedProgress, "release_lease", nth=1
    ),
}
BROKEN_FLUSH = {"rows and progress apart": Step(_flush_apart, _Apart, "note")}

NTH = 3
"""The view, or the order, during which it is killed: two are acknowledged by then."""

VIEWED: dict[str, Step] = {
    "before the append": Step(Killed.view, WriteBehind, "add", nth=NTH),
    "after the append, before the answer": Step(
        Killed.view, WriteBehind, "add", after=True, nth=NTH
    ),
}
BROKEN_VIEW = {"acknowledged before the append": Step(_view_too_early, WriteBehind, "add", nth=NTH)}

ORDERED: dict[str, Step] = {
    "before the transaction": Step(Killed.order, writing, "transaction", nth=NTH),
    "inside the transaction": Step(Killed.order, TortoiseOutbox, "add", after=True, nth=NTH),
    "after the commit, before the purge": Step(Killed.order, Cache, "publish", nth=NTH),
    "after the purge, before the answer": Step(Killed.order, Cache, "publish", after=True, nth=NTH),
}
BROKEN_ORDER = {
    "without an outbox, before the purge": Step(_order_without_outbox, Cache, "invalidate", nth=NTH)
}

STEPS: dict[str, dict[str, Step]] = {
    "flush": FLUSHES | BROKEN_FLUSH,
    "view": VIEWED | BROKEN_VIEW,
    "order": ORDERED | BROKEN_ORDER,
}


async def main(database: str, redis_url: str, prefix: str, step: str, data: str) -> None:
    kind, _, name = step.partition(": ")
    chosen = STEPS[kind][name]
    await connect(database)
    redis = Redis.from_url(redis_url)
    worker = Killed(redis, prefix, json.loads(data))
    chosen.arm()
    await chosen.doing(worker)
    await redis.aclose()
    await disconnect()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
