"""Leases, tokens and product views in SQL, on both databases."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from models.queries.write_behind import (
    ProgressColumns,
    commit_views,
    fence,
    release_lease,
    take_lease,
    views_and_progress,
)
from models.tables import ProductStats, WriteBehindProgress
from tests.support.counting import SqlCounter
from tests.support.write_behind import add_products, sql_views

pytestmark = pytest.mark.usefixtures("database")


async def test_one_lease_at_a_time_and_each_gets_a_larger_token() -> None:
    assert await take_lease("s", "a", 60) == ProgressColumns(1, "", "0-0")
    assert await take_lease("s", "b", 60) is None
    assert await take_lease("s", "a", 60) == ProgressColumns(2, "", "0-0")
    await release_lease("s", 1)  # a void token ends nothing
    assert await take_lease("s", "b", 60) is None
    await release_lease("s", 2)
    assert await take_lease("s", "b", 60) == ProgressColumns(3, "", "0-0")


async def test_streams_do_not_share_a_lease() -> None:
    assert await take_lease("s", "a", 60) is not None
    assert await take_lease("t", "b", 60) is not None


async def test_a_lease_ends_by_itself() -> None:
    await take_lease("s", "a", 60)
    now = datetime.now(UTC)
    await WriteBehindProgress.filter(stream="s").update(lease_until=now - timedelta(seconds=1))
    assert await take_lease("s", "b", 60) == ProgressColumns(2, "", "0-0")


async def test_of_many_at_once_one_gets_the_lease() -> None:
    taken = await asyncio.gather(*(take_lease("s", f"worker {n}", 60) for n in range(8)))
    assert sum(it is not None for it in taken) == 1


async def test_who_cannot_get_the_lease_takes_no_write_lock() -> None:
    await take_lease("s", "a", 60)
    with SqlCounter() as sql:
        await take_lease("s", "b", 60)
    assert not [said for said in sql.statements if "INSERT" in said or "UPDATE" in said]


async def test_a_fence_voids_the_token_and_keeps_the_progress() -> None:
    await add_products(1)
    lease = await take_lease("s", "a", 60)
    assert lease is not None
    mine = ProgressColumns(lease.token, "epoch", "7-1")
    assert await commit_views("s", mine, 60, {1: 2}) == frozenset()
    assert await fence("s") == ProgressColumns(2, "epoch", "7-1")
    assert await commit_views("s", mine, 60, {1: 2}) is None
    assert await sql_views() == {1: 2}
    assert await take_lease("s", "b", 60) == ProgressColumns(3, "epoch", "7-1")


async def test_a_fence_of_a_stream_that_nobody_flushed_begins_it() -> None:
    assert await fence("s") == ProgressColumns(1, "", "0-0")


async def test_a_void_token_writes_neither_views_nor_progress() -> None:
    await add_products(1)
    await take_lease("s", "a", 60)
    assert await commit_views("s", ProgressColumns(99, "e", "5-0"), 60, {1: 2}) is None
    assert await sql_views() == {}
    progress, _ = await views_and_progress("s", [])
    assert progress == ProgressColumns(1, "", "0-0")


async def test_views_add_up_and_unknown_products_are_told() -> None:
    await add_products(3)
    await take_lease("s", "a", 60)
    await ProductStats.create(product_id=1, views=10)
    views = {1: 5, 2: 1, 77: 3, 78: 1}
    unknown = await commit_views("s", ProgressColumns(1, "e", "1-0"), 60, views)
    assert unknown == frozenset({77, 78})
    assert await commit_views("s", ProgressColumns(1, "e", "2-0"), 60, {2: 4}) == frozenset()
    assert await sql_views() == {1: 15, 2: 5}


async def test_a_batch_of_nothing_but_unknown_products_moves_the_progress() -> None:
    await take_lease("s", "a", 60)
    assert await commit_views("s", ProgressColumns(1, "e", "1-0"), 60, {77: 3}) == frozenset({77})
    assert (await views_and_progress("s", [77])) == (ProgressColumns(1, "e", "1-0"), {})


async def test_a_commit_of_many_products_is_three_statements_and_renews_the_lease() -> None:
    await add_products(500)
    await take_lease("s", "a", 0.001)
    with SqlCounter() as sql:
        await commit_views("s", ProgressColumns(1, "e", "1-0"), 60, dict.fromkeys(range(1, 501), 1))
    assert len([said for said in sql.statements if "product" in said or "write_b" in said]) == 3
    assert sum((await sql_views()).values()) == 500
    assert await take_lease("s", "b", 60) is None


async def test_views_and_progress_are_one_statement() -> None:
    await add_products(2)
    await ProductStats.create(product_id=1, views=10)
    with SqlCounter() as sql:
        found = await views_and_progress("s", [1, 2, 3])
    assert found == (ProgressColumns(0, "", "0-0"), {1: 10})
    assert sql.count == 1
