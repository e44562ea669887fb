"""A write with SQLAlchemy: one transaction with its outbox row, then the purge."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress

import pytest
from redis.asyncio import Redis
from sqlalchemy import String, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from cache import Cache, CachePolicy, CacheScope, Outbox, Position, RedisStore, cached
from cache.errors import StoreUnavailable
from cache.facts import Bypassed, Fact, Invalidated
from cache.integrations.sqlalchemy import SqlAlchemyOutbox, outbox_table, purges, writing
from cache.outbox import NoTransactionError
from tests.support.outboxes import engine_of


class Base(DeclarativeBase):
    pass


class Book(Base):
    __tablename__ = "books_of_the_writing_tests"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(50))


OUTBOX = outbox_table(Base.metadata, "outbox_of_the_writing_tests")


@cached(CachePolicy(ttl=60, scope=CacheScope.PUBLIC), tags=lambda ctx: ["book:1"])
async def title(ctx: AsyncSession) -> str:
    """The book's title, as this session reads it."""
    return (await ctx.get_one(Book, 1)).title


class AwayStore(RedisStore):
    """A store that can be away for purges."""

    away = False

    async def invalidate(self, tags: Iterable[str]) -> Position:
        if self.away:
            raise StoreUnavailable("away")
        return await super().invalidate(tags)


class LostReply(AsyncSession):
    """A session whose commit happens, and fails."""

    async def commit(self) -> None:
        await super().commit()
        raise ConnectionResetError


class SlowCommit(AsyncSession):
    """A session whose commit waits for `may_commit`."""

    async def commit(self) -> None:
        self.info["commits"].set()
        await self.info["may_commit"].wait()
        await super().commit()


class World:
    """A database with one book, and a cache whose outbox is in it."""

    def __init__(self, url: str, redis: Redis, prefix: str) -> None:
        self.engine = engine_of(url)
        self.sessions = async_sessionmaker(self.engine)
        self.facts: list[Fact] = []
        self.store = AwayStore(redis, prefix)
        self.cache = self.caching(SqlAlchemyOutbox(self.engine, OUTBOX))

    def caching(self, outbox: Outbox | None) -> Cache:
        """A cache with this outbox."""
        return Cache(self.store, outbox=outbox, observers=[self.facts.append])

    async def title(self) -> str:
        """The title in the database."""
        async with self.sessions() as session:
            return (await session.get_one(Book, 1)).title

    async def rows(self) -> list[tuple[str, bool]]:
        """Tags of each row of the outbox, and whether it is marked as published."""
        async with self.engine.connect() as connection:
            found = await connection.execute(select(OUTBOX.c.tags, OUTBOX.c.published_epoch))
            return [(tags, epoch is not None) for tags, epoch in found]

    @property
    def purged(self) -> list[set[str]]:
        """The tags of each purge that was published."""
        return [set(fact.tags) for fact in self.facts if isinstance(fact, Invalidated)]

    async def rename(
        self, *, cache: Cache | None = None, session_class: type[AsyncSession] = AsyncSession
    ) -> None:
        """Give the book its other title."""
        sessions = async_sessionmaker(self.engine, class_=session_class)
        async with writing(cache or self.cache, sessions, "book:1") as session:
            (await session.get_one(Book, 1)).title = "Persuasion"

    async def fail(self) -> None:
        """Write, look what a cached function says, and raise `InterruptedError`."""
        async with writing(self.cache, self.sessions, "book:1") as session:
            (await session.get_one(Book, 1)).title = "Persuasion"
            assert await title(session) == "Persuasion"
            raise InterruptedError

    async def commit_inside(self) -> None:
        """Commit where `writing` does."""
        async with writing(self.cache, self.sessions, "book:1") as session:
            (await session.get_one(Book, 1)).title = "Persuasion"
            await session.commit()

    async def relay(self) -> None:
        """Do what a relay does."""
        assert self.cache.relay is not None
        await self.cache.relay.drain()


@pytest.fixture
async def world(database_url: str, redis: Redis, key_prefix: str) -> AsyncIterator[World]:
    one = World(database_url, redis, key_prefix)
    async with one.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with one.sessions.begin() as session:
        session.add(Book(id=1, title="Emma"))
    yield one
    await one.cache.close()
    await one.engine.dispose()


async def test_a_write_is_committed_with_its_row_then_purged(world: World) -> None:
    await world.rename()
    assert await world.title() == "Persuasion"
    assert world.purged == [{"book:1"}]
    await world.cache.close()  # the mark is written
    assert await world.rows() == [('["book:1"]', True)]


async def test_tags_that_rows_tell_are_purged_too(world: World) -> None:
    async with writing(world.cache, world.sessions, "book:1") as session:
        book = await session.get_one(Book, 1, with_for_update=True)
        purges(session, f"title:{book.title}", "title:Persuasion")
        book.title = "Persuasion"
    assert world.purged == [{"book:1", "title:Emma", "title:Persuasion"}]
    assert [tags for tags, _ in await world.rows()] == [
        '["book:1","title:Emma","title:Persuasion"]'
    ]


async def test_an_error_rolls_back_and_purges_nothing(world: World) -> None:
    with world.cache.activate("anonymous"), pytest.raises(InterruptedError):
        await world.fail()
    assert await world.title() == "Emma"
    assert (world.purged, await world.rows()) == ([], [])


async def test_an_error_after_a_commit_inside_purges_what_it_may_have_committed(
    world: World,
) -> None:
    async def fails() -> None:
        async with writing(world.cache, world.sessions, "book:1") as session:
            (await session.get_one(Book, 1)).title = "Persuasion"
            await session.commit()
            raise InterruptedError

    with pytest.raises(InterruptedError):
        await fails()
    assert await world.title() == "Persuasion"
    assert world.purged == [{"book:1"}]


@pytest.mark.parametrize("raises", [True, False])
async def test_what_began_after_a_commit_inside_does_not_hold_up_the_purge(
    world: World, raises: bool
) -> None:
    """It holds locks, on SQLite on everything, and the outbox row of the purge would wait."""

    async def commits_and_goes_on() -> None:
        async with writing(world.cache, world.sessions, "book:1") as session:
            book = await session.get_one(Book, 1)
            book.title = "Persuasion"
            await session.commit()
            session.add(Book(id=2, title="Emma"))
            await session.flush()
            if raises:
                raise InterruptedError

    with pytest.raises(InterruptedError if raises else NoTransactionError):
        async with asyncio.timeout(4):
            await commits_and_goes_on()
    assert await world.title() == "Persuasion"
    assert world.purged == [{"book:1"}]


async def test_a_statement_that_fails_is_no_commit(world: World) -> None:
    async def fails() -> None:
        async with writing(world.cache, world.sessions, "book:1") as session:
            session.add(Book(id=1, title="Persuasion"))
            await session.flush()

    with pytest.raises(IntegrityError):
        await fails()
    assert (world.purged, await world.rows()) == ([], [])


async def test_a_purge_of_nothing_that_was_changed_is_a_purge(world: World) -> None:
    async with writing(world.cache, world.sessions, "book:1"):
        pass
    assert world.purged == [{"book:1"}]
    assert len(await world.rows()) == 1


async def test_a_write_without_tags_purges_nothing(world: World) -> None:
    async with writing(world.cache, world.sessions) as session:
        (await session.get_one(Book, 1)).title = "Persuasion"
    assert await world.title() == "Persuasion"
    assert (world.purged, await world.rows()) == ([], [])


async def test_what_a_transaction_reads_reaches_nobody_else(world: World) -> None:
    with world.cache.activate("anonymous"):
        with pytest.raises(InterruptedError):
            await world.fail()
        async with world.sessions() as session:
            assert await title(session) == "Emma"
    assert any(isinstance(fact, Bypassed) for fact in world.facts)


async def test_while_the_store_is_away_the_row_waits_and_the_token_names_it(world: World) -> None:
    world.store.away = True
    with world.cache.activate("anonymous") as session:
        await world.rename()
        assert session.is_unpublished
    assert await world.title() == "Persuasion"
    assert (world.purged, await world.rows()) == ([], [('["book:1"]', False)])
    world.store.away = False
    await world.relay()
    assert world.purged == [{"book:1"}]


async def test_a_commit_whose_reply_is_lost_is_an_error_and_its_row_is_relayed(
    world: World,
) -> None:
    with pytest.raises(ConnectionResetError):
        await world.rename(session_class=LostReply)
    assert await world.title() == "Persuasion"
    await world.relay()
    assert world.purged == [{"book:1"}]


async def test_a_cancellation_waits_for_the_commit_and_its_purge(world: World) -> None:
    commits, may_commit = asyncio.Event(), asyncio.Event()
    sessions = async_sessionmaker(
        world.engine, class_=SlowCommit, info={"commits": commits, "may_commit": may_commit}
    )

    async def rename() -> None:
        async with writing(world.cache, sessions, "book:1") as session:
            (await session.get_one(Book, 1)).title = "Persuasion"

    task = asyncio.create_task(rename())
    await commits.wait()
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()  # more than once, as servers do that end
    await asyncio.sleep(0)
    assert not task.done()
    may_commit.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await world.title() == "Persuasion"
    assert world.purged == [{"book:1"}]


async def test_a_commit_inside_the_block_is_refused_and_purged(world: World) -> None:
    with pytest.raises(NoTransactionError, match="leave commit"):
        await world.commit_inside()
    assert world.purged == [{"book:1"}]


async def test_an_outbox_elsewhere_is_refused_before_anything_is_written(world: World) -> None:
    class Elsewhere:
        """The outbox of another database."""

    cache = world.caching(Elsewhere())  # type: ignore[arg-type]  # the point of the test
    with pytest.raises(TypeError, match="expected a SqlAlchemyOutbox, got Elsewhere"):
        await world.rename(cache=cache)
    assert await world.title() == "Emma"


@pytest.mark.parametrize("session_class", [AsyncSession, LostReply])
async def test_without_an_outbox_the_purge_follows_the_commit_however_that_ends(
    world: World, session_class: type[AsyncSession]
) -> None:
    with suppress(ConnectionResetError):
        await world.rename(cache=world.caching(None), session_class=session_class)
    assert await world.title() == "Persuasion"
    assert (world.purged, await world.rows()) == ([{"book:1"}], [])
