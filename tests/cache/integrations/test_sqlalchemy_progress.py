"""A write-behind whose tables are SQLAlchemy's, on both databases: flushed, parked, replayed."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import Integer, MetaData, String, inspect, select, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoneIsFree
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from cache import Cache, RedisStore
from cache.integrations.progress_statements import statements
from cache.integrations.sqlalchemy import SqlAlchemyOutbox, outbox_table
from cache.integrations.sqlalchemy_progress import (
    SqlAlchemyProgress,
    create_progress_statements,
    progress_tables,
)
from cache.integrations.unavailable import is_database_unavailable
from cache.writes import (
    SUM,
    Applied,
    Batch,
    Changes,
    Entry,
    LeaseLost,
    Operation,
    WriteBehind,
)
from cache.writes import WriteBehindSettings as Settings
from tests.support.outboxes import engine_of
from tests.support.polling import eventually


class Base(DeclarativeBase):
    pass


class Download(Base):
    __tablename__ = "their_downloads"
    name: Mapped[str] = mapped_column(String(50), primary_key=True)
    count: Mapped[int] = mapped_column(Integer)


TABLES = progress_tables(Base.metadata, "their_progress", "their_letters")
PURGES = outbox_table(Base.metadata, "their_outbox")


class Refusing:
    """Downloads, refused for names in `names`."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.operation = Operation(name="downloads", rule=SUM, apply=self._apply, read=self._read)

    async def _apply(self, connection: AsyncConnection, changes: Changes[int]) -> Collection[str]:
        if self.names & changes.keys():
            raise ValueError("not this one")
        insert = postgres_insert if connection.dialect.name == "postgresql" else sqlite_insert
        for name, fields in changes.items():
            row = insert(Download).values(name=name, count=fields["value"])
            more = {"count": Download.count + fields["value"]}
            await connection.execute(row.on_conflict_do_update(index_elements=["name"], set_=more))
        return ()

    async def _read(self, connection: AsyncConnection, keys: Sequence[str]) -> Changes[int]:
        wanted = select(Download.name, Download.count).where(Download.name.in_(keys))
        rows = (await connection.execute(wanted)).all()
        return {str(name): {"value": int(count)} for name, count in rows}


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = engine_of(database_url)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield engine
    await engine.dispose()


def progress_of(engine: AsyncEngine, refusing: Refusing, **more: Any) -> SqlAlchemyProgress:
    return SqlAlchemyProgress(refusing.operation, engine, TABLES, **more)


async def drained(behind: WriteBehind, redis: Redis) -> None:
    async def is_drained() -> bool:
        try:
            await behind.flusher.flush()
        except ValueError:
            return False
        return int(await redis.xlen(behind.journal.stream)) == 0

    await eventually(is_drained)


async def counts(engine: AsyncEngine) -> dict[str, int]:
    async with engine.connect() as connection:
        rows = (await connection.execute(select(Download.name, Download.count))).all()
    return {str(name): int(count) for name, count in rows}


async def test_leases_fences_and_revisions(engine: AsyncEngine) -> None:
    progress = progress_of(engine, Refusing())
    lease = await progress.take_lease("a", 60)
    assert lease is not None
    assert lease.token == 1
    assert await progress.take_lease("b", 60) is None
    assert await progress.fence() == Applied(revision=1)
    assert (await progress.status()).owner is None
    with pytest.raises(LeaseLost):
        await progress.commit(lease, Batch(Applied("e", "1-0"), ()))
    again = await progress.take_lease("b", 60)
    assert again is not None
    assert (await progress.status()).owner == "b"
    await progress.release_lease(again)
    assert (await progress.status()).owner is None
    await progress.raise_revision(4)
    assert await progress.applied() == Applied(revision=5)


async def test_it_is_flushed_parked_and_replayed(
    engine: AsyncEngine, redis: Redis, key_prefix: str
) -> None:
    refusing = Refusing()
    behind = WriteBehind(
        progress_of(engine, refusing), redis, key_prefix, settings=Settings(tries=1)
    )
    refusing.names.add("bad")
    for name in ("good", "bad", "good", "other", "bad"):
        await behind.add(name, 2)
    await drained(behind, redis)
    assert await counts(engine) == {"good": 4, "other": 2}
    await redis.delete(*(behind.journal.live(name) for name in ("good", "bad")))
    assert await behind.read(["good", "bad", "none"]) == [4, 4, 0]
    parked = await behind.dead_letters.parked()
    assert (parked.keys, parked.letters) == (1, 2)
    first, second = await behind.dead_letters.listed("bad")
    assert first.error == "ValueError: not this one"
    assert await behind.dead_letters.drop([first.id]) == 1
    assert await behind.read(["bad"]) == [2]
    refusing.names.clear()
    assert await behind.dead_letters.replay("bad", second.id) == 1
    assert await counts(engine) == {"good": 4, "other": 2, "bad": 2}
    assert await behind.read(["bad"]) == [2]


async def test_a_change_past_the_stream_has_its_row_in_the_outbox(
    engine: AsyncEngine, redis: Redis, key_prefix: str
) -> None:
    outbox = SqlAlchemyOutbox(engine, PURGES)
    cache = Cache(RedisStore(redis, key_prefix), outbox=outbox)
    progress = progress_of(engine, Refusing(), outbox=outbox)
    behind = WriteBehind(progress, redis, key_prefix, cache=cache)
    await behind.add("a", 3)
    assert await behind.read(["a"]) == [3]
    async with behind.past_the_stream() as connection:
        await connection.execute(Download.__table__.insert().values(name="a", count=10))  # type: ignore[attr-defined] # a Table
    assert await behind.read(["a"]) == [13]
    async with progress.past([behind.tag]) as past:
        pass
    assert past.outbox is not None
    assert (await outbox.read([past.outbox]))[past.outbox].tags == {behind.tag}
    await cache.close()


@pytest.fixture
async def impatient(engine: AsyncEngine, database_url: str) -> AsyncIterator[AsyncEngine]:
    """An engine that waits for a lock for 0.1 s only."""
    for scheme, driver, arguments in (
        ("sqlite://", "sqlite+aiosqlite:///", {"timeout": 0.1}),
        ("postgresql://", "postgresql+asyncpg://", {"server_settings": {"lock_timeout": "100"}}),
    ):
        if database_url.startswith(scheme):
            url = database_url.replace(scheme, driver, 1)
            made = create_async_engine(url, connect_args=arguments)
    yield made
    await made.dispose()


async def parked_behind_a_lock(engine: AsyncEngine, behind: WriteBehind) -> int:
    """How much is parked after two flushes that were refused for another's lock."""
    await behind.add("a")
    await behind.flusher.flush()
    await behind.add("a", 2)
    async with engine.begin() as another:
        await another.execute(update(Download).values(count=Download.count))
        for _ in range(2):
            with suppress(DBAPIError):
                await behind.flusher.flush()
    await behind.flusher.flush()
    return (await behind.dead_letters.parked()).letters


async def test_a_lock_of_another_is_no_operations_fault(
    engine: AsyncEngine, impatient: AsyncEngine, redis: Redis, key_prefix: str
) -> None:
    progress = progress_of(impatient, Refusing())
    behind = WriteBehind(progress, redis, key_prefix, settings=Settings(tries=1))
    assert await parked_behind_a_lock(engine, behind) == 0
    assert await counts(engine) == {"a": 3}


async def test_control_what_is_not_known_is_the_operations_fault(
    engine: AsyncEngine, impatient: AsyncEngine, redis: Redis, key_prefix: str
) -> None:
    progress = progress_of(impatient, Refusing(), is_unavailable=lambda error: False)
    behind = WriteBehind(progress, redis, key_prefix, settings=Settings(tries=1))
    assert await parked_behind_a_lock(engine, behind) == 1
    assert await counts(engine) == {"a": 1}


async def test_a_pool_without_a_free_connection_is_no_operations_fault(database_url: str) -> None:
    narrow = create_async_engine(
        engine_of(database_url).url, pool_size=1, max_overflow=0, pool_timeout=0.05
    )
    async with narrow.connect():
        with pytest.raises(NoneIsFree) as refused:
            async with narrow.connect():
                pass
    assert is_database_unavailable(refused.value)
    await narrow.dispose()


async def flushed_at_every_look(engine: AsyncEngine) -> tuple[int, int]:
    """Flushes commit right after each look at the values: the value that is read, and the one that
    its progress says."""
    flushes: list[asyncio.Task[None]] = []

    class Busy(Refusing):
        async def _read(self, connection: AsyncConnection, keys: Sequence[str]) -> Changes[int]:
            found = await super()._read(connection, keys)
            flushes.append(asyncio.create_task(flush(len(flushes) + 1)))
            await asyncio.wait(flushes[-1:], timeout=0.5)  # one that is held waits for its turn
            return found

    async def flush(number: int) -> None:
        lease = await progress.take_lease("a", 60)
        assert lease is not None
        entry = Entry(f"{number}-0", "a", "value", "1")
        await progress.commit(lease, Batch(Applied("e", entry.id), [entry]))

    progress = progress_of(engine, Busy())
    snapshot = await progress.read(["a"])
    await asyncio.gather(*flushes)
    return snapshot.values["a"]["value"], int(snapshot.applied.last_id.partition("-")[0])


@pytest.mark.parametrize("begins", ["as we say", "as the driver does"])
async def test_a_read_beside_flushes_is_one_snapshot(
    engine: AsyncEngine, database_url: str, begins: str
) -> None:
    if begins == "as the driver does" and database_url.startswith("sqlite"):
        engine = create_async_engine(database_url.replace("sqlite://", "sqlite+aiosqlite:///", 1))
    value, applied = await flushed_at_every_look(engine)
    assert value == applied == 3
    await engine.dispose()


async def test_control_without_the_hold_it_is_none(
    engine: AsyncEngine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if database_url.startswith("sqlite"):
        engine = create_async_engine(database_url.replace("sqlite://", "sqlite+aiosqlite:///", 1))
    made = statements(engine.dialect.name, "their_progress", "their_letters")
    monkeypatch.setattr(SqlAlchemyProgress, "sql", replace(made, hold=made.state))
    assert await flushed_at_every_look(engine) == (3, 4)
    await engine.dispose()


async def test_the_statements_make_the_same_tables(engine: AsyncEngine) -> None:
    made = MetaData()
    async with engine.begin() as connection:
        for statement in create_progress_statements(engine.dialect.name, "by_hand", "by_hand_too"):
            await connection.exec_driver_sql(statement)
        await connection.run_sync(made.reflect, only=["by_hand", "by_hand_too"])
        indexes = await connection.run_sync(lambda it: inspect(it).get_indexes("by_hand_too"))
    for mine, theirs in zip(TABLES, ("by_hand", "by_hand_too"), strict=True):
        columns = made.tables[theirs].columns
        assert [one.name for one in columns] == [one.name for one in mine.columns]
        assert [one.nullable for one in columns] == [one.nullable for one in mine.columns]
    assert [one["column_names"] for one in indexes] == [["stream", "key"]]
