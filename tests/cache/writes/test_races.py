"""The interleavings of docs/write-behind.md, by their numbers, each with the rule switched off.

A control runs the same interleaving without the rule, and asserts the wrong result: so the test
of the rule can fail.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from typing import Any

import pytest

from cache.integrations.tortoise_progress import TortoiseProgress
from cache.writes import Batch, Committed, DeadLetters, Lease, merged
from models.queries import write_behind as queries
from models.tables import DeadLetter, Product
from tests.support.dead_letters import Refusing, parked_payloads, until_flushed
from tests.support.write_behind import (
    Crash,
    Pause,
    SteppedProgress,
    Worker,
    crash,
    interrupted,
    progress_row,
    sql_views,
    switch_off,
    until,
)

Workers = Callable[..., Awaitable[Worker]]


# ---- 1: a rebuild beside a flush ----


async def rebuilt_beside_a_flush(worker: Workers) -> tuple[Worker, int]:
    """R reads SQL (nothing) · F commits and trims 3 views · R installs."""
    flusher, reader = await worker(), await worker()
    await flusher.add(1, 3)

    async def flush_once() -> None:
        if reader.stepped.reads == 1:
            assert await flusher.flush() == 3

    reader.stepped.after_read = flush_once
    return reader, await reader.read(1)


async def test_1_a_rebuild_beside_a_flush_sees_that_the_stream_was_trimmed(
    worker: Workers,
) -> None:
    reader, value = await rebuilt_beside_a_flush(worker)
    assert value == 3
    assert reader.stepped.reads == 2
    assert await reader.read(1) == 3


async def test_1_control_without_the_look_at_the_trim_views_are_missing(
    worker: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch_off(monkeypatch, "if before(from, trimmed) then", "if false then", "INSTALL")
    reader, value = await rebuilt_beside_a_flush(worker)
    assert value == 0
    assert await reader.read(1) == 0


# ---- 2: a rebuild beside an append ----


async def test_2_a_rebuild_beside_an_append_counts_it_once(worker: Workers) -> None:
    writer, reader = await worker(), await worker()
    await writer.add(1, 3)

    async def append() -> None:
        await writer.add(1)

    reader.stepped.after_read = append
    assert await reader.read(1) == 4
    assert await reader.read(1) == 4
    await writer.add(1)
    assert await reader.read(1) == 5


async def test_2_control_a_tail_that_is_added_outside_of_the_script_misses_the_append(
    worker: Workers,
) -> None:
    writer, reader = await worker(), await worker()
    await writer.add(1, 3)
    journal = reader.views.journal
    snapshot = await reader.progress.read(["1"])
    tail = await reader.waiting()
    await writer.add(1)
    meta = await reader.redis.hmget(journal.meta, "epoch", "incarnation")
    value = snapshot.values["1"]["value"] + tail
    world = b":".join([*(part for part in meta if isinstance(part, bytes)), b"0"])
    await reader.redis.hset(journal.live("1"), mapping={"value": value, "world": world})
    assert await reader.read(1) == 3


# ---- 3: a flusher that was paused past its lease ----


class NoToken(SteppedProgress):
    """Commits with whatever token the row has."""

    async def commit(self, lease: Lease, batch: Batch) -> Committed:
        await self.before_commit()
        self.before_commit = self.after_commit
        return await super().commit(replace(lease, token=(await progress_row()).token), batch)


async def overtaken(worker: Workers, progress: SteppedProgress) -> tuple[Worker, int]:
    """F1 reads a batch, is paused · its lease ends · F2 commits the same batch · F1 wakes."""
    paused, other = await worker(progress, lease=0.05), await worker()
    await paused.add(1, 3)
    pause = progress.before_commit = Pause()
    async with interrupted(paused.flush(), pause) as flushing:

        async def taken_over() -> bool:
            return await other.flush() == 3

        await until(taken_over)
        await other.add(2)
    return other, flushing.result()


async def test_3_a_flusher_that_wakes_past_its_lease_commits_nothing(worker: Workers) -> None:
    other, applied = await overtaken(worker, SteppedProgress())
    assert applied == 0
    assert await sql_views() == {1: 3}
    await other.flush()
    assert await sql_views() == {1: 3, 2: 1}


async def test_3_control_without_the_token_views_count_twice(worker: Workers) -> None:
    await overtaken(worker, NoToken())
    assert (await sql_views())[1] == 6


async def test_3_a_flusher_that_was_overtaken_takes_its_turn_again(worker: Workers) -> None:
    progress = SteppedProgress()
    paused, other = await worker(progress, lease=0.05), await worker(lease=0.05)
    await paused.add(1, 3)
    pause = progress.before_commit = Pause()
    async with interrupted(paused.flush(), pause):

        async def taken_over() -> bool:
            return await other.flush() == 3

        await until(taken_over)
    await paused.add(1, 2)

    async def back() -> bool:
        return await paused.flush() == 2

    await until(back)
    assert await sql_views() == {1: 5}


# ---- 4: a crash at each step ----


async def crashed(worker: Workers, progress: SteppedProgress, patch: pytest.MonkeyPatch) -> Worker:
    """A flusher dies in the middle of a step; the others have to wait for its lease's end."""
    dead = await worker(progress, lease=0.05)
    await dead.read(1)
    await dead.add(1, 3)
    with patch.context() as context:
        if progress.before_commit is progress.after_commit:
            context.setattr(queries, "add_views", _add_and_crash)
        with pytest.raises(Crash):
            await dead.flush()
    return dead


_add_views = queries.add_views


async def _add_and_crash(*arguments: object) -> None:
    await _add_views(*arguments)  # type: ignore[arg-type] # handed through as they came
    raise Crash


@pytest.mark.parametrize("step", ["before the commit", "inside the transaction", "before the trim"])
async def test_4_a_crash_at_any_step_loses_and_repeats_nothing(
    worker: Workers, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    progress = SteppedProgress()
    if step == "before the commit":
        progress.before_commit = crash
    elif step == "before the trim":
        progress.after_commit = crash
    await crashed(worker, progress, monkeypatch)
    assert await sql_views() == ({1: 3} if step == "before the trim" else {})
    heir = await worker()
    assert await heir.waiting() == 3

    await heir.drain()
    assert await sql_views() == {1: 3}
    assert await heir.read(1) == 3
    await heir.redis.delete(heir.views.journal.live("1"))
    assert await heir.read(1) == 3


class TwoTransactions(SteppedProgress):
    """Commits the rows first, and the progress in a transaction of its own."""

    async def commit(self, lease: Lease, batch: Batch) -> Committed:
        await super().commit(lease, replace(batch, applied=lease.applied))
        raise AssertionError("unreachable: after_commit crashes between the two")


async def test_4_control_with_the_progress_in_another_transaction_views_count_twice(
    worker: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    progress = TwoTransactions()
    progress.after_commit = crash
    await crashed(worker, progress, monkeypatch)
    heir = await worker()
    await heir.drain()
    assert await sql_views() == {1: 6}


# ---- 5: a view, and a read on another worker ----


async def test_5_a_view_is_seen_by_every_worker_before_it_is_in_sql(worker: Workers) -> None:
    writer, reader = await worker(), await worker()
    assert await reader.read(1) == 0
    for seen in range(1, 4):
        await writer.add(1)
        assert await reader.read(1) == seen
        assert await writer.read(1) == seen
    assert await sql_views() == {}


async def test_5_a_read_does_not_join_one_that_began_before_the_view(worker: Workers) -> None:
    writer, reader = await worker(), await worker()
    await writer.add(1)
    pause = reader.stepped.after_read = Pause()
    async with interrupted(reader.read(1), pause) as earlier:
        await writer.add(1)
        reader.stepped.after_read = pause.ended
        assert await reader.read(1) == 2
    assert earlier.result() == 2


async def test_5_control_a_reader_of_sql_does_not_see_the_view(worker: Workers) -> None:
    writer, reader = await worker(), await worker()
    await writer.add(1)
    assert (await reader.progress.read(["1"])).values == {"1": {"value": 0}}


# ---- 11: what follows a dead letter on its key ----


class NothingFollows(SteppedProgress):
    """Parks what is refused, and applies what comes after it."""

    async def _parked(self, connection: Any, batch: Batch) -> Collection[str]:
        return await super()._parked(connection, batch) if batch.error is not None else ()


async def written_after_a_dead_letter(worker: Workers, kind: type[SteppedProgress]) -> str:
    """W writes "old", which is refused, and is parked · the cause goes away · W writes "new" · F
    flushes · the dead letters are replayed."""
    refusing = Refusing("1")
    one = await worker(kind(refusing.descriptions), tries=1)
    await one.views.add("1", "old")
    await until_flushed(one)
    refusing.keys.clear()
    await one.views.add("1", "new")
    await until_flushed(one)
    await one.views.dead_letters.replay("1")
    return (await Product.get(id=1)).description


async def test_11_what_follows_a_dead_letter_follows_it(worker: Workers) -> None:
    assert await written_after_a_dead_letter(worker, SteppedProgress) == "new"


async def test_11_control_without_parking_its_key_the_older_value_wins(worker: Workers) -> None:
    assert await written_after_a_dead_letter(worker, NothingFollows) == "old"


# ---- 12: a replay beside a flush ----


class InTwoTransactions(DeadLetters):
    """Applies what it finds, and then removes what is there."""

    between: Callable[[], Awaitable[object]]

    async def replay(self, key: str, last: int | None = None) -> int:
        operation = self._letters.operation
        found = await self.listed(key)
        async with self._letters.past(["x"]) as past:
            await operation.apply(past.connection, merged(operation, (it.entry for it in found)))
        await self.between()
        return await self.drop([it.id for it in await self.listed(key)])


async def parked_letters(worker: Workers) -> tuple[Worker, Refusing]:
    """A worker with 3 views of product 1 that are parked, and would be applied now."""
    refusing = Refusing("1")
    one = await worker(refusing.progress(), tries=1)
    await one.add(1, 3)
    await until_flushed(one)
    refusing.keys.clear()
    return one, refusing


async def test_12_a_flush_waits_for_a_replay(worker: Workers) -> None:
    """L applies the dead letters · F begins to flush 2 more views · L commits · F goes on."""
    one, refusing = await parked_letters(worker)
    other = await worker()
    await other.add(1, 2)
    pause = refusing.hook = Pause()
    async with interrupted(one.views.dead_letters.replay("1"), pause):
        pending = await other.views.journal.pending(await other.progress.applied(), 10)
        lease = Lease((await progress_row()).token, 10, await other.progress.applied())
        batch = Batch(pending.applied, pending.entries)
        flushing = asyncio.create_task(TortoiseProgress.commit(other.progress, lease, batch))
    assert (await flushing).parked == 0
    assert await sql_views() == {1: 5}
    assert await parked_payloads() == []


async def test_12_control_in_two_transactions_what_was_parked_between_is_lost(
    worker: Workers,
) -> None:
    one, _ = await parked_letters(worker)
    await one.add(1, 2)
    replaying = InTwoTransactions(one.views._letters, "x", one.views._tell)
    replaying.between = one.flush
    await replaying.replay("1")
    assert await parked_payloads() == []
    assert await sql_views() == {1: 3}


# ---- 13: a rebuild beside a drop ----


async def rebuilt_beside(
    worker: Workers, change: Callable[[Worker], Awaitable[object]]
) -> tuple[Worker, int]:
    """R reads SQL and 3 parked views · SQL is changed past the stream · R installs."""
    one, _ = await parked_letters(worker)
    reader = await worker()
    await reader.redis.delete(reader.views.journal.live("1"))

    async def change_once() -> None:
        if reader.stepped.reads == 1:
            await change(one)

    reader.stepped.after_read = change_once
    return reader, await reader.read(1)


async def drop_all(one: Worker) -> None:
    letters = one.views.dead_letters
    await letters.drop([it.id for it in await letters.listed()])


def ignore_revisions(patch: pytest.MonkeyPatch) -> None:
    switch_off(patch, "elseif smaller(ARGV[4], revision) then", "elseif false then", "INSTALL")


async def test_13_a_rebuild_beside_a_drop_reads_again(worker: Workers) -> None:
    reader, value = await rebuilt_beside(worker, drop_all)
    assert (value, await reader.read(1)) == (0, 0)
    assert reader.stepped.reads == 2


async def test_13_control_without_the_revision_what_was_dropped_is_shown(
    worker: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    ignore_revisions(monkeypatch)
    reader, value = await rebuilt_beside(worker, drop_all)
    assert (value, await reader.read(1)) == (3, 3)


# ---- 14: a live value of before a drop ----


async def seen_after_a_drop(worker: Workers) -> int:
    """R has 3 parked views live · they are dropped · R reads."""
    one, _ = await parked_letters(worker)
    assert await one.read(1) == 3
    await drop_all(one)
    return await one.read(1)


async def test_14_a_drop_makes_live_values_invalid(worker: Workers) -> None:
    assert await seen_after_a_drop(worker) == 0


async def test_14_control_without_raising_the_revision_they_stay(
    worker: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch_off(monkeypatch, "raise(ARGV[1])", "", "RAISE")
    assert await seen_after_a_drop(worker) == 3


# ---- 15: a rebuild beside the removal of a record ----


async def remove_the_product(one: Worker) -> None:
    async with one.views.past_the_stream() as connection:
        await Product.filter(id=1).using_db(connection).delete()
        await DeadLetter.all().using_db(connection).delete()


async def test_15_a_rebuild_beside_a_removal_does_not_bring_the_record_back(
    worker: Workers,
) -> None:
    reader, value = await rebuilt_beside(worker, remove_the_product)
    assert (value, await reader.read(1)) == (0, 0)


async def test_15_control_a_removal_in_a_plain_transaction_is_not_heard_of(
    worker: Workers,
) -> None:
    async def remove(one: Worker) -> None:
        await Product.filter(id=1).delete()
        await DeadLetter.all().delete()
        await one.redis.delete(one.views.journal.live("1"))

    reader, value = await rebuilt_beside(worker, remove)
    assert (value, await reader.read(1)) == (3, 3)


# ---- 16: a rebuild of what is parked ----


class WithoutParked(SteppedProgress):
    """Reads the rows alone."""

    def _add_parked(self, record: dict[str, Any], row: Any) -> None:
        return None


async def rebuilt_with_parked(worker: Workers, kind: type[SteppedProgress]) -> int:
    """3 views are flushed · 2 are parked · 1 waits · the live value expires · R reads."""
    refusing = Refusing()
    one = await worker(kind(refusing.views), tries=1)
    await one.add(1, 3)
    await one.flush()
    refusing.keys.add("1")
    await one.add(1, 2)
    await until_flushed(one)
    await one.add(1)
    await one.redis.delete(one.views.journal.live("1"))
    return await one.read(1)


async def test_16_a_live_value_has_what_is_parked(worker: Workers) -> None:
    assert await rebuilt_with_parked(worker, SteppedProgress) == 6


async def test_16_control_without_it_acknowledged_views_are_missing(worker: Workers) -> None:
    assert await rebuilt_with_parked(worker, WithoutParked) == 4


# ---- 17: a crash while an operation is parked ----


async def crashed_while_parking(worker: Workers, progress: SteppedProgress) -> int:
    """F parks a view, dies before it has trimmed · another goes on · R reads."""
    refusing = Refusing("1")
    progress._operation = refusing.views
    progress.after_commit = crash
    dead = await worker(progress, tries=1, lease=0.05)
    await dead.add(1)
    with pytest.raises(Crash):
        await dead.flush()
    heir = await worker(refusing.progress(), tries=1)
    await until_flushed(heir)
    await heir.redis.delete(heir.views.journal.live("1"))
    return await heir.read(1)


async def test_17_a_crash_parks_nothing_twice(worker: Workers) -> None:
    assert await crashed_while_parking(worker, SteppedProgress()) == 1


async def test_17_control_with_the_progress_in_another_transaction_it_is_there_twice(
    worker: Workers,
) -> None:
    assert await crashed_while_parking(worker, TwoTransactions()) == 2
