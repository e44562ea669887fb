"""An import beside a store that takes orders: nothing that either counts is lost."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.exceptions import IntegrityError, OperationalError

from cache import Position, StoreUnavailable
from cache.facts import Invalidated
from models.database import transaction
from models.tables import Order, OrderLine, OrderStatus, Outbox, Product, Role, User
from ops.importers import batches
from ops.importers.problems import ImportRefused
from ops.importers.purging import Purger
from ops.importers.superstore import Options, import_superstore
from resolvers import ordering, tags
from resolvers.context import Viewer
from resolvers.errors import Refused
from resolvers.ordering import LineWanted
from tests.support.serving import FRESHQL, environment
from tests.support.store import Worker, context_of
from tests.support.superstore import Purges, generate, snapshot


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("beside"), products=40, customers=20, orders=700)


@pytest.fixture
async def worker(database: str, redis: Redis, key_prefix: str) -> AsyncIterator[Worker]:
    made = Worker(redis, key_prefix)
    yield made
    await made.close()


async def counted() -> None:
    """Totals, points, units and stock are what the orders add up to, whoever made them."""
    lines: Counter[int] = Counter()
    units: Counter[int] = Counter()
    taken: Counter[int] = Counter()
    points: Counter[int] = Counter()
    statuses = dict(await Order.all().values_list("id", "status"))
    imported = {one.id for one in await Order.filter(import_digest__isnull=False)}
    for line in await OrderLine.all():
        lines[line.order_id] += line.quantity * line.unit_price_minor
        cancelled = statuses[line.order_id] is OrderStatus.CANCELLED
        units[line.product_id] += 0 if cancelled else line.quantity
        if line.order_id not in imported:
            taken[line.product_id] += 0 if cancelled else line.quantity
    for order in await Order.all():
        assert order.total_minor == lines[order.id]
        if order.status is not OrderStatus.CANCELLED:
            points[order.user_id] += order.total_minor // 100
    for user in await User.all():
        assert user.loyalty_points == points[user.id]
    for product in await Product.all():
        assert (product.units_sold, product.stock) == (units[product.id], 100 - taken[product.id])


async def started(
    database: str, redis_url: str, directory: Path, *arguments: str
) -> asyncio.subprocess.Process:
    """An import as a process of its own."""
    return await asyncio.create_subprocess_exec(
        *(FRESHQL, "import", "superstore", *arguments),
        cwd=directory,
        env=environment({"DATABASE_URL": database, "REDIS_URL": redis_url}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def trade(worker: Worker, ended: asyncio.Task[Any]) -> int:
    """Place orders as imported customers, and cancel some, until the import has ended."""
    chance, placed = random.Random(3), 0
    while not ended.done():
        users = await User.all().values_list("id", flat=True)
        products = await Product.all().values_list("id", flat=True)
        if not users or not products:
            await asyncio.sleep(0.01)
            continue
        viewer = Viewer(user_id=int(str(chance.choice(users))), role=Role.CUSTOMER)
        chosen = chance.sample(products, min(3, len(products)))
        wanted = [LineWanted(int(str(it)), 1) for it in chosen]
        with context_of(worker, viewer) as context:
            try:
                order_id = await ordering.place_order(context, wanted)
                if chance.random() < 0.3:
                    await ordering.cancel_order(context, order_id)
            except Refused:
                continue  # sold out
        placed += 1
    return placed


async def test_orders_taken_during_an_import_are_all_counted(
    worker: Worker, database: str, redis_url: str, folder: Path, tmp_path: Path
) -> None:
    process = await started(database, redis_url, tmp_path, str(folder), "--batch-rows", "20")
    output = asyncio.create_task(process.communicate())
    placed = await trade(worker, output)
    assert process.returncode == 0, await output
    assert placed > 5
    assert await Order.filter(import_digest__isnull=False).count() == 700
    await counted()


async def test_an_imported_order_cancelled_half_way_through_stays_cancelled(
    worker: Worker, folder: Path, tmp_path: Path
) -> None:
    """Its later lines raise its total, but bring no points and no units."""
    options = Options(rejects=tmp_path / "r.csv", batch_rows=10)
    cancelled: list[int] = []

    class Cancelling(Purges):
        async def invalidate(self, tags: object) -> None:
            lines = await OrderLine.all().count()
            if not cancelled and lines >= 10:
                line = await OrderLine.all().order_by("-id").first().select_related("order")
                order = await Order.get(id=line.order_id)
                await Order.filter(id=order.id).update(status=OrderStatus.PAID)
                with context_of(worker, Viewer(order.user_id, Role.CUSTOMER)) as context:
                    await ordering.cancel_order(context, order.id)
                cancelled.append(order.id)

    await import_superstore(folder, Cancelling(), options)
    assert len(cancelled) == 1
    order = await Order.get(id=cancelled[0])
    assert order.status is OrderStatus.CANCELLED
    lines = await OrderLine.filter(order_id=order.id)
    assert order.total_minor == sum(it.quantity * it.unit_price_minor for it in lines)
    others = await Order.filter(user_id=order.user_id).exclude(id=order.id)
    user = await User.get(id=order.user_id)
    assert user.loyalty_points == sum(it.total_minor // 100 for it in others)
    units: Counter[int] = Counter()
    for line in await OrderLine.exclude(order_id=order.id):
        units[line.product_id] += line.quantity
    assert {it.id: it.units_sold for it in await Product.all()} == {
        it.id: units[it.id] for it in await Product.all()
    }


async def test_two_imports_at_once_do_the_work_of_one(
    database: str, redis_url: str, folder: Path, tmp_path: Path
) -> None:
    async def run(name: str) -> tuple[int | None, bytes]:
        rejects = ("--rejects", str(tmp_path / name))
        arguments = (str(folder), "--batch-rows", "50", *rejects)
        process = await started(database, redis_url, tmp_path, *arguments)
        output, _ = await process.communicate()
        return process.returncode, output

    for code, output in await asyncio.gather(run("one.csv"), run("two.csv")):
        assert code == 0, output.decode()
    both = await snapshot()
    assert len(both["orders"]) == 700
    await counted()
    again = await import_superstore(folder, Purges(), Options(rejects=tmp_path / "r.csv"))
    assert (again.changes, await snapshot()) == (0, both)


class Failing:
    """Makes the next transactions fail as another one in the way makes them fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, error: Exception, times: int) -> None:
        self.left = times
        note = Purger.note

        async def fail(purger: Purger, names: Iterable[str]) -> str | None:
            identifier = await note(purger, names)
            if self.left:
                self.left -= 1
                raise error
            return identifier

        monkeypatch.setattr(Purger, "note", fail)
        monkeypatch.setattr(batches, "FIRST_PAUSE", 0.0)


class _Deadlock(Exception):
    sqlstate = "40P01"


@pytest.mark.parametrize("error", [_Deadlock(), IntegrityError("UNIQUE"), ConnectionResetError()])
async def test_a_batch_that_another_transaction_stopped_is_tried_again(
    database: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    failing = Failing(monkeypatch, error, times=3)
    summary = await import_superstore(folder, Purges(), Options(rejects=tmp_path / "r.csv"))
    assert (failing.left, summary.rejected) == (0, 0)
    assert await Product.all().count() == 40
    await counted()


async def test_an_import_stops_when_the_database_stays_away(
    database: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Failing(monkeypatch, ConnectionResetError("gone"), times=batches.ATTEMPTS)
    with pytest.raises(ImportRefused, match=r"did not take a batch of products\.csv .* gone"):
        await import_superstore(folder, Purges(), Options(rejects=tmp_path / "r.csv"))
    assert await Product.all().count() == 0
    await import_superstore(folder, Purges(), Options(rejects=tmp_path / "r.csv"))
    await counted()


async def test_a_commit_whose_answer_is_lost_is_purged_and_not_done_twice(
    database: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []

    @asynccontextmanager
    async def lossy() -> AsyncIterator[BaseDBAsyncClient]:
        begun.append(1)
        async with transaction() as connection:
            yield connection
        if len(begun) % 2:
            raise ConnectionResetError("gone during the commit")

    monkeypatch.setattr(batches, "transaction", lossy)
    monkeypatch.setattr(batches, "FIRST_PAUSE", 0.0)
    purges = Purges()
    await import_superstore(folder, purges, Options(rejects=tmp_path / "r.csv"))
    await counted()
    assert {tags.sku("OFF-00000000"), tags.user(1), tags.ORDERS} <= purges.names


async def test_a_mistake_of_ours_is_not_tried_again(
    database: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = Failing(monkeypatch, OperationalError("no such column"), times=2)
    with pytest.raises(OperationalError, match="no such column"):
        await import_superstore(folder, Purges(), Options(rejects=tmp_path / "r.csv"))
    assert failing.left == 1


async def test_without_redis_nothing_is_imported(
    database: str, folder: Path, tmp_path: Path
) -> None:
    purges = Purges()
    purges.answers = False
    options = Options(rejects=tmp_path / "r.csv", patience=0.1)
    with pytest.raises(ImportRefused, match="Redis does not answer"):
        await import_superstore(folder, purges, options)
    assert await Product.all().count() == 0


async def test_a_redis_that_goes_away_meanwhile_gets_every_purge_later(
    worker: Worker, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a batch changed is in the outbox with it; the first relay that has Redis sends it."""
    cache = worker.services.cache

    async def away(_tags: object) -> Position:
        raise StoreUnavailable("gone")

    with monkeypatch.context() as patch:
        patch.setattr(cache.store, "invalidate", away)
        await import_superstore(folder, cache, Options(rejects=tmp_path / "r.csv"))
    await counted()
    assert await Outbox.filter(published_epoch=None).count() == await Outbox.all().count() > 3
    relay = cache.relay
    assert relay is not None
    await relay.drain()
    purged = worker.facts.of(Invalidated)
    assert {tags.sku("OFF-00000000"), tags.user(1), tags.ORDERS, tags.brand("xerox")} <= {
        tag for fact in purged for tag in fact.tags
    }
