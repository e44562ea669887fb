"""Redis emptied, SQL back from a backup: the loss is what it must be, and it is reported."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from models.tables import ProductStats, WriteBehindProgress
from tests.support.write_behind import (
    Crash,
    Pause,
    Rewinder,
    SteppedProgress,
    Worker,
    crash,
    interrupted,
    progress_row,
    sql_views,
    switch_off,
)

Workers = Callable[..., Awaitable[Worker]]


# ---- 9: emptied ----


async def test_9_an_emptied_redis_begins_a_new_stream_and_the_loss_is_reported(
    worker: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    one = await worker()
    await one.add(1, 3)
    await one.flush()
    await one.add(1, 4)
    await one.lose_stream()
    with caplog.at_level(logging.WARNING):
        await one.add(2)
    assert "no longer has the stream" in caplog.text
    assert "last saw 4 operations waiting" in caplog.text
    assert await one.views.read(["1", "2"]) == [3, 1]
    await one.drain()
    assert await sql_views() == {1: 3, 2: 1}
    await one.add(1)
    await one.drain()
    assert await sql_views() == {1: 4, 2: 1}


async def emptied_with_ids_ahead(worker: Workers) -> None:
    """SQL has applied ids an hour ahead · Redis is emptied · 1 view, whose id is of now."""
    one = await worker()
    await one.add(1)
    await Rewinder.leap(one, hours=1)
    await one.add(1, 2)
    assert await one.flush() == 3
    await one.lose_stream()
    await one.add(1)
    await one.drain()


async def test_9_a_new_stream_is_applied_from_its_start(worker: Workers) -> None:
    await emptied_with_ids_ahead(worker)
    assert await sql_views() == {1: 4}


async def test_9_control_without_a_new_epoch_the_view_is_passed_over(
    worker: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch_off(monkeypatch, "epoch = ARGV[4]", "epoch = ARGV[2]", "RECONCILE")
    await emptied_with_ids_ahead(worker)
    assert await sql_views() == {1: 3}


async def test_9_the_first_start_reports_no_loss(
    worker: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        one = await worker()
        await one.add(1)
        await one.flush()
    assert caplog.text == ""


async def test_9_a_batch_that_was_read_before_redis_was_emptied_is_not_committed_after(
    worker: Workers,
) -> None:
    progress = SteppedProgress()
    pause = progress.before_commit = Pause()
    one, two = await worker(progress), await worker()
    await one.add(1, 3)
    async with interrupted(one.flush(), pause):
        await one.lose_stream()
        await two.add(2)
    assert await sql_views() == {}
    assert await two.flush() == 1
    assert await sql_views() == {2: 1}


async def test_9_a_stream_without_its_meta_hash_is_not_applied_twice(worker: Workers) -> None:
    progress = SteppedProgress()
    progress.after_commit = crash
    one = await worker(progress, lease=0.05)
    await one.add(1, 3)
    with pytest.raises(Crash):
        await one.flush()
    await one.redis.delete(one.views.journal.meta)
    two = await worker()
    await two.add(1)
    assert await two.read(1) == 4
    await two.drain()
    assert await sql_views() == {1: 4}


async def test_9_everybody_at_once_opens_the_stream_once(worker: Workers) -> None:
    one = await worker()
    await asyncio.gather(*(one.add(1) for _ in range(50)))
    assert (await progress_row()).token == 1
    assert await one.read(1) == 50


# ---- 10: SQL back from a backup ----


async def sql_went_back(worker: Workers, *, before_the_stream: bool = False) -> Worker:
    """2 views are committed, of which SQL keeps a copy · 5 more are · the copy comes back."""
    one = await worker()
    await one.add(1, 2)
    await one.flush()
    kept = (await progress_row()).last_id
    await one.add(1, 5)
    await one.flush()
    await WriteBehindProgress.all().update(last_id=kept, lease_until=None)
    await ProductStats.all().update(views=2)
    if before_the_stream:
        await WriteBehindProgress.all().delete()
        await ProductStats.all().delete()
    await one.redis.delete(one.views.journal.live("1"))
    return await worker()


@pytest.mark.parametrize("before_the_stream", [False, True])
async def test_10_a_database_that_went_back_is_reported_and_goes_on(
    worker: Workers, caplog: pytest.LogCaptureFixture, before_the_stream: bool
) -> None:
    one = await sql_went_back(worker, before_the_stream=before_the_stream)
    left = 0 if before_the_stream else 2
    assert await one.read(1) == left
    await one.add(1)
    assert await one.read(1) == left + 1
    with caplog.at_level(logging.WARNING):
        await one.drain()
    assert "were trimmed after their commit" in caplog.text
    assert await sql_views() == {1: left + 1}
    assert await one.read(1) == left + 1
    await one.add(1)
    assert await one.read(1) == left + 2


async def test_10_control_without_a_note_of_the_trim_nobody_learns_of_the_loss(
    worker: Workers, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch_off(monkeypatch, "redis.call('HSET', KEYS[2], 'trimmed_to', ARGV[2])", "", "TRIM")
    one = await sql_went_back(worker)
    await one.add(1)
    with caplog.at_level(logging.WARNING):
        await one.drain()
    assert caplog.text == ""


async def test_10_a_revision_that_went_back_is_raised_past_the_one_that_redis_knows(
    worker: Workers,
) -> None:
    """SQL is changed past the stream, twice · a copy of before comes back · R reads."""
    one = await worker()
    await one.add(1, 3)
    await one.flush()
    for _ in range(2):
        async with one.views.past_the_stream():
            await ProductStats.all().update(views=9)
    assert await one.read(1) == 9
    await WriteBehindProgress.all().update(revision=1)
    await ProductStats.all().update(views=3)
    await one.redis.delete(one.views.journal.live("1"))
    assert await one.read(1) == 3
    assert (await progress_row()).revision == 3
    assert await one.redis.exists(one.views.journal.live("1"))
    reads = one.stepped.reads
    assert await one.read(1) == 3
    assert one.stepped.reads == reads


async def test_10_a_change_past_the_stream_after_sql_went_back_is_heard_of(
    worker: Workers,
) -> None:
    """SQL is changed past the stream · a copy of before comes back · it is changed again."""
    one = await worker()
    for _ in range(3):
        async with one.views.past_the_stream():
            await ProductStats.update_or_create(product_id=1, defaults={"views": 9})
    assert await one.read(1) == 9
    await WriteBehindProgress.all().update(revision=1)
    async with one.views.past_the_stream():
        await ProductStats.all().update(views=4)
    assert await one.read(1) == 4
