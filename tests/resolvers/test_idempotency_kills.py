"""A worker is killed at any step of a mutation with a key, and the client sends it again."""

import asyncio
import json
import signal
import sys
from pathlib import Path

import pytest

from models.tables import IdempotencyKey, Order, Outbox, Product, Role, User
from resolvers.context import Viewer
from resolvers.ordering import LineWanted, place_order
from tests.support import ordering_process
from tests.support.ordering_process import COMMITTED, STEPS
from tests.support.store import Store, context_of

PROGRAM = Path(ordering_process.__file__)


async def order_in_a_process(store: Store, database: str, redis_url: str, step: str) -> int | None:
    """The end of a process that orders and is killed at this step."""
    data = {"user": store.users["ada"].id, "product": store.products["P-2"].id, "key": "one"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *(str(PROGRAM), database, redis_url, store.prefix, step, json.dumps(data)),
        stdout=asyncio.subprocess.DEVNULL,
    )
    async with asyncio.timeout(60):
        return await process.wait()


@pytest.mark.parametrize("step", STEPS)
async def test_sent_again_it_has_happened_once(
    store: Store, database: str, redis_url: str, step: str
) -> None:
    assert await order_in_a_process(store, database, redis_url, step) == -signal.SIGKILL
    done = 1 if step in COMMITTED else 0
    rows = [await it.all().count() for it in (Order, Outbox, IdempotencyKey)]
    assert rows == [done, done, done], "all of it is there, or nothing"
    viewer = Viewer(store.users["ada"].id, Role.CUSTOMER)
    line = LineWanted(store.products["P-2"].id, 1)
    with context_of(store.worker, viewer) as ctx:
        first = await place_order(ctx, [line], "one")
    with context_of(store.other, viewer) as ctx:
        assert await place_order(ctx, [line], "one") == first
    assert [it.id for it in await Order.all()] == [first]
    assert (await Product.get(id=line.product_id)).stock == 4
    assert (await User.get(id=store.users["ada"].id)).loyalty_points == 400


async def test_without_a_key_it_would_happen_twice(
    store: Store, database: str, redis_url: str
) -> None:
    """The control: what the key is for."""
    assert await order_in_a_process(store, database, redis_url, "committed") == -signal.SIGKILL
    with context_of(store.worker, Viewer(store.users["ada"].id, Role.CUSTOMER)) as ctx:
        await place_order(ctx, [LineWanted(store.products["P-2"].id, 1)])
    assert await Order.all().count() == 2
