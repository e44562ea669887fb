"""The contract of an outbox: the same for each driver, on SQLite and on PostgreSQL."""

import asyncio
import contextvars
import re

import pytest

from cache import Position
from cache.outbox import NoTransactionError, OutboxRow
from tests.support.outboxes import MOMENTS, Driver

AT = Position("e1", 7)
LATER = Position("e2", 1)


async def add(driver: Driver, *tags: str) -> str:
    async with driver.transaction():
        return await driver.outbox.add(tags)


async def ids(driver: Driver, epoch: str = "e1", limit: int = 100) -> list[str]:
    return [row.id for row in await driver.outbox.waiting(epoch, limit)]


def is_postgres(driver: Driver) -> bool:
    return driver.outbox._dialect == "postgresql"


async def age(driver: Driver, identifier: str, column: str, seconds: float) -> None:
    moment = MOMENTS[driver.outbox._dialect].format(seconds)
    await driver.run(f"UPDATE {driver.table} SET {column} = {moment} WHERE id = '{identifier}'")


# ---- adding ----


async def test_a_row_is_there_once_its_transaction_is_committed(driver: Driver) -> None:
    async with driver.transaction():
        identifier = await driver.outbox.add(["product:1", "naïve:\x00:'\"", "product:1"])
        assert await ids(driver) == []
        assert await driver.outbox.read([identifier]) == {}
    row = OutboxRow(identifier, frozenset({"product:1", "naïve:\x00:'\""}), None)
    assert await driver.outbox.waiting("e1", 10) == [row]
    assert await driver.outbox.read([identifier, "gone"]) == {identifier: row}
    assert re.fullmatch("[0-9a-f]{16}", identifier)
    assert identifier != await add(driver, "product:1")


async def test_a_rollback_leaves_nothing(driver: Driver) -> None:
    async def fail() -> None:
        async with driver.transaction():
            await driver.outbox.add(["product:1"])
            raise InterruptedError

    with pytest.raises(InterruptedError):
        await fail()
    assert await driver.run(f"SELECT id FROM {driver.table}") == []


async def test_a_savepoint_takes_its_rows_with_it(driver: Driver) -> None:
    async def fail() -> None:
        async with driver.transaction():
            await driver.outbox.add(["undone"])
            raise InterruptedError

    async with driver.transaction():
        before = await driver.outbox.add(["before"])
        with pytest.raises(InterruptedError):
            await fail()
        async with driver.transaction():
            within = await driver.outbox.add(["within"])
        after = await driver.outbox.add(["after"])
    assert set(await ids(driver)) == {before, within, after}


async def test_outside_of_a_transaction_nothing_is_added(driver: Driver) -> None:
    with pytest.raises(NoTransactionError, match="add"):
        await driver.outbox.add(["product:1"])
    assert await ids(driver) == []
    await add(driver, "product:1")
    with pytest.raises(NoTransactionError):
        await driver.outbox.add(["product:1"])


async def test_a_task_that_outlives_the_transaction_it_was_started_in_has_none(
    driver: Driver,
) -> None:
    go = asyncio.Event()

    async def later() -> str:
        await go.wait()
        with pytest.raises(NoTransactionError):
            await driver.outbox.add(["late"])
        return await driver.outbox.add_alone(["late"])

    async with driver.transaction():
        task = asyncio.create_task(later())
    go.set()
    added = await task
    assert await ids(driver) == [added]


async def test_alone_is_committed_at_once_and_refused_inside_a_transaction(driver: Driver) -> None:
    identifier = await driver.outbox.add_alone(["product:1"])
    assert await ids(driver) == [identifier]
    async with driver.transaction():
        with pytest.raises(NoTransactionError, match="after the"):
            await driver.outbox.add_alone(["product:1"])


async def test_other_tasks_are_not_in_the_transaction(driver: Driver) -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def other() -> None:
        async with driver.transaction():
            begun.set()
            await go.wait()

    task = asyncio.create_task(other())
    await begun.wait()
    with pytest.raises(NoTransactionError):
        await driver.outbox.add(["product:1"])
    go.set()
    await task


# ---- what waits ----


async def test_waiting_are_those_not_published_under_this_epoch_oldest_first(
    driver: Driver,
) -> None:
    never, other, here = [await add(driver, f"product:{number}") for number in range(3)]
    await driver.outbox.mark([other], LATER)
    await driver.outbox.mark([here], AT)
    await age(driver, other, "created_at", 10)
    assert await driver.outbox.waiting("e1", 10) == [
        OutboxRow(other, frozenset({"product:1"}), LATER),
        OutboxRow(never, frozenset({"product:0"}), None),
    ]
    assert await ids(driver, limit=1) == [other]
    # Under each epoch what was published under another one is to go out again, whichever is
    # greater as a text.
    assert set(await ids(driver, "e2")) == {never, here}
    assert set(await ids(driver, "e3")) == {never, other, here}


async def test_a_mark_under_another_epoch_replaces_the_first(driver: Driver) -> None:
    identifier = await add(driver, "product:1")
    await driver.outbox.mark([identifier, "gone"], AT)
    assert await ids(driver) == []
    await driver.outbox.mark([identifier], LATER)
    assert await ids(driver) == [identifier]
    assert (await driver.outbox.read([identifier]))[identifier].published == LATER


async def test_positions_have_53_bits(driver: Driver) -> None:
    identifier = await add(driver, "product:1")
    far = Position("e" * 64, 2**53 - 1)
    await driver.outbox.mark([identifier], far)
    assert (await driver.outbox.read([identifier]))[identifier].published == far


async def test_nothing_and_many_can_be_marked_and_read(driver: Driver) -> None:
    added = [await driver.outbox.add_alone([f"product:{number}"]) for number in range(50)]
    await driver.outbox.mark([], AT)
    assert await driver.outbox.read([]) == {}
    assert set(await ids(driver)) == set(added)
    await driver.outbox.mark(added, AT)
    assert await ids(driver) == []
    assert (await driver.outbox.read(added)).keys() == set(added)


# ---- holding ----


async def test_what_one_relay_holds_another_does_not_get(driver: Driver) -> None:
    """On PostgreSQL. SQLite holds nothing: two relays publish twice, which is harmless."""
    first, second = await add(driver, "product:1"), await add(driver, "product:2")
    await age(driver, first, "created_at", 10)
    async with driver.outbox.unpublished("e1", 1) as held:
        assert [row.id for row in held] == [first]

        async def other() -> list[str]:
            async with driver.outbox.unpublished("e1", 10) as rows:
                return [row.id for row in rows]

        found = await asyncio.wait_for(asyncio.create_task(other()), 5)
        assert found == ([second] if is_postgres(driver) else [first, second])
        # A reader that must not miss anything sees it all the same, and marks wait for nobody.
        assert await ids(driver) == [first, second]
        marks = asyncio.create_task(driver.outbox.mark([first, second], AT), context=_outside())
        await asyncio.wait_for(marks, 5)
        await driver.outbox.mark([first], LATER)
    assert (await driver.outbox.read([first]))[first].published == LATER
    assert (await driver.outbox.read([second]))[second].published == AT


async def test_without_skip_locked_it_would_wait(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the last one."""
    if not is_postgres(driver):
        assert driver.outbox._sql.hold is None
        return
    await add(driver, "product:1")
    async with driver.outbox.unpublished("e1", 1):
        hold = driver.outbox._sql.hold
        assert hold is not None
        waits = hold.replace("SKIP LOCKED", "NOWAIT")

        async def other() -> None:
            async with driver.outbox._begin() as connection:
                await driver.outbox._fetch(connection, waits, {"epoch": "e1", "limit": 1})

        with pytest.raises(Exception, match="could not obtain lock"):
            await other()


async def test_holding_stops_no_writer(driver: Driver) -> None:
    identifier = await add(driver, "product:1")
    async with driver.outbox.unpublished("e1", 10):
        write = asyncio.create_task(add(driver, "product:2"), context=_outside())
        added = await asyncio.wait_for(write, 4)
    assert set(await ids(driver)) == {identifier, added}


async def test_marks_inside_the_block_end_with_it(driver: Driver) -> None:
    identifier = await add(driver, "product:1")

    async def fail() -> None:
        async with driver.outbox.unpublished("e1", 10):
            await driver.outbox.mark([identifier], AT)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        await fail()
    assert await ids(driver) == ([identifier] if is_postgres(driver) else [])
    async with driver.outbox.unpublished("e1", 10):
        await driver.outbox.mark([identifier], AT)
    assert await ids(driver) == []


async def test_a_row_that_was_published_meanwhile_is_not_held(driver: Driver) -> None:
    if not is_postgres(driver):
        return  # nothing is held there
    identifier = await add(driver, "product:1")
    hold = driver.outbox._sql.hold
    assert hold is not None
    # The statement's snapshot has the row unpublished; it is marked before the row is locked.
    slow = hold.replace("AS waiting)", "AS waiting, pg_sleep(0.5))", 1)

    async def held() -> int:
        async with driver.outbox._begin() as connection:
            return len(await driver.outbox._fetch(connection, slow, {"epoch": "e1", "limit": 9}))

    task = asyncio.create_task(held())
    await asyncio.sleep(0.2)
    await driver.outbox.mark([identifier], AT)
    assert await task == 0


# ---- pruning ----


async def test_pruned_are_those_published_long_ago_by_the_databases_clock(driver: Driver) -> None:
    waits, recent, old, again = [await add(driver, "product:1") for _ in range(4)]
    await driver.outbox.mark([recent, old, again], AT)
    await age(driver, waits, "created_at", 7200)
    await age(driver, recent, "created_at", 7200)
    await age(driver, recent, "published_at", 55)
    await age(driver, old, "published_at", 65)
    await age(driver, again, "published_at", 65)
    # Published again: its minute began with the first time.
    await driver.outbox.mark([again], LATER)
    assert not await driver.outbox.prune(60)
    left = {row["id"] for row in await driver.run(f"SELECT id FROM {driver.table}")}
    assert left == {waits, recent}


async def test_many_are_pruned_bit_by_bit(driver: Driver) -> None:
    await fill(driver, 1_500)
    assert await driver.outbox.prune(0)
    assert not await driver.outbox.prune(0)
    assert await driver.run(f"SELECT id FROM {driver.table}") == []


# ---- cost ----


async def fill(driver: Driver, rows: int) -> None:
    """So many rows that were published under `e1` an hour ago."""
    moment = MOMENTS[driver.outbox._dialect].format(3600)
    await driver.run(
        f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) "
        f"INSERT INTO {driver.table} "
        f"SELECT 'r' || i, '[\"t\"]', {moment}, 'e1', i, {moment} FROM n"
        if is_postgres(driver)
        else f"INSERT INTO {driver.table} SELECT 'r' || value, '[\"t\"]', {moment}, 'e1', value, "
        f"{moment} FROM (WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n "
        f"WHERE value < {rows}) SELECT value FROM n)"
    )


async def plan(driver: Driver, statement: str) -> str:
    values = {":epoch": "'e1'", ":limit": "1000"}
    for name, value in values.items():
        statement = statement.replace(name, value)
    explain = "EXPLAIN " if is_postgres(driver) else "EXPLAIN QUERY PLAN "
    return "\n".join(str(tuple(row.values())) for row in await driver.run(explain + statement))


@pytest.mark.parametrize("analyzed", [False, True])
async def test_a_look_reads_no_published_row(driver: Driver, analyzed: bool) -> None:
    """By its plan; PostgreSQL needs the statistics that it makes for itself within a minute."""
    await fill(driver, 20_000)
    if analyzed or is_postgres(driver):
        await driver.run("ANALYZE")
    looked = await plan(driver, driver.outbox._sql.waiting)
    if is_postgres(driver):
        assert looked.count("Index Scan") == 3, looked
        assert "Seq Scan" not in looked, looked
    else:
        assert looked.count(f"SEARCH {driver.table} USING INDEX") == 3, looked
        assert "SCAN " + driver.table not in looked, looked
    naive = f"SELECT id FROM {driver.table} WHERE published_epoch IS DISTINCT FROM :epoch"
    assert re.search(r"Seq Scan|SCAN", await plan(driver, naive))


def _outside() -> contextvars.Context:
    """Where no block and no transaction of this test is."""
    return contextvars.Context()
