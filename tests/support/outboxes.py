"""An outbox on a real database, with a driver of either kind, and ways to look at its rows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

from sqlalchemy import MetaData, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from cache.integrations.outbox_sql import SqlOutbox
from cache.integrations.sqlalchemy import SqlAlchemyOutbox, begin_immediately, outbox_table
from cache.integrations.tortoise import TortoiseOutbox
from models.database import connect, disconnect, transaction
from models.tables import Outbox

MOMENTS = {
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f', 'now', '-{} seconds')",
    "postgresql": "clock_timestamp() - interval '{} seconds'",
}
"""Seconds ago, in the database's own words."""


class Driver(Protocol):
    """A driver with its outbox; `table` is the outbox's."""

    outbox: SqlOutbox[Any]
    table: str

    def transaction(self) -> AbstractAsyncContextManager[Any]:
        """A transaction in which `outbox.add` adds; inside another one a savepoint."""
        ...

    async def run(self, statement: str) -> Sequence[Mapping[str, Any]]:
        """Run a statement by itself, committed."""
        ...

    async def open(self) -> None: ...

    async def close(self) -> None: ...


class WithTortoise:
    """Our own table, by our own migration."""

    table = "outbox"

    def __init__(self, url: str) -> None:
        self._url = url

    async def open(self) -> None:
        await connect(self._url)
        self.outbox = TortoiseOutbox(Outbox)

    async def close(self) -> None:
        await disconnect()

    def transaction(self) -> AbstractAsyncContextManager[Any]:
        return transaction()

    async def run(self, statement: str) -> Sequence[Mapping[str, Any]]:
        found = (await self.outbox._tortoise.root().execute_query(statement))[1]
        return [dict(each) for each in found]


class WithSqlAlchemy:
    """A table of its own, made from its metadata."""

    table = "their_outbox"

    def __init__(self, url: str) -> None:
        self.engine = engine_of(url)
        self.metadata = MetaData()
        self.outbox = SqlAlchemyOutbox(self.engine, outbox_table(self.metadata, self.table))
        self._open: AsyncConnection | None = None

    async def open(self) -> None:
        async with self.engine.begin() as connection:
            await connection.run_sync(self.metadata.create_all)

    async def close(self) -> None:
        await self.engine.dispose()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        outer = self.outbox._bound.get()
        if outer is not None:
            async with outer.begin_nested():
                yield outer  # type: ignore[misc]  # it is the one bound below
            return
        async with self.engine.begin() as connection:
            with self.outbox.bind(connection):
                yield connection

    async def run(self, statement: str) -> Sequence[Mapping[str, Any]]:
        alone = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        async with alone.connect() as connection:
            result = await connection.execute(text(statement.replace(":", "\\:")))
            return [dict(each) for each in result.mappings()] if result.returns_rows else []


DRIVERS: dict[str, type[WithTortoise] | type[WithSqlAlchemy]] = {
    "tortoise": WithTortoise,
    "sqlalchemy": WithSqlAlchemy,
}


def engine_of(url: str) -> AsyncEngine:
    """SQLAlchemy's engine for a URL of ours."""
    if url.startswith("sqlite"):
        engine = create_async_engine(url.replace("sqlite://", "sqlite+aiosqlite:///", 1))
        begin_immediately(engine)
        return engine
    return create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1))
