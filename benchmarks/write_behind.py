"""Views by write-behind, and the same by an update of the row for each.

    python -m benchmarks.write_behind [--operations 20000] [--short]

All count views of products on one fresh SQLite (WAL, `synchronous=NORMAL`), with a Valkey whose
append-only log is on. Clients do one thing after the other; the sides take turns, and the slower
ones do fewer. A view by write-behind is timed until it is acknowledged; the flusher runs all the
time, and what it takes until all is in SQL is counted too. Its peers:

- `update`: one transaction with one statement, committed on return, and nothing else;
- `write-through`: what the store does for everything else, that with its outbox row and its purge.

On 50 products, on one, which is hot, and by one client alone.
"""

import asyncio
import itertools
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from redis.asyncio import Redis
from tortoise.context import require_context

from benchmarks.servers import command_line, valkey
from cache.integrations.tortoise import TortoiseOutbox
from cache.stores.connection import open_redis
from cache.writes import WriteBehind
from gql.app import open_services
from gql.settings import Settings
from models.database import migrate, transaction
from models.tables import Outbox, Product, ProductStats
from resolvers.context import Context, Services
from resolvers.stats import view_progress
from resolvers.writing import write

PRODUCTS = 50
CLIENTS = 32
ROUNDS = 5
SLOWER = 10
"""By how much fewer are updated than written behind: both take about as long, or less."""

View = Callable[[int], Awaitable[object]]


@dataclass
class Side:
    """One way to count views: seconds of all rounds, and of each operation."""

    name: str
    operations: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Operations a second."""
        return self.operations / self.seconds

    def quantile(self, percent: int) -> float:
        """Milliseconds of an operation."""
        return statistics.quantiles(self.latencies, n=100)[percent - 1] * 1e3

    async def run(self, view: View, products: Sequence[int], operations: int, clients: int) -> None:
        """So many more operations, by so many clients."""
        turns = itertools.cycle(products)
        left = iter(range(operations))
        began = time.perf_counter()
        await asyncio.gather(*(self._client(view, turns, left) for _ in range(clients)))
        self.seconds += time.perf_counter() - began
        self.operations += operations

    async def _client(self, view: View, turns: Iterator[int], left: Iterator[int]) -> None:
        for _ in left:
            product = next(turns)
            began = time.perf_counter()
            await view(product)
            self.latencies.append(time.perf_counter() - began)


async def seed() -> list[int]:
    """Products that can be viewed."""
    now = datetime.now(UTC)
    made = [
        await Product.create(
            sku=f"P-{number}",
            name=f"Product {number}",
            name_key=f"product {number}",
            price_minor=1_000,
            stock=1,
            created_at=now,
            updated_at=now,
        )
        for number in range(PRODUCTS)
    ]
    return [product.id for product in made]


async def upsert(product: int) -> None:
    """A view, in the caller's transaction."""
    await (
        require_context()
        .db()
        .execute_query(
            "INSERT INTO product_stats (product_id, views) VALUES (?, 1) "
            "ON CONFLICT (product_id) DO UPDATE SET views = product_stats.views + 1",
            [product],
        )
    )


async def update(product: int) -> None:
    """A view by an update of its row, committed on return."""
    async with transaction():
        await upsert(product)


@dataclass
class Flushed:
    """What the flushers did: rows written, operations, and the seconds of their last flushes."""

    rows: int = 0
    operations: int = 0
    seconds: float = 0.0


@asynccontextmanager
async def flushing(services: Services, redis: Redis, done: Flushed) -> AsyncIterator[WriteBehind]:
    """A write-behind whose flusher runs; at the end it is stopped, which flushes everything."""
    progress = view_progress(TortoiseOutbox(Outbox))
    views = WriteBehind(progress, redis, "bench", cache=services.cache)
    views.start()
    yield views
    began = time.perf_counter()
    await views.stop(60.0)
    done.seconds += time.perf_counter() - began
    done.rows += views.counts.keys
    done.operations += views.counts.operations


class Comparison:
    """All sides, in turns, on some products."""

    def __init__(self, services: Services, redis: Redis, products: Sequence[int]) -> None:
        self._services, self._redis, self._products = services, redis, products
        self._behind, self._done = Side("write-behind"), Flushed()
        self._updated, self._through = Side("update"), Side("write-through")

    async def run(self, operations: int, clients: int) -> int:
        """Measure, and print what they came to. Returns how many views that were."""
        each, fewer = operations // ROUNDS, operations // ROUNDS // SLOWER
        for _ in range(ROUNDS):
            async with flushing(self._services, self._redis, self._done) as views:
                await self._behind.run(_adding(views), self._products, each, clients)
            await self._updated.run(update, self._products, fewer, clients)
            await self._through.run(self._write_through, self._products, fewer, clients)
        keys = "a hot key" if len(self._products) == 1 else f"{len(self._products)} keys"
        print(f"{keys}, {clients} client{'s' if clients > 1 else ''}")
        self._show()
        return sum(side.operations for side in (self._behind, self._updated, self._through))

    async def _write_through(self, product: int) -> None:
        with Context(self._services) as context:
            async with write(context) as change:
                await upsert(product)
                change.purges(f"views:{product}")

    def _show(self) -> None:
        behind, done = self._behind, self._done
        whole = behind.operations / (behind.seconds + done.seconds)
        for side in (behind, self._updated, self._through):
            print(
                f"  {side.name:>13}: {side.rate:>7,.0f} views/s, p50 {side.quantile(50):.2f} ms, "
                f"p99 {side.quantile(99):.2f} ms"
            )
        for side in (self._updated, self._through):
            print(
                f"  {behind.rate / side.rate:.1f} times as many acknowledged as by {side.name}, "
                f"{whole / side.rate:.1f} times as many in SQL"
            )
        print(f"  {done.rows / done.operations * 1_000:.1f} rows written for 1,000 views")


def _adding(views: WriteBehind) -> View:
    return lambda product: views.add(str(product))


async def measure(url: str, redis_url: str, operations: int) -> None:
    """All of it. Raises `RuntimeError` if SQL does not have every view in the end."""
    await migrate(url)
    settings = Settings(REDIS_URL=redis_url, DATABASE_URL=url)
    async with open_services(settings) as services:
        await services.cache.start()
        await services.cache.catch_up(30.0)
        redis = open_redis(redis_url, budget=30.0)
        products = await seed()
        total = await Comparison(services, redis, products).run(operations, CLIENTS)
        total += await Comparison(services, redis, products[:1]).run(operations, CLIENTS)
        total += await Comparison(services, redis, products).run(operations // 4, 1)
        counted = sum(row.views for row in await ProductStats.all())
        await redis.aclose()
    if counted != total:
        raise RuntimeError(f"SQL has {counted} views of {total}")
    print(f"all {total:,} views are in SQL, each once")


def main() -> None:
    """The command line."""
    parser = command_line(__doc__)
    parser.add_argument("--operations", type=int, default=20_000)
    options = parser.parse_args()
    operations = 1_000 if options.short else options.operations
    with valkey() as port, tempfile.TemporaryDirectory() as directory:
        url = f"sqlite://{Path(directory) / 'store.sqlite3'}"
        asyncio.run(measure(url, f"redis://127.0.0.1:{port}/0", operations))


if __name__ == "__main__":
    main()
