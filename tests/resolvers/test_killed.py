"""A worker is killed at each step: what was acknowledged is there, once, and everybody agrees.

The table of `docs/write-behind.md`, "Killed at each step". Each kind of step has a control, a
broken variant which the same check finds out.
"""

import asyncio
import json
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from cache.writes import WriteBehind
from models.tables import IdempotencyKey, Order, OrderLine, Product, Role, User
from resolvers.context import Viewer
from resolvers.ordering import LineWanted, place_order
from resolvers.stats import record_product_view
from tests.support import killed_process
from tests.support.killed_process import (
    BROKEN_FLUSH,
    BROKEN_ORDER,
    BROKEN_VIEW,
    FLUSHES,
    OPERATIONS,
    ORDERED,
    QUICK,
    VIEWED,
    key_of,
)
from tests.support.polling import eventually
from tests.support.store import Store, Worker, context_of
from tests.support.write_behind import SteppedProgress, sql_views

pytestmark = pytest.mark.parametrize(
    "database_url", ["sqlite", pytest.param("postgres", marks=pytest.mark.long)], indirect=True
)
"""PostgreSQL is a part of `make long-test`: each of these starts and kills processes."""

PROGRAM = Path(killed_process.__file__)
SKU = "H-1"
STOCK = 100
UNITS = 5
SECONDS_THAT_PROVE_IT_STUCK = 4.0
"""Four times the bound. No machine is too slow for that: what is stuck is stuck for good."""


Check = Callable[[], Awaitable[object]]


async def killed(
    store: Store, database: str, redis_url: str, step: str, then: Check | None = None
) -> list[int]:
    """What a process acknowledged that ran into this step; `then` is done after each."""
    data = {"user": store.users["ada"].id, "product": store.products[SKU].id}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *(str(PROGRAM), database, redis_url, store.prefix, step, json.dumps(data)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    acknowledged = []
    async with asyncio.timeout(90):
        async for line in process.stdout:
            acknowledged.append(int(line.split()[1]))
            if then is not None:
                await then()
            process.stdin.write(b"go on\n")
        assert await process.wait() == -signal.SIGKILL, f"it was not killed at {step!r}"
    return acknowledged


@pytest.fixture
async def running(store: Store) -> Worker:
    """Another worker of the server, which goes on."""
    await store.worker.services.cache.start()
    assert await store.worker.services.cache.catch_up(30.0)
    return store.worker


def ada(store: Store) -> Viewer:
    return Viewer(store.users["ada"].id, Role.CUSTOMER)


# ---- the flusher ----


async def add_views(store: Store, counts: dict[str, int]) -> None:
    """Acknowledged views, by product, taken in turns."""
    left = dict(counts)
    while any(left.values()):
        for sku in [sku for sku, count in left.items() if count]:
            await store.worker.services.views.add(str(store.products[sku].id))
            left[sku] -= 1


async def wrong_views(store: Store, acknowledged: dict[str, int], unknown: int = 0) -> list[str]:
    """What is wrong once a worker was started again and has flushed everything.

    `unknown` operations of `SKU` may have been counted or not.
    """
    again = WriteBehind(SteppedProgress(), store.redis, store.prefix, settings=QUICK)
    again.start()

    async def is_empty() -> bool:
        return int(await store.redis.xlen(again.journal.stream)) == 0

    await eventually(is_empty, patience=60.0)
    await again.stop(30.0)
    counted, problems = await sql_views(), []
    for sku, count in acknowledged.items():
        product = store.products[sku].id
        most, found = count + (unknown if sku == SKU else 0), counted.get(product, 0)
        if found < count:
            problems.append(f"{count - found} acknowledged views of {sku} are lost")
        if found > most:
            problems.append(f"{found - most} views of {sku} are applied twice")
        shown = [await shown_views(worker, store, sku) for worker in (store.worker, store.other)]
        if shown != [found, found]:
            problems.append(f"workers show {shown} views of {sku}, SQL has {found}")
    return problems


async def shown_views(worker: Worker, store: Store, sku: str) -> int:
    """The views that a client is shown."""
    data = await worker.ask(
        "query($id: ID!) { product(id: $id) { stats { views } } }", id=store.id(sku)
    )
    return int(data["product"]["stats"]["views"])


async def flushing_is_killed(store: Store, database: str, redis_url: str, step: str) -> list[str]:
    """Eleven views of three products · a flusher is killed · three more views · what is wrong."""
    await add_views(store, {"P-1": 5, "P-2": 4, SKU: 2})
    await killed(store, database, redis_url, f"flush: {step}")
    await add_views(store, {"P-1": 2, SKU: 1})
    return await wrong_views(store, {"P-1": 7, "P-2": 4, SKU: 3})


@pytest.mark.parametrize("step", FLUSHES)
async def test_a_flusher(store: Store, database: str, redis_url: str, step: str) -> None:
    assert await flushing_is_killed(store, database, redis_url, step) == []


@pytest.mark.parametrize("step", BROKEN_FLUSH)
async def test_control_progress_that_is_committed_apart_applies_twice(
    store: Store, database: str, redis_url: str, step: str
) -> None:
    problems = await flushing_is_killed(store, database, redis_url, step)
    assert problems
    assert all("applied twice" in problem for problem in problems)


# ---- recordProductView ----


async def viewing_is_killed(
    store: Store, database: str, redis_url: str, step: str
) -> tuple[list[int], list[str]]:
    """Who counts views is killed at the third; what was acknowledged, and what is wrong."""
    acknowledged = await killed(store, database, redis_url, f"view: {step}")
    unknown = 1 if "after" in step else 0
    return acknowledged, await wrong_views(store, {SKU: len(acknowledged)}, unknown)


@pytest.mark.parametrize("step", VIEWED)
async def test_a_view(store: Store, database: str, redis_url: str, step: str) -> None:
    acknowledged, problems = await viewing_is_killed(store, database, redis_url, step)
    assert acknowledged == [0, 1]
    assert problems == []
    # The client does not know what became of the third: it sends all of them again.
    for number in range(OPERATIONS):
        with context_of(store.other, ada(store)) as ctx:
            await record_product_view(ctx, store.products[SKU].id, key_of(number))
    assert await wrong_views(store, {SKU: OPERATIONS}) == []


@pytest.mark.parametrize("step", BROKEN_VIEW)
async def test_control_what_is_acknowledged_before_the_append_is_lost(
    store: Store, database: str, redis_url: str, step: str
) -> None:
    acknowledged, problems = await viewing_is_killed(store, database, redis_url, step)
    assert acknowledged == [0, 1, 2]
    assert "acknowledged views of H-1 are lost" in problems[0]


# ---- placeOrder ----

SHOWN = """query($id: ID!) {
  product(id: $id) { stock stats { unitsSold } }
  me { loyaltyPoints orders(first: 20) { totalCount } }
}"""


async def shown_orders(worker: Worker, store: Store) -> tuple[int, int, int, int]:
    """Stock, units sold, points and orders, as ada is shown them; the client has no token."""
    data = await worker.ask(SHOWN, store.tokens["ada"], id=store.id(SKU))
    product, me = data["product"], data["me"]
    sold, orders = product["stats"]["unitsSold"], me["orders"]["totalCount"]
    return product["stock"], sold, me["loyaltyPoints"], orders


async def in_sql(store: Store) -> tuple[int, int, int, int]:
    """The same, from the rows."""
    product = await Product.get(id=store.products[SKU].id)
    user = await User.get(id=store.users["ada"].id)
    return product.stock, product.units_sold, user.loyalty_points, await Order.all().count()


async def wrong_orders(store: Store, acknowledged: int, unknown: int = 0) -> list[str]:
    """What is wrong in SQL: an order is there with all that it moves, or not at all."""
    orders, problems = await Order.all().count(), []
    if orders < acknowledged:
        problems.append(f"{acknowledged - orders} acknowledged orders are lost")
    if orders > acknowledged + unknown:
        problems.append(f"{orders - acknowledged - unknown} orders happened twice")
    whole = (STOCK - orders, UNITS + orders, 19 * orders, orders)
    if await in_sql(store) != whole:
        problems.append(f"SQL has {await in_sql(store)}, that should be {whole}")
    lines, keys = await OrderLine.all().count(), await IdempotencyKey.all().count()
    if (lines, keys) != (orders, orders):
        problems.append(f"{orders} orders have {lines} lines and {keys} keys")
    return problems


async def is_agreed(store: Store, running: Worker) -> bool:
    """Whether the other worker shows what is in SQL."""
    return await shown_orders(running, store) == await in_sql(store)


async def ordering_is_killed(
    store: Store, running: Worker, database: str, redis_url: str, step: str
) -> list[int]:
    """Who orders is killed at the third order; all the time the other worker has what is current
    in its caches."""

    async def read() -> None:
        await eventually(lambda: is_agreed(store, running))

    await read()
    return await killed(store, database, redis_url, f"order: {step}", read)


@pytest.mark.parametrize("step", ORDERED)
async def test_an_order(
    store: Store, running: Worker, database: str, redis_url: str, step: str
) -> None:
    acknowledged = await ordering_is_killed(store, running, database, redis_url, step)
    assert acknowledged == [0, 1]
    # The bound is a second. A slow machine's test cannot tell it from two, but from never.
    await eventually(lambda: is_agreed(store, running))
    unknown = 1 if "after" in step else 0
    assert await wrong_orders(store, 2 + unknown) == []
    restarted = Worker(store.redis, store.prefix)
    assert await is_agreed(store, restarted)
    await restarted.close()
    for number in range(OPERATIONS):
        with context_of(store.other, ada(store)) as ctx:
            await place_order(ctx, [LineWanted(store.products[SKU].id, 1)], key_of(number))
    assert await wrong_orders(store, OPERATIONS) == []
    await eventually(lambda: is_agreed(store, running))


@pytest.mark.parametrize("step", BROKEN_ORDER)
async def test_control_without_an_outbox_the_other_worker_never_learns_of_the_order(
    store: Store, running: Worker, database: str, redis_url: str, step: str
) -> None:
    acknowledged = await ordering_is_killed(store, running, database, redis_url, step)
    assert acknowledged == [0, 1]
    assert await wrong_orders(store, 3) == []
    with pytest.raises(AssertionError, match="did not happen"):
        await eventually(
            lambda: is_agreed(store, running), patience=SECONDS_THAT_PROVE_IT_STUCK, pause=0.1
        )
