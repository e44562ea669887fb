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

import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from tortoise import fields
from tortoise.backends.base.client import BaseDBAsyncClient, TransactionalDBClient
from tortoise.context import TortoiseContext, get_current_context
from tortoise.indexes import Index
from tortoise.models import Model

from ..outbox import NoTransactionError
from .outbox_sql import Parameters, SqlOutbox, new_id
from .outbox_statements import COLUMNS, INDEX, create_statements

__all__ = ["OUTBOX_INDEXES", "OutboxModel", "TortoiseOutbox", "create_statements"]

OUTBOX_INDEXES = (Index(fields=INDEX),)
"""For the `Meta` of an outbox: Tortoise does not inherit it."""

_DIALECTS = {"sqlite": "sqlite", "postgres": "postgresql"}


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
        missing = sorted(set(COLUMNS) - set(model._meta.fields_db_projection.values()))
        if missing:
            raise ValueError(
                f"expected a model with the columns of OutboxModel, but {model.__name__} has no "
                f"{', '.join(missing)}: derive it from OutboxModel"
            )
        super().__init__(model._meta.db_table, identify)
        self._model = model
        # A task that has no part of its caller's context, such as a drain, has this one.
        self._context = get_current_context()

    @property
    def _dialect(self) -> str:
        dialect = self._current().capabilities.dialect
        return _DIALECTS.get(dialect, dialect)

    async def _callers(self) -> BaseDBAsyncClient:
        connection = self._current()
        if _is_open(connection):
            return connection
        raise NoTransactionError(
            "an outbox row belongs in the transaction that it tells of, and this task has none "
            "open: call add() inside `async with in_transaction()`, or Cache.invalidate after it"
        )

    def _check_outside(self) -> None:
        if _is_open(self._current()):
            raise NoTransactionError(
                "this task has a transaction open, so that what it wrote is not there yet for "
                "whoever reads after the purge: call add() and publish after the commit, or "
                "purge after the commit"
            )

    @asynccontextmanager
    async def _begin(self) -> AsyncIterator[BaseDBAsyncClient]:
        async with self._root()._in_transaction() as connection:
            yield connection

    async def _fetch(
        self, connection: BaseDBAsyncClient | None, statement: str, parameters: Parameters
    ) -> Sequence[Mapping[str, Any]]:
        text, names = _compiled(statement, self._dialect)
        values = [parameters[name] for name in names]
        return (await (connection or self._root()).execute_query(text, values))[1]

    async def _run(
        self, connection: BaseDBAsyncClient | None, statement: str, parameters: Parameters
    ) -> int:
        text, names = _compiled(statement, self._dialect)
        values = [parameters[name] for name in names]
        return (await (connection or self._root()).execute_query(text, values))[0]

    def _current(self) -> BaseDBAsyncClient:
        """The connection of this task: of its transaction, if it has one."""
        context: TortoiseContext | None = get_current_context() or self._context
        if context is None:
            raise RuntimeError("expected Tortoise to be initialised, but it is not: init it first")
        self._context = context
        name = self._model._meta.default_connection
        return context.connections.get(name) if name else context.db()

    def _root(self) -> BaseDBAsyncClient:
        """The same without its transaction."""
        connection = self._current()
        while isinstance(connection, TransactionalDBClient):
            connection = connection._parent
        return connection


def _is_open(connection: BaseDBAsyncClient) -> bool:
    # A task that was started inside a transaction may outlive it.
    return isinstance(connection, TransactionalDBClient) and not connection._finalized


@cache
def _compiled(statement: str, dialect: str) -> tuple[str, tuple[str, ...]]:
    """The statement with the driver's placeholders, and whose value each of them takes."""
    names = re.findall(r":(\w+)", statement)
    if dialect == "sqlite":
        return re.sub(r":\w+", "?", statement), tuple(names)
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names), start=1)}
    return re.sub(r":(\w+)", lambda each: f"${numbers[each[1]]}", statement), tuple(numbers)
