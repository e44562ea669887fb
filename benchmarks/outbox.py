"""What the outbox costs a mutation: the same write with its row and without.

    python -m benchmarks.outbox [--writes 2000] [--database URL] [--short]

Places orders of three lines through the resolver, turn by turn with the outbox and without it, on a
fresh SQLite or in the empty database of `--database`, with a Valkey of its own. The marks of the
rows, which are written in the background, fall into the same run.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from redis.asyncio import Redis

from benchmarks.servers import command_line, valkey
from cache import Cache, RedisStore
from cache.integrations.tortoise import TortoiseOutbox
from cache.leaderboard import Leaderboards
from cache.protocol import ALL
from cache.records import Records
from cache.stores.connection import open_redis
from cache.writes import WriteBehind
from models.database import connect, disconnect, migrate
from models.tables import Outbox, Product, Role, User
from resolvers.context import Context, Services, Viewer
from resolvers.ordering import LineWanted, place_order
from resolvers.score_source import SqlScores
from resolvers.stats import view_progress

PRODUCTS = 50
LINES = 3


@asynccontextmanager
async def writer(redis: Redis, prefix: str, *, with_outbox: bool) -> AsyncIterator[Services]:
    """The parts of an application; its cache follows the log and relays, as a server's does."""
    outbox = TortoiseOutbox(Outbox)
    cache = Cache(
        RedisStore(redis, prefix),
        outbox=outbox,
        rules=ALL if with_outbox else ALL.without("w1_outbox"),
    )
    await cache.start()
    await cache.catch_up(10.0)
    yield Services(
        cache=cache,
        records=Records(redis, prefix, "session", 3_600),
        views=WriteBehind(view_progress(outbox), redis, prefix, cache=cache),
        leaderboards=Leaderboards(redis, SqlScores(), prefix),
        currency="EUR",
    )
    await cache.close()


async def seed() -> tuple[Viewer, list[int]]:
    """A customer, and products that never run out."""
    now = datetime.now(UTC)
    user = await User.create(name="Ada", role=Role.CUSTOMER, created_at=now)
    made = [
        await Product.create(
            sku=f"P-{number}",
            name=f"Product {number}",
            name_key=f"product {number}",
            price_minor=1_000,
            stock=10**9,
            created_at=now,
            updated_at=now,
        )
        for number in range(PRODUCTS)
    ]
    return Viewer(user.id, Role.CUSTOMER), [product.id for product in made]


async def one(services: Services, viewer: Viewer, products: list[int], turn: int) -> float:
    """The seconds of one order."""
    lines = [LineWanted(products[(turn + step) % PRODUCTS], 1) for step in range(LINES)]
    with Context(services, viewer) as context:
        began = time.perf_counter()
        await place_order(context, lines)
        return time.perf_counter() - began


async def measure(url: str, redis_url: str, writes: int) -> dict[str, list[float]]:
    """The seconds of each write, by what was measured."""
    await migrate(url)
    await connect(url)
    redis = open_redis(redis_url, budget=10.0)
    taken: dict[str, list[float]] = {"without": [], "with": []}
    viewer, products = await seed()
    async with (
        writer(redis, "without", with_outbox=False) as without,
        writer(redis, "with", with_outbox=True) as with_,
    ):
        for turn in range(writes):
            taken["without"].append(await one(without, viewer, products, turn))
            taken["with"].append(await one(with_, viewer, products, turn))
    await redis.aclose()
    await disconnect()
    return taken


def main() -> None:
    """Print the medians, and what the outbox adds to them."""
    parser = command_line(__doc__)
    parser.add_argument("--writes", type=int, default=2_000)
    parser.add_argument("--database", default="")
    options = parser.parse_args()
    writes = 20 if options.short else options.writes
    with valkey() as port, tempfile.TemporaryDirectory() as directory:
        url = options.database or f"sqlite://{Path(directory) / 'store.sqlite3'}"
        taken = asyncio.run(measure(url, f"redis://127.0.0.1:{port}", writes))
    medians = {name: statistics.median(seconds) * 1e3 for name, seconds in taken.items()}
    for name, milliseconds in medians.items():
        print(f"{name:>8} outbox: {milliseconds:.2f} ms for an order, median of {writes}")
    print(f"the outbox adds {medians['with'] / medians['without'] - 1:.1%}")


if __name__ == "__main__":
    main()
