"""PostgreSQL through asyncpg's pool, whose connections always come back."""

from typing import Any

from tortoise.backends.asyncpg.client import AsyncpgDBClient, TransactionWrapper
from tortoise.backends.base.client import TransactionalDBClient, TransactionContextPooled
from tortoise.connection import get_connections


class PooledPostgresClient(AsyncpgDBClient):
    """Tortoise's client with a transaction that gives its connection back whatever happens."""

    def _in_transaction(self) -> TransactionContextPooled:
        return PooledTransaction(TransactionWrapper(self), self._pool_init_lock)


class PooledTransaction(TransactionContextPooled):
    """Tortoise's context, but a failed begin, rollback or commit does not leak the connection.

    asyncpg resets a connection that comes back, so an open transaction ends with it.
    """

    async def __aenter__(self) -> TransactionalDBClient:
        await self.ensure_connection()
        self._pool = self.client._parent._pool
        self.client._connection = await self._pool.acquire()
        try:
            await self.client.begin()
        except BaseException:
            await self._pool.release(self.client._connection)
            raise
        self.token = get_connections().set(self.connection_name, self.client)
        return self.client

    async def __aexit__(self, exc_type: Any, exc_val: Any, exc_tb: Any) -> None:
        get_connections().reset(self.token)
        try:
            if not self.client._finalized:
                await (self.client.commit() if exc_type is None else self.client.rollback())
        finally:
            await self._pool.release(self.client._connection)


client_class = PooledPostgresClient
"""Where Tortoise looks for an engine's client."""
