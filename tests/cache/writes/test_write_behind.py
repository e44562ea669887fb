"""Write-behind of increments: what is acknowledged counts once, at once, and reaches SQL."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import nullcontext

import pytest

from cache.writes import NotAcknowledged, WriteBehindSettings
from tests.support.counting import SqlCounter
from tests.support.write_behind import (
    Pause,
    SteppedProgress,
    Worker,
    progress_row,
    sql_views,
    until,
)

Workers = Callable[..., Awaitable[Worker]]


async def test_an_acknowledged_view_is_seen_at_once_and_is_in_sql_after_a_flush(
    worker: Workers,
) -> None:
    one = await worker()
    await one.add(1, 3)
    await one.add(2)
    assert await one.views.read(["1", "2", "3"]) == [3, 1, 0]
    assert await sql_views() == {}
    assert await one.flush() == 4
    assert await sql_views() == {1: 3, 2: 1}
    assert await one.views.read(["1", "2", "3"]) == [3, 1, 0]
    assert await one.waiting() == 0


async def test_operations_of_one_key_become_one_row_written(worker: Workers) -> None:
    one = await worker()
    await one.add(1, 50)
    with SqlCounter() as sql:
        assert await one.flush() == 50
    assert sum("INSERT INTO product_stats" in said for said in sql.statements) == 1
    assert one.views.counts.keys == 1
    assert one.views.counts.operations == 50


async def test_views_that_sql_had_before_are_kept(worker: Workers) -> None:
    one = await worker()
    await one.add(1, 2)
    await one.flush()
    await one.add(1, 3)
    assert await one.read(1) == 5
    await one.flush()
    assert await sql_views() == {1: 5}


async def test_increments_may_be_larger_than_one_and_negative(worker: Workers) -> None:
    one = await worker()
    await one.views.add("1", 2**53 - 1)
    await one.views.add("1", -7)
    assert await one.read(1) == 2**53 - 8
    await one.flush()
    assert await sql_views() == {1: 2**53 - 8}
    await one.redis.delete(one.views.journal.live("1"))
    await one.views.add("1", 100)
    assert await one.read(1) == 2**53 + 92


@pytest.mark.parametrize(
    ("key", "amount"), [("", 1), ("a\0", 1), ("1", 2**53), ("1", -(2**53)), ("1", 1.5)]
)
async def test_what_cannot_be_counted_exactly_is_refused(
    worker: Workers, key: str, amount: int
) -> None:
    one = await worker()
    with pytest.raises(ValueError, match="got"):
        await one.views.add(key, amount)
    assert await one.waiting() == 0


async def test_a_live_value_that_is_missing_is_rebuilt_from_sql_and_the_tail(
    worker: Workers,
) -> None:
    one = await worker()
    await one.add(1, 3)
    await one.flush()
    await one.add(1, 2)
    await one.redis.delete(one.views.journal.live("1"))
    assert await one.read(1) == 5
    await one.add(1)
    assert await one.read(1) == 6


async def test_live_values_expire_and_nothing_else_lacks_an_owner(worker: Workers) -> None:
    one = await worker(live_ttl=100)
    await one.read(1)
    await one.add(1)
    journal = one.views.journal
    slot = journal.stream.removesuffix("stream")
    keys = {key.decode() async for key in one.redis.scan_iter(f"{slot}*")}
    assert keys == {journal.stream, journal.meta, journal.live("1")}
    assert 0 < await one.redis.ttl(journal.live("1")) <= 100
    assert await one.redis.ttl(journal.stream) == -1  # the flusher and `limit` bound it
    assert len({key.split("{")[1].split("}")[0] for key in keys}) == 1


async def test_reading_does_not_keep_a_live_value_but_adding_does(worker: Workers) -> None:
    one = await worker(live_ttl=100)
    live = one.views.journal.live("1")
    await one.read(1)
    await one.redis.expire(live, 10)
    await one.read(1)
    assert await one.redis.ttl(live) <= 10
    await one.add(1)
    assert await one.redis.ttl(live) > 90


async def test_all_reads_of_one_tick_are_one_script_and_one_snapshot(worker: Workers) -> None:
    one = await worker()
    await one.add(1)
    await one.views.read([str(number) for number in range(1, 11)])
    before = (await one.redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
    with SqlCounter() as sql:
        found = await asyncio.gather(*(one.read(number) for number in range(1, 11)))
    assert found == [1] + [0] * 9
    assert (await one.redis.info("commandstats"))["cmdstat_evalsha"]["calls"] == before + 1
    assert sql.count == 0
    with SqlCounter() as sql:
        await asyncio.gather(*(one.read(number) for number in range(11, 21)))
    assert sql.count == 3


async def test_unknown_keys_are_dropped_counted_and_logged_and_poison_nothing(
    worker: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    one = await worker()
    for key in ("1", "999", "not a number", "01", "2", "٣"):
        await one.views.add(key)
    with caplog.at_level(logging.WARNING):
        assert await one.flush() == 6
    assert await sql_views() == {1: 1, 2: 1}
    assert one.views.counts.dropped == 4
    assert "dropped the operations on keys that have no row" in caplog.text
    assert "'999'" in caplog.text
    assert await one.waiting() == 0


async def test_batches_keep_order_and_size(worker: Workers) -> None:
    one = await worker(batch=10)
    await one.add(1, 25)
    assert [await one.flush() for _ in range(4)] == [10, 10, 5, 0]
    assert [len(batch.entries) for batch in one.stepped.commits] == [10, 10, 5]
    row = await progress_row()
    assert row.last_id == one.stepped.commits[-1].applied.last_id
    assert await sql_views() == {1: 25}


@pytest.mark.parametrize("turns", [True, False], ids=["in turns", "the control"])
async def test_flushes_of_one_worker_take_turns(worker: Workers, turns: bool) -> None:
    """With the lease held already: they would read, and commit, the same operations."""
    one = await worker(batch=10)
    await one.add(1)
    await one.flush()
    if not turns:
        one.views.flusher._turn = nullcontext()  # type: ignore[assignment] # it is only entered
    await one.add(1, 25)
    flushed = await asyncio.gather(*(one.flush() for _ in range(5)))
    if turns:
        assert sorted(flushed) == [0, 0, 5, 10, 10]
        assert await sql_views() == {1: 26}
    else:
        assert (await sql_views())[1] > 26


async def test_too_much_waiting_is_refused_and_nothing_is_done(worker: Workers) -> None:
    one = await worker(limit=5)
    await one.add(1, 5)
    with pytest.raises(NotAcknowledged, match="5 operations of 'product-views' wait") as refusal:
        await one.add(1)
    assert refusal.value.sent is False
    assert await one.read(1) == 5
    await one.flush()
    await one.add(1)
    assert await one.read(1) == 6


async def test_the_flusher_flushes_within_its_age_and_empties_the_stream_at_the_stop(
    worker: Workers,
) -> None:
    one = await worker(max_age=0.5)
    one.views.start()
    with pytest.raises(RuntimeError, match="runs already"):
        one.views.start()
    loop = asyncio.get_running_loop()
    await one.add(1, 3)
    acknowledged = loop.time()

    async def flushed() -> bool:
        return await sql_views() == {1: 3}

    await until(flushed)
    # The promise is max_age while all is well; a busy test machine gets some slack.
    assert loop.time() - acknowledged < 3
    await one.add(2, 7)
    await one.views.stop(10)
    assert await sql_views() == {1: 3, 2: 7}
    assert await one.waiting() == 0
    assert (await progress_row()).lease_until is None
    await one.views.stop(10)  # a second stop is nothing


async def test_a_batch_that_is_full_does_not_wait_for_its_age(worker: Workers) -> None:
    one = await worker(max_age=3600, batch=10)
    one.views.start()
    await one.add(1, 9)
    await one.add(1)

    async def flushed() -> bool:
        return await sql_views() == {1: 10}

    await until(flushed)
    await one.views.stop(10)


async def test_a_stop_ends_at_its_deadline_and_leaves_the_rest_for_the_next_start(
    worker: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    stuck = SteppedProgress()
    pause = stuck.before_commit = Pause()
    one = await worker(stuck, max_age=0.1, lease=0.5)
    one.views.start()
    await one.add(1, 4)
    await pause.reached.wait()
    with caplog.at_level(logging.WARNING):
        await one.views.stop(0.2)
    assert "not empty 0.2 s after the stop" in caplog.text
    assert await sql_views() == {}
    two = await worker()
    await two.views.stop(1)  # never started: nothing to do
    two.views.start()
    await two.views.stop(20)
    assert await sql_views() == {1: 4}


async def test_a_worker_that_stops_waits_for_the_lease_that_another_gives_up(
    worker: Workers,
) -> None:
    one, two = await worker(lease=3600), await worker(lease=3600)
    await one.add(1)
    await one.flush()  # one has the lease, for an hour
    await two.add(1, 3)
    assert await two.flush() == 0
    two.views.start()
    stopping = asyncio.create_task(two.views.stop(20))
    one.views.start()
    await asyncio.gather(stopping, one.views.stop(20))
    assert await sql_views() == {1: 4}


class FailingProgress(SteppedProgress):
    """A database that is away for the first `failures` commits."""

    def __init__(self, failures: int) -> None:
        super().__init__()
        self.failures = failures
        self.before_commit = self._fail

    async def _fail(self) -> None:
        if self.failures:
            self.failures -= 1
            raise OSError("the database is away")


async def test_a_database_that_is_away_delays_the_operations_and_keeps_their_order(
    worker: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    away = FailingProgress(3)
    one = await worker(away, max_age=0.2, batch=4, longest_pause=0.05)
    for product in (1, 2, 1, 3, 2, 1, 1, 1, 1):
        await one.add(product)
    with caplog.at_level(logging.WARNING):
        one.views.start()
        await one.views.stop(20)
    assert await sql_views() == {1: 6, 2: 2, 3: 1}
    assert one.views.counts.failures == 3
    assert "3 times in a row" in caplog.text
    assert [[one.key for one in batch.entries] for batch in away.commits] == [
        ["1", "2", "1", "3"], ["2", "1", "1", "1"], ["1"],
    ]  # fmt: skip


def test_the_pauses_between_attempts_double_up_to_a_bound() -> None:
    settings = WriteBehindSettings(longest_pause=5)
    assert [settings.pause(n) for n in (1, 2, 3, 6, 7, 5_000)] == [0.1, 0.2, 0.4, 3.2, 5, 5]


@pytest.mark.parametrize(
    ("operations", "age", "is_due"),
    [
        (0, 0, False),
        (1, 0, False),
        (1, 3.9, False),
        (1, 4.0, True),
        (1_000, 0, True),
        (1, -9, True),
    ],
)
def test_what_is_due(operations: int, age: float, is_due: bool) -> None:
    assert WriteBehindSettings().is_due(operations, age) is is_due


@pytest.mark.parametrize("name", ["max_age", "batch", "limit", "live_ttl", "lease", "tries"])
def test_settings_of_nothing_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be more than 0, got 0"):
        WriteBehindSettings(**{name: 0})


async def test_2000_views_of_20_products_through_two_workers_are_counted_exactly(
    worker: Workers, products: int
) -> None:
    both = [await worker(max_age=0.2, batch=50, lease=0.3) for _ in range(2)]
    for one in both:
        one.views.start()
    wanted = dict.fromkeys(range(1, products + 1), 0)
    calls = []
    for number in range(2_000):
        product = number * number % products + 1
        wanted[product] += 1
        calls.append((both[number % 2], product))
    gate = asyncio.Semaphore(64)

    async def view(one: Worker, product: int) -> None:
        async with gate:
            await one.add(product)
            if product % 5 == 0:
                assert await one.read(product) >= 1

    await asyncio.gather(*(view(one, product) for one, product in calls))
    keys = [str(product) for product in wanted]
    for one in both:
        assert await one.views.read(keys) == list(wanted.values())
    for one in both:
        await one.views.stop(20)
    assert await sql_views() == {product: views for product, views in wanted.items() if views}
    for one in both:
        assert await one.views.read(keys) == list(wanted.values())
    assert sum(one.views.counts.operations for one in both) == 2_000
    assert await both[0].waiting() == 0
