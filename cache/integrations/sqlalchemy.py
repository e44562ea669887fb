"""The outbox in a table of SQLAlchemy's (2.0, asyncio), on SQLite or PostgreSQL.

table = outbox_table(metadata)                 # in the metadata that Alembic compares with
outbox = SqlAlchemyOutbox(engine, table)
cache = Cache(store, outbox=outbox)
async with writing(cache, sessions, "product:42") as session:
    await session.execute(update(Product).where(Product.id == 42).values(name="New"))

which is, and sees to rollbacks, failed commits and cancellations besides:

async with sessions.begin() as session:
    await session.execute(update(Product).where(Product.id == 42).values(name="New"))
    identifier = await outbox.add_to(session, ["product:42"])      # the last statement
await cache.publish(identifier, ["product:42"])            # after the commit, before the answer
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Index,
    MetaData,
    String,
    Table,
    Text,
    event,
    text,
)
from sqlalchemy.engine import Connection, CursorResult
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from ..outbox import NoTransactionError
from .outbox_sql import Parameters, SqlOutbox, new_id
from .outbox_statements import INDEX, create_statements
from .sqlalchemy_writing import purges, writing

__all__ = [
    "SqlAlchemyOutbox",
    "begin_immediately",
    "create_statements",
    "outbox_table",
    "purges",
    "writing",
]

Bound = AsyncSession | AsyncConnection


def outbox_table(metadata: MetaData, name: str = "outbox") -> Table:
    """The outbox's table, with its index, as a part of `metadata`."""
    return Table(
        name,
        metadata,
        Column("id", String(16), primary_key=True),
        Column("tags", Text, nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False),
        Column("published_epoch", String(64)),
        Column("published_position", BigInteger),
        Column("published_at", DateTime(timezone=True)),
        Index(f"{name}_unpublished", *INDEX),
    )


def begin_immediately(engine: AsyncEngine) -> None:
    """On SQLite, begin each transaction of `engine` with BEGIN IMMEDIATE; call it once, first.

    Without it Python's driver begins a transaction at its first write: what was read before, to
    choose the tags, may be another writer's old row by then (W3), and a savepoint that comes first
    is none. Read in AUTOCOMMIT, or on an engine of its own: these transactions take turns.
    """

    @event.listens_for(engine.sync_engine, "connect")
    def leave_it_to_us(connection: Any, _record: Any) -> None:
        connection.isolation_level = None

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        if _isolation_level(connection) != "AUTOCOMMIT":
            connection.exec_driver_sql("BEGIN IMMEDIATE")


class SqlAlchemyOutbox(SqlOutbox[Bound]):
    """An `Outbox` in `table` (see `outbox_table`), which `engine` reaches.

    A row is added in the transaction of a session or connection of the caller's: `add_to` names
    it, and `add` takes the one of the `bind` block that it is called in.
    """

    def __init__(
        self, engine: AsyncEngine, table: Table, identify: Callable[[], str] = new_id
    ) -> None:
        super().__init__(table.fullname, identify)
        self._engine = engine
        self._alone = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._bound: ContextVar[Bound | None] = ContextVar("outbox_bound", default=None)

    async def add_to(self, connection: Bound, tags: Iterable[str]) -> str:
        """`add` in the open transaction of this session or connection."""
        return await self._insert(await _checked(connection), tags)

    @contextmanager
    def bind(self, connection: Bound) -> Iterator[None]:
        """`add` in this block is to the transaction of this session or connection."""
        token = self._bound.set(connection)
        try:
            yield
        finally:
            self._bound.reset(token)

    @property
    def _dialect(self) -> str:
        return self._engine.dialect.name

    async def _callers(self) -> Bound:
        connection = self._bound.get()
        if connection is None:
            raise NoTransactionError(
                "an outbox row belongs in the transaction that it tells of, and no session is "
                "bound here: use add_to(session, tags), or add(tags) in `with outbox.bind(session)`"
            )
        return await _checked(connection)

    def _check_outside(self) -> None:
        connection = self._bound.get()
        if connection is not None and connection.in_transaction():
            raise NoTransactionError(
                "the session that is bound here has a transaction open, so that what it wrote is "
                "not there yet for whoever reads after the purge: purge after the commit"
            )

    @asynccontextmanager
    async def _begin(self) -> AsyncIterator[Bound]:
        async with self._engine.begin() as connection:
            yield connection

    async def _fetch(
        self, connection: Bound | None, statement: str, parameters: Parameters
    ) -> Sequence[Mapping[str, Any]]:
        async with self._on(connection) as one:
            found = await one.execute(text(statement), dict(parameters))
            return [dict(each) for each in found.mappings()]

    async def _run(self, connection: Bound | None, statement: str, parameters: Parameters) -> int:
        async with self._on(connection) as one:
            result = await one.execute(text(statement), dict(parameters))
            return result.rowcount if isinstance(result, CursorResult) else 0

    @asynccontextmanager
    async def _on(self, connection: Bound | None) -> AsyncIterator[Bound]:
        if connection is not None:
            yield connection
        else:
            async with self._alone.connect() as one:
                yield one


async def _checked(connection: Bound) -> Bound:
    if not connection.in_transaction():
        raise NoTransactionError(
            "an outbox row belongs in the transaction that it tells of, and this session has none "
            "open: add the row after the changes, before the commit"
        )
    its = await connection.connection() if isinstance(connection, AsyncSession) else connection
    if _commits_each_statement(its):
        raise NoTransactionError(
            "this session is in AUTOCOMMIT, so that an outbox row would not be committed with what "
            "it tells of: write in a transaction"
        )
    return connection


def _commits_each_statement(connection: AsyncConnection) -> bool:
    begun = connection.sync_connection
    return begun is not None and _isolation_level(begun) == "AUTOCOMMIT"


def _isolation_level(connection: Connection) -> object:
    """As an option of the connection or its engine says, None if none does."""
    return connection.get_execution_options().get("isolation_level")
