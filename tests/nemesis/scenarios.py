"""The races of the controls: what happens, and who logs it. Each is numbered in its docstring.

`broken` says whether the application does what its control does wrong; controls of the engine's
own rules and of whole designs need nothing here.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

import pytest

from cache import StoreUnavailable
from cache.facts import Filled
from cache.once import Once
from cache.writes import Lease, WriteBehind, WriteBehindSettings
from models.queries import products as queries
from models.tables import Product
from resolvers import product_edits, tags
from resolvers.ids import decode_id
from resolvers.products import stock
from resolvers.writing import write
from tests.history.records import Outcome, Write
from tests.nemesis.desk import At, Desk
from tests.support.worlds.gate import Gate
from tests.support.write_behind import Pause, SteppedProgress, interrupted, progress_row, until

Patch = pytest.MonkeyPatch
Scenario = Callable[[Desk, Patch, bool], Awaitable[None]]

RACED = (
    "query Raced($id: ID!, $slug: String!) {"
    " a: product(id: $id) { id name description price { amount } version category { slug } }"
    " products(filter: { categorySlug: $slug }, first: 50) { edges { node { id version } } } }"
)


async def slow_reader(desk: Desk, patch: Patch, broken: bool) -> None:
    """1. R at A reads the old row  2. W at B commits, purges, is acknowledged  3. R stores what it
    read  4. W reads at A."""
    a, b = await desk.worker("a"), await desk.worker("b")
    product, reader, writer = desk.log.goods.edited[0], desk.anybody(), desk.staff()
    gate, read = Gate(), queries.products_by_id

    async def held(ids: Collection[int]) -> Any:
        found = await read(ids)
        await gate()
        return found

    patch.setattr(queries, "products_by_id", held)
    reading = asyncio.create_task(reader.look(a, product))
    await gate.reached.wait()
    patch.setattr(queries, "products_by_id", read)
    await writer.rename(b, product)
    gate.open()
    await reading
    await writer.look(a, product)


async def older_writer_purges_later(desk: Desk, patch: Patch, broken: bool) -> None:
    """1. W1 at A commits  2. W2 at B commits, purges, is acknowledged  3. W1 purges, and stores
    what it holds, if it is broken  4. W2 reads at B."""
    a, b = await desk.worker("a"), await desk.worker("b")
    product, first, second = desk.log.goods.edited[0], desk.staff(), desk.staff()
    gate, read, cache = Gate(), queries.products_by_id, a.worker.services.cache
    publish = cache.publish
    holds: dict[int, Any] = {}

    async def published(identifier: str, named: Any) -> None:
        holds.update(await read([decode_id(product, "Product")]))
        await gate()
        await publish(identifier, named)

    async def from_memory(ids: Collection[int]) -> Any:
        return holds if gate.is_open and not writing.done() else await read(ids)

    patch.setattr(cache, "publish", published)
    if broken:
        patch.setattr(queries, "products_by_id", from_memory)
    writing = asyncio.create_task(first.rename(a, product))
    await gate.reached.wait()
    await second.rename(b, product)
    gate.open()
    await writing
    await second.look(b, product)


async def killed_before_the_purge(desk: Desk, patch: Patch, broken: bool) -> None:
    """1. W at A commits, and its purge is lost  2. B's relay has time to look  3. B is compared."""
    a, b = await desk.worker("a"), await desk.worker("b")
    product, writer = desk.log.goods.edited[0], desk.staff()
    await desk.anybody().look(b, product)

    async def killed(*_: Any) -> None:
        raise RuntimeError("killed")

    with patch.context() as dying:
        dying.setattr(a.worker.services.cache, "publish", killed)
        dying.setattr(a.worker.services.cache, "invalidate", killed)
        await writer.rename(a, product)
    desk.log.internal.clear()
    relay = b.worker.services.cache.relay
    assert relay is not None
    for _ in range(3):
        await relay.step()
        await asyncio.sleep(0.06)  # a relay leaves a row to its own process for Δ/4
    desk.workers.remove(a)
    await desk.compare()


async def paused_past_its_lease(desk: Desk, patch: Patch, broken: bool) -> None:
    """1. F1 reads a batch, is paused, its lease ends  2. F2 commits the batch  3. F1 commits."""
    a = await desk.worker("a")
    product, viewer = desk.log.goods.edited[0], desk.anybody()
    for _ in range(3):
        assert await viewer.view(a, product) is Outcome.OK

    class NoToken(SteppedProgress):
        async def commit(self, lease: Lease, batch: Any) -> Any:
            await self.before_commit()
            self.before_commit = self.after_commit
            token = (await progress_row()).token
            return await super().commit(replace(lease, token=token), batch)

    paused, other = NoToken() if broken else SteppedProgress(), SteppedProgress()
    first, second = (
        WriteBehind(it, desk.redis, desk.prefix, settings=WriteBehindSettings(lease=0.05))
        for it in (paused, other)
    )
    pause = paused.before_commit = Pause()
    async with interrupted(first.flusher.flush(), pause):

        async def taken_over() -> bool:
            return await second.flusher.flush() == 3

        await until(taken_over)
        # Another operation, so that the batch that was read is not all that there is.
        assert await viewer.view(a, product) is Outcome.OK
    await first.flusher.flush()
    await second.flusher.flush()
    await desk.compare()


async def acknowledged_too_early(desk: Desk, patch: Patch, broken: bool) -> None:
    """1. Redis goes away  2. V views  3. Redis is back  4. everything is flushed and compared."""
    a = await desk.worker("a")
    product, viewer = desk.log.goods.edited[0], desk.anybody()
    views = a.worker.services.views
    appender = views._appender
    append = appender.append

    async def unreachable(*_: Any) -> None:
        raise StoreUnavailable("Redis was not reached", sent=False)

    if broken:

        async def add_later(key: str, amount: int = 1, once: Once | None = None) -> None:
            task = asyncio.ensure_future(appender.append(key, "value", amount))
            task.add_done_callback(lambda done: done.exception())

        patch.setattr(views, "add", add_later)
    patch.setattr(appender, "append", unreachable)
    await viewer.view(a, product)
    patch.setattr(appender, "append", append)
    await views.flusher.flush()
    await desk.compare()


async def past_its_loader(desk: Desk, patch: Patch, broken: bool) -> None:
    """1. R's loader at A reads the old row for a field  2. W at B commits, purges, is acknowledged,
    and A hears of it  3. a list of R's shows the row: it is loaded again, by the loader  4. W reads
    at A."""
    a, b = await desk.worker("a"), await desk.worker("b")
    product, reader, writer = desk.log.goods.edited[0], desk.anybody(), desk.staff()
    gate, page = Gate(), queries.product_page

    async def held(*given: Any) -> Any:
        await gate()
        return await page(*given)

    patch.setattr(queries, "product_page", held)
    slug = desk.log.goods.categories[0]
    reading = asyncio.create_task(reader.ask(a, RACED, id=product, slug=slug))
    await gate.reached.wait()
    await until(lambda: _has_stored(a))
    patch.setattr(queries, "product_page", page)
    await writer.rename_unseen(b, product)
    await desk.hears(a)
    gate.open()
    await reading
    await writer.look(a, product)


async def _has_stored(at: At) -> bool:
    """Whether a product's row is stored by now: R's first field is answered."""
    return any("product" in fill.name for fill in at.worker.facts.of(Filled))


async def cut_off_from_redis(desk: Desk, patch: Patch, broken: bool) -> None:
    """1. A cannot reach Redis; B has the old row in memory  2. W at A commits, is acknowledged
    3. W reads at B."""
    a, b = await desk.cut_off("a"), await desk.lagging("b")
    product, writer = desk.log.goods.edited[0], desk.staff()
    await desk.anybody().look(b, product)
    await writer.rename(a, product)
    await writer.look(b, product)


async def moved_twice(desk: Desk, patch: Patch, broken: bool) -> None:
    """1. W2 reads where the product is, without a lock if it is broken  2. W1 moves it to red
    3. R reads red  4. W2 moves it to blue, and purges where it was, as it read that  5. red is
    compared."""
    a = await desk.worker("a")
    product, first, second = desk.log.goods.moved[0], desk.staff(), desk.staff()
    old = await Product.get(id=decode_id(product, "Product"))
    await first.move(a, product, "red")
    await desk.anybody().browse(a, "red")

    class Unlocked:
        async def first(self) -> Product:
            return old

    if broken:
        patch.setattr(product_edits, "locked", lambda _: Unlocked())
    await second.move(a, product, "blue")
    await desk.compare()


async def decided_by_a_cached_value(desk: Desk, patch: Patch, broken: bool) -> None:
    """1. A piece is sold at A; B has the old stock in memory  2. at B a transaction takes one of
    what the cached function says that there is  3. A is compared."""
    a, b = await desk.worker("a"), await desk.lagging("b")
    product = desk.log.goods.sold[0]
    number = decode_id(product, "Product")
    await desk.anybody().look(b, product)
    for at in (a, b):
        await _take_one(desk, at, number, product)
    await desk.compare()


async def _take_one(desk: Desk, at: At, number: int, product: str) -> None:
    moment = asyncio.get_running_loop().time()
    async with at.worker.context() as ctx, write(ctx) as change:
        left = await stock(ctx, number)
        assert left is not None
        await Product.filter(id=number).update(stock=left - 1)
        change.purges(tags.stock(number))
    done = Write(f"stock:{product}", 99, moment, moment + 0.001, Outcome.OK, amount=1)
    desk.log.history.writes.append(done)


@dataclass(frozen=True)
class Control:
    """A mechanism that is left out, the race that is lost without it, and how that is found."""

    scenario: Scenario
    finds: str
    off: tuple[str, ...] = ()
    design: str = "engine"
    broken: bool = False


CONTROLS = {
    "naive cache-aside": Control(slow_reader, "read your writes", design="aside"),
    "tag sets": Control(slow_reader, "read your writes", design="tag sets"),
    "write-through with the value in memory (W4)": Control(
        older_writer_purges_later, "read your writes", broken=True
    ),
    "no outbox (W1)": Control(killed_before_the_purge, "diverged", off=("w1_outbox",)),
    "no fencing token": Control(paused_past_its_lease, "applied once", broken=True),
    "acknowledged before the append": Control(acknowledged_too_early, "applied once", broken=True),
    "a DataLoader without positions (L2)": Control(
        past_its_loader, "read your writes", off=("l2_memory",)
    ),
    "a token without the outbox id (W5)": Control(
        cut_off_from_redis, "read your writes", off=("w5_outbox_id",)
    ),
    "an old value read without its lock (W3)": Control(moved_twice, "diverged", broken=True),
    "a look-up inside a transaction (L0)": Control(
        decided_by_a_cached_value, "applied once", off=("l0_transaction",)
    ),
}
