"""Leases, tokens, progress and values of a write-behind in SQL, on both databases."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tortoise.models import Model

from cache.integrations.tortoise_progress import TortoiseProgress
from cache.writes import SUM, Applied, Batch, Committed, Entry, Lease, LeaseLost, Operation
from models.database import is_unavailable
from models.tables import DeadLetter, Outbox, ProductStats, WriteBehindProgress
from resolvers.stats import VIEWS
from tests.support.counting import SqlCounter
from tests.support.write_behind import SteppedProgress, add_products, sql_views

pytestmark = pytest.mark.usefixtures("database")


def the_progress(name: str = "product-views") -> TortoiseProgress:
    operation = Operation(name=name, rule=SUM, apply=VIEWS.apply, read=VIEWS.read)
    return TortoiseProgress(
        operation, WriteBehindProgress, DeadLetter, is_unavailable=is_unavailable
    )


def a_batch(last_id: str, views: Mapping[int, int], epoch: str = "e") -> Batch:
    entries = [
        Entry(f"1-{number}", str(number), "value", str(times)) for number, times in views.items()
    ]
    return Batch(Applied(epoch, last_id), entries)


async def a_lease(progress: TortoiseProgress, seconds: float = 60) -> Lease:
    lease = await progress.take_lease("a", seconds)
    assert lease is not None
    return lease


async def test_one_lease_at_a_time_and_each_gets_a_larger_token() -> None:
    progress = the_progress()
    first = await progress.take_lease("a", 60)
    assert first == Lease(1, 60, Applied())
    assert await progress.take_lease("b", 60) is None
    second = await progress.take_lease("a", 60)
    assert second == Lease(2, 60, Applied())
    await progress.release_lease(first)  # a void token ends nothing
    assert await progress.take_lease("b", 60) is None
    await progress.release_lease(second)
    assert await progress.take_lease("b", 60) == Lease(3, 60, Applied())


async def test_streams_do_not_share_a_lease() -> None:
    assert await the_progress("s").take_lease("a", 60) is not None
    assert await the_progress("t").take_lease("b", 60) is not None


async def test_a_lease_ends_by_itself() -> None:
    progress = the_progress()
    await a_lease(progress)
    now = datetime.now(UTC)
    # As another program writes it, with the offset of a zone.
    await WriteBehindProgress.all().update(lease_until=now + timedelta(seconds=30))
    assert await progress.take_lease("b", 60) is None
    await WriteBehindProgress.all().update(lease_until=now - timedelta(seconds=1))
    assert await progress.take_lease("b", 60) == Lease(2, 60, Applied())


async def test_a_short_lease_ends_too() -> None:
    progress = the_progress()
    await a_lease(progress, 0.01)
    async with asyncio.timeout(20):
        while await progress.take_lease("b", 60) is None:
            await asyncio.sleep(0.01)


async def test_of_many_at_once_one_gets_the_lease() -> None:
    progress = the_progress()
    taken = await asyncio.gather(*(progress.take_lease(f"worker {n}", 60) for n in range(8)))
    assert sum(it is not None for it in taken) == 1


async def test_who_cannot_get_the_lease_takes_no_write_lock() -> None:
    progress = the_progress()
    await a_lease(progress)
    with SqlCounter() as sql:
        await progress.take_lease("b", 60)
    assert not [said for said in sql.statements if "INSERT" in said or "UPDATE" in said]


async def test_a_fence_voids_the_token_and_keeps_the_progress() -> None:
    await add_products(1)
    progress = the_progress()
    lease = await a_lease(progress)
    reached = Applied("epoch", "7-1")
    assert await progress.commit(lease, a_batch("7-1", {1: 2}, "epoch")) == Committed(reached, 1)
    fenced = replace(reached, revision=1)
    assert await progress.fence() == fenced
    with pytest.raises(LeaseLost):
        await progress.commit(lease, a_batch("8-1", {1: 2}, "epoch"))
    assert await sql_views() == {1: 2}
    assert await progress.take_lease("b", 60) == Lease(3, 60, fenced)


async def test_a_fence_of_a_stream_that_nobody_flushed_begins_it() -> None:
    assert await the_progress().fence() == Applied()


async def test_a_void_token_writes_neither_values_nor_progress() -> None:
    await add_products(1)
    progress = the_progress()
    await a_lease(progress)
    with pytest.raises(LeaseLost, match="token 99 is void"):
        await progress.commit(Lease(99, 60, Applied()), a_batch("5-0", {1: 2}))
    assert await sql_views() == {}
    assert (await progress.read([])).applied == Applied()


async def test_values_add_up_and_keys_without_a_row_are_told() -> None:
    await add_products(3)
    progress = the_progress()
    lease = await a_lease(progress)
    await ProductStats.create(product_id=1, views=10)
    batch = a_batch("1-0", {1: 5, 2: 1, 77: 3, 78: 1})
    # What was dropped is in live values: they are of another revision from now on.
    reached = Applied("e", "1-0", 1)
    assert await progress.commit(lease, batch) == Committed(reached, 2, frozenset({"77", "78"}))
    again = await progress.commit(lease, a_batch("2-0", {2: 4}))
    assert again == Committed(Applied("e", "2-0", 1), 1)
    assert await sql_views() == {1: 15, 2: 5}


async def test_a_batch_of_nothing_but_unknown_keys_moves_the_progress() -> None:
    progress = the_progress()
    lease = await a_lease(progress)
    committed = await progress.commit(lease, a_batch("1-0", {77: 3}))
    assert committed.dropped == {"77"}
    snapshot = await progress.read(["77"])
    assert snapshot.applied == Applied("e", "1-0", 1)
    assert snapshot.values == {"77": {"value": 0}}


async def test_a_commit_of_many_is_few_statements_and_renews_the_lease() -> None:
    await add_products(500)
    progress = the_progress()
    lease = Lease((await a_lease(progress, 0.001)).token, 60, Applied())
    with SqlCounter() as sql:
        await progress.commit(lease, a_batch("1-0", dict.fromkeys(range(1, 501), 1)))
    tables = ("product", "write_b", "dead_l")
    assert len([said for said in sql.statements if any(it in said for it in tables)]) == 4
    assert sum((await sql_views()).values()) == 500
    assert await progress.take_lease("b", 60) is None


async def test_what_is_read_beside_flushes_is_of_one_state() -> None:
    """Whenever the values are read, a flush comes in between: in the end the row is held."""
    await add_products(2)
    held = asyncio.Event()

    async def read(connection: Any, keys: Any) -> Any:
        assert VIEWS.read is not None
        first = await VIEWS.read(connection, keys[:1])
        progress.reads += 1
        if progress.reads <= 3:
            number = progress.reads
            await progress.commit(lease, a_batch(f"{number}-0", {1: 1, 2: 1}))
        else:
            held.set()
        return {**first, **await VIEWS.read(connection, keys[1:])}

    progress = SteppedProgress(Operation(name="p", rule=SUM, apply=VIEWS.apply, read=read))
    lease = await a_lease(progress)
    snapshot = await TortoiseProgress.read(progress, ["1", "2"])
    assert held.is_set()
    assert snapshot.applied == Applied("e", "3-0")
    assert snapshot.values == {"1": {"value": 3}, "2": {"value": 3}}


async def test_a_revision_is_raised_past_another() -> None:
    progress = the_progress()
    await progress.raise_revision(0)
    assert await progress.applied() == Applied(revision=1)
    await progress.raise_revision(7)
    assert await progress.applied() == Applied(revision=8)
    await progress.raise_revision(2)
    assert await progress.applied() == Applied(revision=9)


@pytest.mark.parametrize("which", ["progress", "letters"])
def test_tables_of_other_columns_are_refused(which: str) -> None:
    tables: list[type[Model]] = [WriteBehindProgress, DeadLetter]
    tables[which == "letters"] = Outbox
    with pytest.raises(ValueError, match="derive it from"):
        TortoiseProgress(VIEWS, *tables, is_unavailable=is_unavailable)
