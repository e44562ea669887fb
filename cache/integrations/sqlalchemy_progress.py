"""The progress of a write-behind in tables of SQLAlchemy's (2.0, asyncio): SQLite or PostgreSQL.

tables = progress_tables(metadata)             # in the metadata that Alembic compares with

async def apply(connection, changes): ...      # an AsyncConnection, in the flusher's transaction
async def read(connection, keys): ...

downloads = Operation(name="downloads", rule=SUM, apply=apply, read=read)
progress = SqlAlchemyProgress(downloads, engine, tables, is_unavailable=is_network_error)
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, Index, Integer, MetaData, String, Table, Text
from sqlalchemy import text as statement_of
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ..writes.operation import Operation
from .progress_sql import SqlProgress
from .progress_statements import create_progress_statements
from .sqlalchemy import SqlAlchemyOutbox

__all__ = ["SqlAlchemyProgress", "create_progress_statements", "progress_tables"]


def progress_tables(
    metadata: MetaData, progress: str = "write_behind_progress", letters: str = "dead_letters"
) -> tuple[Table, Table]:
    """The tables of progress and of dead letters, as a part of `metadata`."""
    moment = DateTime(timezone=True)
    # SQLite numbers a row by itself only where its key is an INTEGER.
    number = BigInteger().with_variant(Integer, "sqlite")
    return (
        Table(
            progress,
            metadata,
            Column("stream", String(100), primary_key=True),
            Column("stream_epoch", String(64), nullable=False),
            Column("last_id", String(40), nullable=False),
            Column("token", BigInteger, nullable=False),
            Column("owner", String(64), nullable=False),
            Column("lease_until", moment),
            Column("revision", BigInteger, nullable=False),
        ),
        Table(
            letters,
            metadata,
            Column("id", number, primary_key=True, autoincrement=True),
            Column("stream", String(100), nullable=False),
            Column("stream_epoch", String(64), nullable=False),
            Column("stream_id", String(40), nullable=False),
            Column("key", Text, nullable=False),
            Column("field", Text, nullable=False),
            Column("payload", Text, nullable=False),
            Column("error", Text, nullable=False),
            Column("created_at", moment, nullable=False),
            Index(f"{letters}_of_keys", "stream", "key"),
            sqlite_autoincrement=True,  # ids are the order: none may be given out again
        ),
    )


class SqlAlchemyProgress(SqlProgress[AsyncConnection]):
    """A `Progress` in `tables` (see `progress_tables`), which `engine` reaches.

    `apply` and `read` of the operation get an `AsyncConnection`. `outbox` is the cache's, in the
    same database.
    """

    def __init__(
        self,
        operation: Operation[Any],
        engine: AsyncEngine,
        tables: tuple[Table, Table],
        *,
        is_unavailable: Callable[[BaseException], bool],
        outbox: SqlAlchemyOutbox | None = None,
    ) -> None:
        progress, letters = tables
        super().__init__(operation, (progress.fullname, letters.fullname), is_unavailable)
        self._engine = engine
        self._alone = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._outbox = outbox

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._engine.dialect.name

    def begin(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A transaction of its own."""
        return self._engine.begin()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection that commits each statement."""
        async with self._alone.connect() as connection:
            yield connection

    async def fetch(
        self, connection: AsyncConnection | None, statement: str, parameters: Mapping[str, Any]
    ) -> Sequence[Mapping[str, Any]]:
        """The rows."""
        if connection is None:
            async with self.reading() as one:
                return await self.fetch(one, statement, parameters)
        result = await connection.execute(statement_of(statement), dict(parameters))
        return [dict(row) for row in result.mappings()] if result.returns_rows else []

    def check_outside(self) -> None:
        """Nothing to check: who has a session open names it, and this has a connection of its own.

        On SQLite a session that has written must be committed first: writers take turns.
        """

    @property
    def has_outbox(self) -> bool:
        """Whether there is an outbox."""
        return self._outbox is not None

    async def add_outbox_row(self, connection: AsyncConnection, tags: Iterable[str]) -> str | None:
        """Add a row to the outbox in this transaction."""
        return None if self._outbox is None else await self._outbox.add_to(connection, tags)
