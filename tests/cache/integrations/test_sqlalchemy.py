"""What is SQLAlchemy's own: sessions, metadata, how its transactions begin on SQLite."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import MetaData, String, event, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from cache import Position
from cache.integrations.sqlalchemy import SqlAlchemyOutbox, create_statements, outbox_table
from cache.outbox import NoTransactionError
from tests.support.outboxes import engine_of


class Base(DeclarativeBase):
    pass


class Article(Base):
    __tablename__ = "their_articles"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(50))


TABLE = outbox_table(Base.metadata, "their_purges")


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = engine_of(database_url)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield engine
    await engine.dispose()


@pytest.fixture
def outbox(engine: AsyncEngine) -> SqlAlchemyOutbox:
    return SqlAlchemyOutbox(engine, TABLE)


async def test_a_row_in_a_session_of_pending_objects(
    engine: AsyncEngine, outbox: SqlAlchemyOutbox
) -> None:
    """Nothing was flushed yet: the objects are written before the row, in one transaction."""
    async with AsyncSession(engine) as session:
        session.add(Article(id=1, title="New"))
        identifier = await outbox.add_to(session, ["article:1"])
        await session.commit()
    async with AsyncSession(engine) as session:
        assert (await session.get_one(Article, 1)).title == "New"
    assert (await outbox.read([identifier]))[identifier].tags == {"article:1"}


async def test_a_session_that_did_nothing_has_no_transaction(
    engine: AsyncEngine, outbox: SqlAlchemyOutbox
) -> None:
    async with AsyncSession(engine) as session:
        with pytest.raises(NoTransactionError, match="before the commit"):
            await outbox.add_to(session, ["article:1"])
        session.add(Article(id=1, title="New"))
        await session.commit()
        with pytest.raises(NoTransactionError, match="before the commit"):
            await outbox.add_to(session, ["article:1"])


async def test_add_takes_what_is_bound_here(engine: AsyncEngine, outbox: SqlAlchemyOutbox) -> None:
    async with engine.begin() as outer, engine.connect() as inner:
        with outbox.bind(outer):
            with outbox.bind(inner), pytest.raises(NoTransactionError):
                await outbox.add(["article:1"])
            await outbox.add(["article:2"])
        with pytest.raises(NoTransactionError, match=r"add_to\(session, tags\)"):
            await outbox.add(["article:3"])
    [row] = await outbox.waiting("e1", 10)
    assert row.tags == {"article:2"}


async def test_an_autocommitting_connection_is_no_transaction(
    engine: AsyncEngine, outbox: SqlAlchemyOutbox
) -> None:
    """Its row would be committed by itself, before or without what it tells of."""
    async with engine.connect() as connection:
        alone = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await alone.execute(text("SELECT 1"))
        assert alone.in_transaction()
        with pytest.raises(NoTransactionError, match="AUTOCOMMIT"):
            await outbox.add_to(alone, ["article:1"])
    async with AsyncSession(engine.execution_options(isolation_level="AUTOCOMMIT")) as session:
        session.add(Article(id=1, title="New"))
        with pytest.raises(NoTransactionError, match="AUTOCOMMIT"):
            await outbox.add_to(session, ["article:1"])


async def test_adding_is_one_statement(engine: AsyncEngine, outbox: SqlAlchemyOutbox) -> None:
    sent: list[str] = []
    event.listen(
        engine.sync_engine,
        "before_cursor_execute",
        lambda _connection, _cursor, statement, *_: sent.append(statement),
    )
    async with engine.begin() as connection:
        await connection.execute(text("SELECT 1"))
        sent.clear()
        await outbox.add_to(connection, ["article:1"])
        assert [one.split()[0] for one in sent] == ["INSERT"]


async def test_alembic_and_statements_make_the_same_table(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        for statement in create_statements(engine.dialect.name, "by_hand"):
            await connection.execute(text(statement))

        def described(name: str) -> object:
            def describe(sync: object) -> object:
                found = inspect(sync)
                assert found is not None
                columns = [(one["name"], one["nullable"]) for one in found.get_columns(name)]
                indexes = [tuple(one["column_names"]) for one in found.get_indexes(name)]
                return columns, found.get_pk_constraint(name)["constrained_columns"], indexes

            return describe

        made = await connection.run_sync(described("by_hand"))  # type: ignore[arg-type]
        assert made == await connection.run_sync(described("their_purges"))  # type: ignore[arg-type]
    outbox = SqlAlchemyOutbox(engine, outbox_table(MetaData(), "by_hand"))
    identifier = await outbox.add_alone(["article:1"])
    await outbox.mark([identifier], Position("e1", 1))
    assert await outbox.waiting("e1", 10) == []


# ---- BEGIN IMMEDIATE ----


async def lost_updates(engine: AsyncEngine) -> int:
    """Writers that read, then write what they read: how many of two were lost, or failed."""
    async with engine.begin() as connection:
        await connection.execute(text("INSERT INTO their_articles VALUES (9, '0')"))
    both_have_read = asyncio.Barrier(2)

    async def count() -> None:
        async with engine.begin() as connection:
            rows = await connection.execute(text("SELECT title FROM their_articles WHERE id = 9"))
            number = int(rows.scalar_one())
            try:
                async with asyncio.timeout(0.5):
                    await both_have_read.wait()  # they cannot both, if they take turns
            except (TimeoutError, asyncio.BrokenBarrierError):
                await both_have_read.reset()
            await connection.execute(
                text("UPDATE their_articles SET title = :it WHERE id = 9"), {"it": str(number + 1)}
            )

    await asyncio.gather(count(), count(), return_exceptions=True)
    async with engine.connect() as connection:
        rows = await connection.execute(text("SELECT title FROM their_articles WHERE id = 9"))
        return 2 - int(rows.scalar_one())


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_begin_immediately_lets_writers_take_turns(
    engine: AsyncEngine, database_url: str
) -> None:
    assert await lost_updates(engine) == 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_without_it_what_was_read_is_another_writers_old_value(
    engine: AsyncEngine, database_url: str
) -> None:
    """The control: Python's driver begins at the first write, so nothing holds what was read."""
    stock = create_async_engine(str(engine.url))
    assert await lost_updates(stock) == 1
    await stock.dispose()
