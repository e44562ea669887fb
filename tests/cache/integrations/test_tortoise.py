"""The Tortoise adapter in somebody else's project: stock drivers, a model of theirs."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextvars import Context
from pathlib import Path

import pytest
from tortoise.context import TortoiseContext
from tortoise.indexes import Index
from tortoise.transactions import in_transaction

from cache import Position
from cache.clock import SystemClock
from cache.integrations.outbox_statements import statements
from cache.integrations.tortoise import (
    OUTBOX_INDEXES,
    TortoiseOutbox,
    create_statements,
)
from cache.outbox import NoTransactionError
from cache.relay import Relay
from cache.stores.memory import MemoryServer, MemoryStore
from models.tables import Outbox, Product
from tests.support.their_models import Article, TheirOutbox


@pytest.fixture(params=["sqlite", "postgres"])
async def theirs(
    request: pytest.FixtureRequest, tmp_path: Path, database_of_postgres: str
) -> AsyncIterator[TortoiseOutbox]:
    """Without a global fallback: only tasks of this context know the connection."""
    url = f"sqlite://{tmp_path / 'theirs.db'}"
    if request.param == "postgres":
        url = database_of_postgres.replace("postgresql://", "asyncpg://")
    app = {"models": ["tests.support.their_models"], "default_connection": request.param}
    config = {"connections": {request.param: url}, "apps": {"models": app}}
    async with TortoiseContext() as context:
        await context.init(config=config)
        await context.generate_schemas()
        yield TortoiseOutbox(TheirOutbox)


@pytest.fixture
def database_of_postgres(request: pytest.FixtureRequest) -> Iterator[str]:
    """A database, made only if it is asked for."""
    if request.node.callspec.params["theirs"] != "postgres":
        yield ""
        return
    with request.getfixturevalue("postgres_template").fresh() as url:
        yield url


async def test_a_row_is_written_with_what_it_tells_of(theirs: TortoiseOutbox) -> None:
    async with in_transaction():
        await Article.create(id=1, title="New")
        identifier = await theirs.add(["article:1"])
    [row] = await theirs.waiting("e1", 10)
    assert (row.id, row.tags) == (identifier, {"article:1"})
    assert await TheirOutbox.get(id=identifier)


async def test_a_task_without_its_callers_context_reaches_the_table(
    theirs: TortoiseOutbox,
) -> None:
    """As drains and marks are: no transaction of the caller's, and no Tortoise either."""
    async with in_transaction():
        await theirs.add(["article:1"])
    server = MemoryServer()
    relay = Relay(MemoryStore(server), theirs, max_staleness=1.0, clock=SystemClock())
    position = await asyncio.create_task(relay.drain(), context=Context())
    await asyncio.create_task(relay.aclose(), context=Context())
    [row] = (await theirs.read([row.id for row in await TheirOutbox.all()])).values()
    assert row.published == position


async def test_the_index_is_made(theirs: TortoiseOutbox) -> None:
    is_sqlite = theirs._dialect == "sqlite"
    found = await theirs._tortoise.root().execute_query_dict(
        "SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'their_purges'"
        if is_sqlite
        else "SELECT indexdef AS sql FROM pg_indexes WHERE tablename = 'their_purges'"
    )
    assert any("published_epoch" in (row["sql"] or "") for row in found)


async def test_two_relays_at_once_on_stock_drivers(theirs: TortoiseOutbox) -> None:
    identifier = await theirs.add_alone(["article:1"])
    async with theirs.unpublished("e1", 10) as rows:
        assert [row.id for row in rows] == [identifier]
        await theirs.mark([identifier], Position("e1", 1))
    assert await theirs.waiting("e1", 10) == []


def test_a_model_without_the_columns_is_refused() -> None:
    with pytest.raises(ValueError, match="Product has no published_at, published_epoch"):
        TortoiseOutbox(Product)


async def test_without_tortoise_it_says_so() -> None:
    outbox = TortoiseOutbox(Outbox)
    with pytest.raises(RuntimeError, match="init it first"):
        await outbox.waiting("e1", 1)


async def test_refusals_say_what_to_do(theirs: TortoiseOutbox) -> None:
    with pytest.raises(NoTransactionError, match="in_transaction"):
        await theirs.add(["article:1"])
    async with in_transaction():
        with pytest.raises(NoTransactionError, match="after the commit"):
            await theirs.add_alone(["article:1"])


# ---- SQL of one's own ----


async def test_the_table_can_be_made_by_statements(theirs: TortoiseOutbox) -> None:
    for statement in create_statements(theirs._dialect, "by_hand"):
        await theirs._tortoise.root().execute_script(statement)
    by_hand = TortoiseOutbox(TheirOutbox)
    by_hand._table = "by_hand"
    identifier = await by_hand.add_alone(["article:1"])
    await by_hand.mark([identifier], Position("e1", 1))
    assert (await by_hand.read([identifier]))[identifier].published == Position("e1", 1)
    assert not await by_hand.prune(60)


@pytest.mark.parametrize("name", ["", "a b", 'a"b', "a;b", "a.b.c", "1a"])
def test_a_table_with_no_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="table's name"):
        statements("sqlite", name)


def test_a_table_in_a_schema_is_quoted() -> None:
    made = create_statements("postgresql", "app.outbox")
    assert made[0].startswith('CREATE TABLE "app"."outbox" (')
    assert made[1].startswith('CREATE INDEX "outbox_unpublished" ON "app"."outbox"')


def test_another_database_is_refused() -> None:
    with pytest.raises(ValueError, match="sqlite or postgresql, got 'mysql'"):
        statements("mysql")


def test_the_index_of_our_own_table_is_the_adapters() -> None:
    def columns(index: Index) -> tuple[str, ...]:
        return tuple(index.fields)

    assert [columns(one) for one in Outbox._meta.indexes] == [columns(OUTBOX_INDEXES[0])]
