"""Readers and writers on two workers, and a checker of what they were told.

The database is a dictionary, so that nothing but the cache can be slow or wrong. Every client
echoes its token. What is checked at each answer:

- it was committed, and is not from the future;
- it is no older than the client's own writes, and than anything that it was told before;
- while all is well: no older than any write that was acknowledged `max_staleness` before the read
  began. Around a fault (from its begin until `HEALING` after its end) that is not asked;
- the request waited for Redis `BUDGET` at most.
"""

import asyncio
import itertools
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from cache import Cache, CachePolicy, CacheScope, OutboxRow, cached
from cache.facts import Fact, Hit
from cache.protocol import Position

BUDGET = 0.15
"""Seconds that a request may wait for Redis in all."""
HEALING = 5.0
"""Seconds after a fault in which there are hits again; staleness is bounded again after them."""
ROWS = 20

_names = itertools.count(1)
POLICY = CachePolicy(ttl=60, scope=CacheScope.PUBLIC)


@dataclass
class Database:
    """Versions of rows, with the time at which each was acknowledged."""

    versions: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(ROWS), 0))
    acknowledged: dict[int, list[tuple[float, int]]] = field(
        default_factory=lambda: {row: [(0.0, 0)] for row in range(ROWS)}
    )

    def acknowledge(self, row: int, version: int) -> None:
        self.acknowledged[row].append((time.monotonic(), version))

    def known_at(self, row: int, moment: float) -> int:
        """The newest version that was acknowledged by then."""
        return max(version for when, version in self.acknowledged[row] if when <= moment)


class ListOutbox:
    """An outbox in a list: what the real ones do, without a database."""

    def __init__(self) -> None:
        self.rows: dict[str, OutboxRow] = {}

    async def add(self, tags: Iterable[str]) -> str:
        identifier = f"{next(_names):016x}"
        self.rows[identifier] = OutboxRow(identifier, frozenset(tags))
        return identifier

    async def add_alone(self, tags: Iterable[str]) -> str:
        return await self.add(tags)

    async def waiting(self, epoch: str, limit: int) -> Sequence[OutboxRow]:
        return [
            row
            for row in self.rows.values()
            if row.published is None or row.published.epoch != epoch
        ][:limit]

    @asynccontextmanager
    async def unpublished(self, epoch: str, limit: int) -> AsyncIterator[Sequence[OutboxRow]]:
        yield await self.waiting(epoch, limit)

    async def mark(self, ids: Iterable[str], position: Position) -> None:
        for one in ids:
            if one in self.rows:
                self.rows[one] = OutboxRow(one, self.rows[one].tags, position)

    async def read(self, ids: Iterable[str]) -> Mapping[str, OutboxRow]:
        return {one: self.rows[one] for one in ids if one in self.rows}

    async def prune(self, age: float) -> bool:
        return False


class Lateness:
    """How late this process's event loop runs, in all: what is waited for it, nobody else did."""

    PERIOD = 0.002

    def __init__(self) -> None:
        self.total = 0.0

    async def run(self) -> None:
        while True:
            began = time.monotonic()
            await asyncio.sleep(self.PERIOD)
            self.total += max(0.0, time.monotonic() - began - self.PERIOD)


class Traffic:
    """Clients of two workers. `wrong` holds what the checker found, `slow` the waits."""

    def __init__(self, workers: Sequence[Cache], outbox: ListOutbox, *, seed: int = 1) -> None:
        self.workers = workers
        self.outbox = outbox
        self.database = Database()
        self.random = random.Random(seed)
        self.wrong: list[str] = []
        self.slow: list[float] = []
        self.reads = self.writes = 0
        self.faulty = False
        self.hits = 0
        self.row = self._declare()
        self._late = Lateness()
        self._healed_at = 0.0
        self._commits = itertools.count(1)

    def _declare(self) -> Callable[[int], Awaitable[int]]:
        database = self.database

        @cached(POLICY, tags=lambda row: [f"row:{row}"])
        async def version(row: int) -> int:
            return database.versions[row]

        return version

    def observe(self, fact: Fact) -> None:
        self.hits += isinstance(fact, Hit)

    @asynccontextmanager
    async def fault(self) -> AsyncIterator[None]:
        """While it lasts, and until healed, nothing is asked about others' writes."""
        self.faulty = True
        try:
            yield
        finally:
            self._healed_at = time.monotonic()
            self.faulty = False

    async def run(self, until: asyncio.Event, clients: int = 6) -> None:
        late = asyncio.create_task(self._late.run())
        await asyncio.gather(*(self._client(until) for _ in range(clients)))
        late.cancel()

    async def _client(self, until: asyncio.Event) -> None:
        token, told = "", dict.fromkeys(range(ROWS), 0)
        while not until.is_set():
            worker, row = self.random.choice(self.workers), self.random.randrange(ROWS)
            began, late = time.monotonic(), self._late.total
            session = worker.session(token)
            with worker.activate("anonymous", session):
                if self.random.random() < 0.2:
                    await self._write(worker, row, told)
                version = await self.row(row)
            self._check(row, version, told, began)
            self._time(began, late)
            token = session.token
            await asyncio.sleep(self.random.random() * 0.004)

    async def _write(self, worker: Cache, row: int, told: dict[int, int]) -> None:
        version = self.database.versions[row] = next(self._commits)
        tags = [f"row:{row}"]
        await worker.publish(await self.outbox.add(tags), tags)
        self.database.acknowledge(row, version)
        told[row] = max(told[row], version)
        self.writes += 1

    def _check(self, row: int, version: int, told: dict[int, int], began: float) -> None:
        self.reads += 1
        if version < told[row]:
            self.wrong.append(f"row {row}: {version} after {told[row]} was told")
        if version > self.database.versions[row]:
            self.wrong.append(f"row {row}: {version} was never committed")
        is_healthy = not self.faulty and began - self._healed_at > HEALING
        due = self.database.known_at(row, began - self.workers[0].settings.max_staleness)
        if is_healthy and version < due:
            self.wrong.append(f"row {row}: {version} a second after {due}")
        told[row] = max(told[row], version)

    def _time(self, began: float, late: float) -> None:
        waited = time.monotonic() - began - (self._late.total - late)
        if waited > BUDGET:
            self.slow.append(waited)

    async def hits_return(self, patience: float) -> float:
        """Seconds until there are hits again; raises `TimeoutError` after `patience`."""
        began, before = time.monotonic(), self.hits
        async with asyncio.timeout(patience):
            while self.hits <= before + 20:
                await asyncio.sleep(0.01)
        return time.monotonic() - began
