"""The outbox in a table of Tortoise ORM's, on SQLite or PostgreSQL.

class Outbox(OutboxModel):                     # among your models: `makemigrations` makes its table
    class Meta:
        table = "outbox"
        indexes = OUTBOX_INDEXES

outbox = TortoiseOutbox(Outbox)
cache = Cache(store, outbox=outbox)
async with in_transaction():
    await Product.filter(id=42).update(name="New")
    identifier = await outbox.add(["product:42"])      # the last statement
await cache.publish(identifier, ["product:42"])        # after the commit, before the answer
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from tortoise import fields
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.indexes import Index
from tortoise.models import Model

from ..outbox import NoTransactionError
from .outbox_sql import Parameters, SqlOutbox, new_id
from .outbox_statements import COLUMNS, INDEX, create_statements
from .tortoise_sql import TortoiseSql, check_columns, is_open

__all__ = ["OUTBOX_INDEXES", "OutboxModel", "TortoiseOutbox", "create_statements"]

OUTBOX_INDEXES = (Index(fields=INDEX),)
"""For the `Meta` of an outbox: Tortoise does not inherit it."""


class OutboxModel(Model):
    """The columns of an outbox: a base for a model of yours."""

    id = fields.CharField(max_length=16, primary_key=True)
    tags = fields.TextField()
    created_at = fields.DatetimeField()
    published_epoch = fields.CharField(max_length=64, null=True)
    published_position = fields.BigIntField(null=True)
    published_at = fields.DatetimeField(null=True)

    class Meta:
        abstract = True


class TortoiseOutbox(SqlOutbox[BaseDBAsyncClient]):
    """An `Outbox` in `model`'s table: an `OutboxModel`, or any model with its columns.

    `add` writes on the connection of the transaction that the calling task has open. Raises
    `ValueError` for a model without the columns.
    """

    def __init__(self, model: type[Model], identify: Callable[[], str] = new_id) -> None:
        check_columns(model, COLUMNS, OutboxModel.__name__)
        super().__init__(model._meta.db_table, identify)
        self._tortoise = TortoiseSql(model)

    @property
    def _dialect(self) -> str:
        return self._tortoise.dialect

    async def _callers(self) -> BaseDBAsyncClient:
        connection = self._tortoise.current()
        if is_open(connection):
            return connection
        raise NoTransactionError(
            "an outbox row belongs in the transaction that it tells of, and this task has none "
            "open: call add() inside `async with in_transaction()`, or Cache.invalidate after it"
        )

    def _check_outside(self) -> None:
        if is_open(self._tortoise.current()):
            raise NoTransactionError(
                "this task has a transaction open, so that what it wrote is not there yet for "
                "whoever reads after the purge: call add() and publish after the commit, or "
                "purge after the commit"
            )

    def _begin(self) -> AbstractAsyncContextManager[BaseDBAsyncClient]:
        return self._tortoise.begin()

    async def _fetch(
        self, connection: BaseDBAsyncClient | None, statement: str, parameters: Parameters
    ) -> Sequence[Mapping[str, Any]]:
        return await self._tortoise.fetch(connection, statement, parameters)

    async def _run(
        self, connection: BaseDBAsyncClient | None, statement: str, parameters: Parameters
    ) -> int:
        return await self._tortoise.run(connection, statement, parameters)
