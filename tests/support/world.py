"""A small world for the cache: rows, their outbox, workers whose every step a test takes by hand.

`Gate` and `Facts` are useful by themselves. `World` is for races: see `tests/cache/races`.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from cache import CachePolicy, CacheScope, Loader, cached, depend_on
from cache.call import Call
from cache.decorator import CachedFunction
from cache.protocol import ALL, Rules
from tests.support.worlds.database import MemoryOutbox, Rows, Value
from tests.support.worlds.facts import Facts
from tests.support.worlds.gate import Gate
from tests.support.worlds.leases import MemoryLeases
from tests.support.worlds.link import Link
from tests.support.worlds.shelves import Shelf
from tests.support.worlds.topology import InMemory, Topology
from tests.support.worlds.workers import DELTA, Client, Engine, Reads, Worker, engine

__all__ = [
    "DELTA",
    "PRIVATE",
    "PUBLIC",
    "Client",
    "Facts",
    "Gate",
    "Link",
    "Reads",
    "Worker",
    "World",
    "engine",
]

PUBLIC = CachePolicy(ttl=600, scope=CacheScope.PUBLIC)
PRIVATE = CachePolicy(ttl=600)


class World:
    """Rows, an outbox, workers `a` and `b` and more, all on one topology.

    `row(n)` is cached, public, tagged `row:<n>`; `outer(n)` is made of it. `reads` says which
    tiers there are, `rules` which rules are obeyed, `broken` what the application does wrong.
    """

    def __init__(
        self,
        topology: Topology | None = None,
        *,
        reads: Reads = Reads.TIERED,
        rules: Rules = ALL,
        make: Engine = engine,
        has_outbox: bool = True,
        broken: Iterable[str] = (),
    ) -> None:
        self.topology = topology or InMemory(rules=rules)
        self.clock = self.topology.clock
        self.reads, self.rules, self.has_outbox = reads, rules, has_outbox
        self.broken = frozenset(broken)
        self.facts = Facts()
        values: dict[int, Value] = {1: "old", 2: "two", 3: "three"}
        self.rows = Rows(values, by_replica="F4_ROWS" in self.broken)
        self.outbox = MemoryOutbox(self.clock)
        self.leases = MemoryLeases(self.clock)
        self.shared: dict[str, Any] = {}
        """What a naive cache keeps in its store."""
        self.chance = 0.0
        """What injected random numbers are. With 0 nothing is refreshed early."""
        self._make = make
        self.workers: list[Worker] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._names = itertools.count()
        self.a, self.b = self.worker(), self.worker()
        self.row = self.declare(PUBLIC)
        self.outer = self.around(PUBLIC)

    def random(self) -> float:
        return self.chance

    @property
    def is_naive(self) -> bool:
        """Whether its caches are naive ones."""
        return bool(self.shared)

    # ---- workers and clients ----

    def worker(self) -> Worker:
        """One more worker, which has heard nothing yet."""
        self.workers.append(Worker(self, self._make))
        return self.workers[-1]

    async def joins(self) -> Worker:
        """One more worker that has begun to follow the log by now."""
        worker = self.worker()
        await worker.start()
        return worker

    def client(self, viewer: str = "anonymous") -> Client:
        return Client(self, viewer)

    async def start(self) -> None:
        for worker in self.workers:
            await worker.start()

    async def settle(self, *workers: Worker) -> None:
        """Let these workers, or all, hear of all that was published."""
        if self.reads is not Reads.SERVER:
            for worker in workers or self.workers:
                await worker.catch_up()

    async def close(self) -> None:
        """End what runs. A second time there is nothing left to end."""
        workers, self.workers = self.workers, []
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for worker in workers:
            worker.link.is_cut = False
            await worker.cache.close()
        if workers:
            await self.topology.close()

    # ---- time ----

    async def passes(self, seconds: float) -> None:
        """Let time pass, by every clock."""
        await self.topology.passes(seconds)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let others run until a condition holds. Fails after 20 s."""
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0)

    async def turns(self, number: int = 30) -> None:
        """Let others run for some turns of the loop: enough for whatever waits for no server."""
        for _ in range(number):
            await asyncio.sleep(0)

    # ---- cached functions ----

    def declare(self, policy: CachePolicy, **more: Any) -> CachedFunction[[int], Value]:
        """Another cached function over the rows."""
        rows = self.rows
        more = {"tags": lambda row: [f"row:{row}"]} | more

        async def read_row(row: int) -> Value:
            return await rows.read(row)

        read_row.__qualname__ += str(next(self._names))
        return cached(policy, **more)(read_row)

    def page_of(self, row: int) -> tuple[CachedFunction[[int], Value], Gate]:
        """A cached function whose load waits at a gate before it looks another row up."""
        gate = Gate()

        async def page(number: int) -> Value:
            await gate()
            return await self.row(row)

        page.__qualname__ += str(next(self._names))
        return cached(PUBLIC)(page), gate

    def by_loader(
        self, loader: Loader[int, Value], policy: CachePolicy = PUBLIC
    ) -> CachedFunction[[int], Value]:
        """Another one, whose rows come from a request's loader."""

        async def loaded_row(row: int) -> Value:
            depend_on("field")
            return await loader.load(row)

        loaded_row.__qualname__ += str(next(self._names))
        return cached(policy, tags=lambda row: [f"row:{row}"])(loaded_row)

    def around(self, policy: CachePolicy) -> CachedFunction[[int], tuple[str, Value]]:
        """A cached function that is made of `row`, and does not name its tags."""

        async def outer(row: int) -> tuple[str, Value]:
            inner = await self.row(row)
            await self.rows.hold_here()
            return ("outer", inner)

        outer.__qualname__ += str(next(self._names))
        return cached(policy, tags=lambda row: [f"outer:{row}"])(outer)

    def shelves(self, place: str) -> Shelf:
        """A thing on this shelf."""
        return Shelf(self, place)

    def loader(self) -> Loader[int, Value]:
        return Loader(self.rows.read_many, lambda row: [f"row:{row}"])

    # ---- requests of strangers, who bring no token ----

    async def get(self, row: int = 1, *, at: Worker | None = None, by: Any = None) -> Any:
        return await self.client().read(row, at=at or self.a, by=by)

    def task(self, request: Awaitable[Any]) -> "asyncio.Task[Any]":
        """A request beside the others."""
        task = asyncio.ensure_future(request)
        self._tasks.add(task)
        return task  # type: ignore[return-value]

    async def see(self, row: int = 1, *, by: Any = None, at: Sequence[Worker] = ()) -> set[Any]:
        """What strangers get at these workers, or at all: each asked twice, once more by memory."""
        await self.settle(*at)
        return {
            await self.get(row, at=worker, by=by)
            for worker in (*(at or self.workers), *(at or self.workers))
        }

    # ---- writes ----

    async def write(self, row: int, value: Value, *, at: Worker | None = None) -> None:
        """A stranger's write: committed, published, acknowledged."""
        await self.client().write(row, value, at=at or self.b)

    async def commit(
        self, row: int, value: Value, *, at: Worker, tags: Iterable[str] | None = None
    ) -> None:
        """Commit a row with its outbox row, then publish."""
        named = [f"row:{row}"] if tags is None else list(tags)
        identifier = await self.commit_only(row, value, named)
        if identifier is None:
            await at.cache.invalidate(named)
        else:
            await at.cache.publish(identifier, named)

    async def commit_only(self, row: int, value: Value, tags: Iterable[str]) -> str | None:
        """The transaction: the row and, with W1, its outbox row. Nothing is published yet."""
        self.rows.values[row] = value
        if not self.has_outbox or not self.rules.w1_outbox:
            return None
        return await self.outbox.add(tags)

    async def store_held(self, row: int, value: Value, *, at: Worker) -> None:
        """What no writer may do (W4): store the value that it holds, instead of reading it."""
        call = self.row.call("anonymous", row)

        async def held() -> Value:
            return value

        with at.cache.activate("anonymous"):
            await at.cache.get_or_load(Call(call.declared, call.key, held, call.tags))
