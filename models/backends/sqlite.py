"""SQLite for several processes: write transactions that wait, reads that do not.

Tortoise's own client begins transactions with a plain ``BEGIN``. A transaction that has read, and
writes after another process wrote, then fails at once with SQLITE_BUSY_SNAPSHOT, whatever the
busy time-out (https://www.sqlite.org/isolation.html). ``BEGIN IMMEDIATE`` waits for its turn
before it reads.
"""

import asyncio
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

import aiosqlite
from tortoise.backends.base.client import (
    NestedTransactionContext,
    TransactionalDBClient,
    TransactionContext,
)
from tortoise.backends.sqlite.client import (
    SqliteClient,
    SqliteTransactionContext,
    SqliteTransactionWrapper,
    translate_exceptions,
)
from tortoise.connection import get_connections
from tortoise.exceptions import OperationalError


class WaitingSqliteClient(SqliteClient):
    """One connection that writes, behind a lock, and one that only reads, beside it.

    In WAL mode a reader sees the last commit and never waits for a writer, so that a page is
    answered while an import's transaction is open.
    """

    _reader: aiosqlite.Connection | None = None

    async def create_connection(self, with_db: bool) -> None:
        """Open both connections. The writer comes first: it turns WAL on."""
        await super().create_connection(with_db)
        self._reader = await aiosqlite.connect(self.filename, isolation_level=None)
        self._reader._conn.row_factory = sqlite3.Row
        for pragma in (f"busy_timeout={self.pragmas['busy_timeout']}", "query_only=ON"):
            await (await self._reader.execute(f"PRAGMA {pragma}")).close()

    async def close(self) -> None:
        """Close both connections."""
        if self._reader is not None:
            await self._reader.close()
            self._reader = None
        await super().close()

    @translate_exceptions
    async def execute_query(
        self, query: str, values: list[Any] | None = None
    ) -> tuple[int, Sequence[Any]]:
        """Run ``query``: the number of rows changed (for SELECT: returned), and the rows."""
        if not _only_reads(query):
            changed: tuple[int, Sequence[Any]] = await super().execute_query(query, values)
            return changed
        rows = await self._read(query, values)
        return len(rows), rows

    @translate_exceptions
    async def execute_query_dict(
        self, query: str, values: list[Any] | None = None
    ) -> list[dict[str, Any]]:
        """Run ``query``; the rows as dictionaries."""
        if not _only_reads(query):
            changed: list[dict[str, Any]] = await super().execute_query_dict(query, values)
            return changed
        return [dict(row) for row in await self._read(query, values)]

    async def _read(self, query: str, values: list[Any] | None) -> list[sqlite3.Row]:
        if self._reader is None:
            async with self.acquire_connection():
                pass  # Opens both connections.
        if self._reader is None:
            raise OperationalError(f"The database file {self.filename} could not be opened")
        self.log.debug("%s: %s", query, values)
        return list(await self._reader.execute_fetchall(query, values))

    def _in_transaction(self) -> TransactionContext:
        return ImmediateTransaction(ImmediateWrapper(self), self._lock)


def _only_reads(query: str) -> bool:
    return query.lstrip()[:6].upper() == "SELECT"


class ImmediateWrapper(SqliteTransactionWrapper):
    """The connection inside a write transaction."""

    def _in_transaction(self) -> TransactionContext:
        return NestedTransactionContext(ImmediateWrapper(self))

    async def begin(self) -> None:
        """Begin, waiting at most the busy time-out for another process's transaction."""
        try:
            await self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            raise OperationalError(error) from error

    @translate_exceptions
    async def execute_script(self, query: str) -> None:
        """Run several statements inside the transaction.

        ``sqlite3``'s own ``executescript`` commits first.
        """
        for statement in _statements(query):
            await self.execute_query(statement)


def _statements(script: str) -> Iterator[str]:
    """The statements of ``script``, cut where SQLite itself says that one is complete."""
    pending = ""
    for piece in script.split(";"):
        pending += piece
        if sqlite3.complete_statement(pending + ";"):
            if pending.strip():
                yield pending.strip()
            pending = ""
        else:
            pending += ";"
    if pending.strip("; \n\t"):
        yield pending.strip()


class ImmediateTransaction(SqliteTransactionContext):
    """Tortoise's context, but a failed or cancelled begin or commit leaves no transaction open."""

    async def __aenter__(self) -> TransactionalDBClient:
        await self._trxlock.acquire()
        try:
            await self.ensure_connection()
            await self.connection.begin()
        except BaseException:
            # A cancelled BEGIN still runs in SQLite's thread: undo it before anyone else begins.
            await asyncio.shield(self._undo())
            raise
        self.token = get_connections().set(self.connection_name, self.connection)
        client: TransactionalDBClient = self.connection
        return client

    async def __aexit__(self, exc_type: Any, exc_val: Any, exc_tb: Any) -> None:
        get_connections().reset(self.token)
        try:
            if exc_type is None and not self.connection._finalized:
                await self.connection.commit()
        finally:
            # Nothing is left to undo after a commit, and ROLLBACK is then not sent.
            await asyncio.shield(self._undo())

    async def _undo(self) -> None:
        try:
            if self.connection._connection:
                await self.connection._connection.rollback()
        finally:
            self._trxlock.release()


client_class = WaitingSqliteClient
"""Where Tortoise looks for an engine's client."""
