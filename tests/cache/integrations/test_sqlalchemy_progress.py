"""A write-behind whose tables are SQLAlchemy's, on both databases: flushed, parked, replayed."""

from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import Integer, MetaData, String, inspect, select
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from cache import Cache, RedisStore
from cache.engine import is_network_error
from cache.integrations.sqlalchemy import SqlAlchemyOutbox, outbox_table
from cache.integrations.sqlalchemy_progress import (
    SqlAlchemyProgress,
    create_progress_statements,
    progress_tables,
)
from cache.writes import SUM, Applied, Batch, Changes, LeaseLost, Operation, WriteBehind
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
    return SqlAlchemyProgress(
        refusing.operation, engine, TABLES, is_unavailable=is_network_error, **more
    )


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
    assert await progress.fence() == Applied()
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
