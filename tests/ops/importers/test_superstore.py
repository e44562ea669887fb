"""A whole folder: into an empty store, again, and after a kill at the worst moments."""

import asyncio
import signal
import subprocess
import sys
from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from models.database import connect, disconnect, migrate
from models.tables import Category, Order, OrderLine, OrderStatus, Outbox, Product, User
from ops.importers.report import ExitCode
from ops.importers.status import derived_status
from ops.importers.superstore import Options, import_superstore, newest_day
from tests.support.superstore import REAL, Purges, facts_of, generate, snapshot

ROOT = Path(__file__).resolve().parents[3]


async def test_everything_is_there_to_the_cent_and_once(
    database: str, superstore: Path, tmp_path: Path
) -> None:
    facts = facts_of(superstore)
    options = Options(rejects=tmp_path / "r.csv")
    summary = await import_superstore(superstore, Purges(), options)

    assert summary.exit_code is ExitCode.GOOD
    added = {tally.file: tally.added for tally in summary.files}
    assert list(added.values()) == [facts.products, facts.customers, facts.orders, facts.lines]
    assert await Product.all().count() == facts.products
    assert await User.all().count() == facts.customers
    assert await Order.all().count() == facts.orders
    lines = await OrderLine.all().values_list("quantity", "unit_price_minor")
    assert len(lines) == facts.lines
    assert Decimal(sum(q * price for q, price in lines)).scaleb(-2) == facts.total
    assert not options.rejects.exists()

    before, purges = await snapshot(), Purges()
    again = await import_superstore(superstore, purges, options)
    assert (again.changes, again.rejected, again.exit_code) == (0, 0, ExitCode.GOOD)
    assert sum(tally.unchanged for tally in again.files) == sum(added.values())
    assert purges.batches == []
    assert await snapshot() == before


async def test_what_follows_from_the_lines_and_dates(
    database: str, superstore: Path, tmp_path: Path
) -> None:
    await import_superstore(superstore, Purges(), Options(rejects=tmp_path / "r.csv"))
    totals: Counter[int] = Counter()
    units: Counter[int] = Counter()
    for line in await OrderLine.all():
        totals[line.order_id] += line.quantity * line.unit_price_minor
        units[line.product_id] += line.quantity
    points: Counter[int] = Counter()
    as_of = newest_day(superstore)
    for order in await Order.all():
        assert order.total_minor == totals[order.id]
        assert order.status is derived_status(order.shipped_on, as_of)
        points[order.user_id] += order.total_minor // 100
    assert {it.id: it.units_sold for it in await Product.all()} == {
        it.id: units[it.id] for it in await Product.all()
    }
    for user in await User.all():
        assert (user.loyalty_points, user.email, user.password_hash) == (
            points[user.id],
            None,
            None,
        )
    assert set(await Product.all().distinct().values_list("stock", flat=True)) == {100}
    slugs = await Category.all().values_list("slug", flat=True)
    assert len(slugs) == len(set(slugs))
    for category in await Category.all():
        above = f"/{category.parent_id}/" if category.parent_id else "/"
        assert category.path == f"{above}{category.id}/"


def test_the_real_superstore_is_what_it_is_known_to_be(superstore: Path) -> None:
    facts = facts_of(superstore)
    if superstore == REAL:
        assert (facts.products, facts.customers, facts.orders) == (1862, 793, 5009)
        assert (facts.lines, newest_day(superstore)) == (9994, date(2017, 12, 30))
    assert facts.lines > facts.orders > facts.customers


@pytest.mark.parametrize(
    ("shipped_on", "status"),
    [
        (date(2018, 1, 1), OrderStatus.PAID),
        (date(2017, 12, 31), OrderStatus.PAID),
        (None, OrderStatus.PAID),
        (date(2017, 12, 30), OrderStatus.SHIPPED),
        (date(2017, 12, 25), OrderStatus.SHIPPED),
        (date(2017, 12, 24), OrderStatus.DELIVERED),
    ],
)
def test_the_status_is_derived_from_the_day_of_shipping(
    shipped_on: date | None, status: OrderStatus
) -> None:
    assert derived_status(shipped_on, date(2017, 12, 30)) is status


# ---- killed half-way ----

_KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from cache.integrations.tortoise import TortoiseOutbox
from models.database import connect
from models.tables import Outbox
from ops.importers.superstore import Options, import_superstore

url, folder, where, count = sys.argv[1:]
left = [int(count)]

def passed(here):
    left[0] -= here == where
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)

class Rows(TortoiseOutbox):
    async def add(self, tags):
        row = await super().add(tags)
        passed("before the commit")
        return row

class Cache:
    async def reaches_store(self):
        return True
    async def publish(self, row, tags):
        passed("between commit and purge")

async def main():
    await connect(url)
    cache = Cache()
    cache.outbox = Rows(Outbox)
    options = Options(rejects=Path(folder) / "r.csv", batch_rows=100)
    await import_superstore(Path(folder), cache, options)

asyncio.run(main())
"""


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small folder: 3 batches of products, 1 of customers, 5 of orders, some 9 of lines."""
    folder = tmp_path_factory.mktemp("small")
    return generate(folder, products=250, customers=90, orders=450, seed=7)


def killed(url: str, folder: Path, where: str, count: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, url, str(folder), where, str(count)],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize("where", ["before the commit", "between commit and purge"])
@pytest.mark.parametrize("count", [2, 6, 13])
async def test_killed_and_repeated_it_is_as_if_nothing_had_happened(
    database_url: str, small: Path, tmp_path: Path, where: str, count: int
) -> None:
    whole = await uninterrupted(small, tmp_path)
    await asyncio.to_thread(killed, database_url, small, where, count)

    await connect(database_url)
    try:
        landed = await Product.all().count() + await OrderLine.all().count()
        assert 0 < landed < len(whole["products"]) + len(whole["lines"])
        # What landed is to be purged, the batch that was killed before its purge too; and what did
        # not land is not.
        notes = await Outbox.filter(published_epoch=None).count()
        assert notes == (count - 1 if where == "before the commit" else count)
        options = Options(rejects=tmp_path / "r.csv", batch_rows=100)
        await import_superstore(small, Purges(), options)
        assert await snapshot() == whole
        purges = Purges()
        assert (await import_superstore(small, purges, options)).changes == 0
        assert purges.batches == []
    finally:
        await disconnect()


async def uninterrupted(folder: Path, tmp_path: Path) -> dict[str, list[tuple[object, ...]]]:
    """What one run over the folder writes, into a database of its own."""
    url = f"sqlite://{tmp_path / 'whole.sqlite3'}"
    await migrate(url)
    await connect(url)
    try:
        await import_superstore(
            folder, Purges(), Options(rejects=tmp_path / "whole.csv", batch_rows=100)
        )
        return await snapshot()
    finally:
        await disconnect()
