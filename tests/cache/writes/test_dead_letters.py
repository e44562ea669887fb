"""What SQL refuses: found in its batch, tried a few times, parked with what follows on its key."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from cache.outbox import NoTransactionError
from cache.writes import NoRowError
from models.database import transaction
from models.tables import DeadLetter, Product, ProductStats
from tests.support.counting import SqlCounter
from tests.support.dead_letters import Refused, Refusing, parked_payloads, until_flushed
from tests.support.write_behind import SteppedProgress, Worker, sql_views, until

Workers = Callable[..., Awaitable[Worker]]


async def test_a_poison_is_parked_and_all_other_keys_flow(
    worker: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    refusing = Refusing("7")
    one = await worker(refusing.progress(), tries=3)
    for number in range(1, 16):
        await one.add(number, 2)
    assert await one.read(7) == 2
    with caplog.at_level(logging.ERROR):
        await until_flushed(one)
    assert await sql_views() == {number: 2 for number in range(1, 16) if number != 7}
    assert await parked_payloads() == [("7", "1"), ("7", "1")]
    assert "an operation on '7' was refused 3 times" in caplog.text
    assert "Refused: not 7" in caplog.text
    first, second = await one.views.dead_letters.listed()
    assert first.error == "Refused: not 7"
    assert second.error == "operations on this key wait here already"
    assert one.views.counts.parked == 2
    assert one.views.counts.operations == 30
    assert await one.read(7) == 2


async def test_it_is_found_by_halves_and_what_is_before_it_is_not_held_up(
    worker: Workers,
) -> None:
    refusing = Refusing("20")
    one = await worker(refusing.progress(), batch=1_000, tries=2)
    for _ in range(20):
        for number in range(1, 20):
            await one.add(number)
    await one.add(20)
    await one.add(1)

    async def is_refused() -> bool:
        try:
            await one.flush()
        except Refused:
            return True
        return False

    await until(is_refused)
    assert sum((await sql_views()).values()) == 380
    assert refusing.attempts < 30
    await until_flushed(one)
    assert (await sql_views())[1] == 21


async def test_a_refusal_that_ends_by_itself_parks_nothing(worker: Workers) -> None:
    refusing = Refusing("1")
    one = await worker(refusing.progress(), tries=3)
    await one.add(1)
    for _ in range(2):
        with pytest.raises(Refused):
            await one.flush()
    refusing.keys.clear()
    assert await one.flush() == 1
    assert await sql_views() == {1: 1}
    refusing.keys.add("1")
    await one.add(1)
    for _ in range(2):  # it is another operation: its tries are counted anew
        with pytest.raises(Refused):
            await one.flush()
    assert await parked_payloads() == []


async def test_a_database_that_is_away_is_never_a_reason(worker: Workers) -> None:
    refusing = Refusing()
    one = await worker(refusing.progress(), tries=1)
    await one.add(1, 3)

    async def away() -> None:
        raise OSError("the database is away")

    refusing.hook = away
    for _ in range(10):
        with pytest.raises(OSError, match="away"):
            await one.flush()
    assert refusing.attempts == 10  # nothing is halved, either
    refusing.hook = None
    assert await one.flush() == 3
    assert await parked_payloads() == []


async def test_the_task_parks_a_poison_by_itself(worker: Workers) -> None:
    refusing = Refusing("1")
    one = await worker(refusing.progress(), max_age=0.2, longest_pause=0.05)
    one.views.start()
    await one.add(1)
    await one.add(2)
    await one.views.stop(30)
    assert await sql_views() == {2: 1}
    assert await parked_payloads() == [("1", "1")]
    assert one.views.counts.failures == 4  # the fifth parks it at once


async def test_what_is_parked_is_listed_and_counted(worker: Workers) -> None:
    one = await worker(Refusing("1", "2").progress(), tries=1)
    await one.add(1, 2)
    await one.add(2)
    await until_flushed(one)
    letters = one.views.dead_letters
    parked = await letters.parked()
    assert (parked.keys, parked.letters) == (2, 3)
    found = await letters.listed()
    assert [one.entry.key for one in found] == ["1", "1", "2"]
    assert found[0].epoch
    assert found[0].created_at
    assert [it.id for it in await letters.listed("1")] == [it.id for it in found[:2]]
    assert await letters.listed(after=found[1].id) == [found[2]]
    assert await letters.listed(limit=1) == [found[0]]


async def test_a_replay_applies_a_key_in_order_and_every_view_counts_once(
    worker: Workers,
) -> None:
    refusing = Refusing("1", "2")
    one = await worker(refusing.progress(), tries=1)
    await one.add(1, 3)
    await one.add(2)
    await until_flushed(one)
    with pytest.raises(Refused):
        await one.views.dead_letters.replay("1")
    assert len(await parked_payloads()) == 4
    refusing.keys.clear()
    assert await one.views.dead_letters.replay("1") == 3
    assert await parked_payloads() == [("2", "1")]
    assert await sql_views() == {1: 3}
    assert await one.views.read(["1", "2"]) == [3, 1]
    await one.add(1)
    await one.add(2)
    assert await one.flush() == 2
    assert await sql_views() == {1: 4}
    assert await one.views.dead_letters.replay("2") == 2
    assert await one.views.dead_letters.replay("2") == 0
    assert await sql_views() == {1: 4, 2: 2}
    assert await one.views.read(["1", "2"]) == [4, 2]


async def test_a_replay_up_to_one_leaves_the_later_ones(worker: Workers) -> None:
    refusing = Refusing("1")
    one = await worker(SteppedProgress(refusing.descriptions), tries=1)
    for text in ("first", "second", "third"):
        await one.views.add("1", text)
    await until_flushed(one)
    refusing.keys.clear()
    first, second, _ = await one.views.dead_letters.listed()
    assert await one.views.dead_letters.replay("1", second.id) == 2
    assert (await Product.get(id=1)).description == "second"
    assert await parked_payloads() == [("1", '"third"')]
    assert await one.views.read(["1"]) == ["third"]
    assert await one.views.dead_letters.replay("1", first.id) == 0


async def test_more_than_a_page_is_replayed_in_one_transaction(worker: Workers) -> None:
    refusing = Refusing("1")
    one = await worker(refusing.progress(), tries=1)
    await one.add(1, 1_100)
    await until_flushed(one)
    refusing.keys.clear()
    before = refusing.attempts
    assert await one.views.dead_letters.replay("1") == 1_100
    assert refusing.attempts == before + 3
    assert await sql_views() == {1: 1_100}


async def test_without_a_row_to_go_to_nothing_is_replayed(worker: Workers) -> None:
    refusing = Refusing("99")
    one = await worker(refusing.progress(), tries=1)
    await one.add(99)
    await until_flushed(one)
    refusing.keys.clear()
    with pytest.raises(NoRowError, match="dead letters of '99' have no row"):
        await one.views.dead_letters.replay("99")
    assert await parked_payloads() == [("99", "1")]


async def test_a_drop_takes_what_it_names_and_no_more(worker: Workers) -> None:
    refusing = Refusing("1")
    one, other = await worker(refusing.progress(), tries=1), await worker()
    await one.views.add("1", 10)
    await one.views.add("1", 2)
    await until_flushed(one)
    assert await other.read(1) == 12
    poison, _ = await one.views.dead_letters.listed()
    assert await one.views.dead_letters.drop([poison.id]) == 1
    assert await other.read(1) == 2
    assert await one.views.dead_letters.drop([poison.id]) == 0
    refusing.keys.clear()
    assert await one.views.dead_letters.replay("1") == 1
    assert await sql_views() == {1: 2}


async def test_an_operation_that_cannot_be_read_is_parked_and_shows_nothing(
    worker: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    """As after a deployment that writes another form, and was taken back."""
    one = await worker(tries=1)
    await one.add(1)
    await one.redis.xadd(one.views.journal.stream, {"k": "1", "n": "eleven", "f": "value"})
    await one.add(1)

    async def flushes() -> None:
        while await one.waiting():
            try:
                await one.flush()
            except ValueError:
                continue

    await flushes()
    assert await sql_views() == {1: 1}
    assert await parked_payloads() == [("1", "eleven"), ("1", "1")]
    await one.redis.delete(one.views.journal.live("1"))
    with caplog.at_level(logging.ERROR):
        assert await one.read(1) == 2
    assert "cannot be read" in caplog.text


async def test_errors_are_kept_in_a_form_that_every_database_takes(worker: Workers) -> None:
    refusing = Refusing("1")
    one = await worker(refusing.progress(), tries=1)

    async def strange() -> None:
        raise ValueError("a\0b" + "x" * 5_000)

    await one.add(1)
    refusing.hook = strange
    while await one.waiting():
        try:
            await one.flush()
        except ValueError:
            continue
    [letter] = await DeadLetter.all()
    assert letter.error.startswith("ValueError: abxxx")
    assert len(letter.error) == 1_000


async def test_what_has_no_row_is_dropped_from_live_values_too(worker: Workers) -> None:
    one, other = await worker(), await worker()
    await one.views.add("999")
    assert await other.views.read(["999"]) == [1]
    await one.flush()
    assert await other.views.read(["999"]) == [0]


async def test_a_change_past_the_stream_is_a_transaction_of_its_own(worker: Workers) -> None:
    one = await worker()
    async with transaction():
        with pytest.raises(NoTransactionError, match="a transaction of its own"):
            async with one.views.past_the_stream():
                raise AssertionError("unreachable")


async def test_a_rebuild_that_hears_first_of_a_change_past_the_stream_tells_all(
    worker: Workers,
) -> None:
    """Who changed it died before it told Redis: whatever is rebuilt next tells it."""
    one, other = await worker(), await worker()
    await one.add(1, 3)
    await one.flush()
    await one.add(1, 2)
    await one.add(2)
    assert await other.views.read(["1", "2"]) == [5, 1]
    async with one.progress.past([]) as past:
        await ProductStats.filter(product_id=1).using_db(past.connection).update(views=10)
    assert await other.views.read(["1", "2"]) == [5, 1]
    assert await other.views.read(["3"]) == [0]
    assert await other.views.read(["1", "2"]) == [12, 1]
    await one.add(1)
    assert await other.read(1) == 13


async def test_a_flush_tells_of_changes_past_the_stream_too(worker: Workers) -> None:
    one, other = await worker(), await worker()
    await one.add(1, 3)
    assert await other.read(1) == 3
    async with one.progress.past([]) as past:
        await ProductStats.create(product_id=1, views=10, using_db=past.connection)
    assert await one.flush() == 3
    assert await other.read(1) == 13


async def test_a_value_can_be_asked_for_anew(worker: Workers) -> None:
    one, other = await worker(), await worker()
    await one.add(1, 3)
    assert await other.read(1) == 3
    async with one.progress.past([]) as past:
        await ProductStats.create(product_id=1, views=10, using_db=past.connection)
    with SqlCounter() as sql:
        asked = (other.views.read([key], anew=True) for key in ("1", "2", "1"))
        assert await asyncio.gather(*asked) == [[13], [0], [13]]
    assert sql.count == 3  # one snapshot for all of a tick
    assert await other.read(1) == 13
