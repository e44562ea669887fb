"""The interleavings of docs/write-behind.md, by their numbers, each with the rule switched off.

A control runs the same interleaving without the rule, and asserts the wrong result: so the test
of the rule can fail.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from cache.writes import Batch, Committed, Lease
from models.queries import write_behind as queries
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
