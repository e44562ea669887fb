"""How statements are run with Tortoise ORM: on the task's transaction, or beside it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from tortoise.backends.base.client import BaseDBAsyncClient, TransactionalDBClient
from tortoise.context import TortoiseContext, get_current_context
from tortoise.models import Model

_DIALECTS = {"sqlite": "sqlite", "postgres": "postgresql"}


class TortoiseSql:
    """Runs statements with `:name` parameters where the table of `model` is."""

    def __init__(self, model: type[Model]) -> None:
        self._model = model
        # A task that has no part of its caller's context, such as a drain, has this one.
        self._context = get_current_context()

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`; another database's own name."""
        dialect = self.current().capabilities.dialect
        return _DIALECTS.get(dialect, dialect)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[BaseDBAsyncClient]:
        """A transaction of its own, beside one that the task may have open."""
        async with self.root()._in_transaction() as connection:
            yield connection

    async def fetch(
        self,
        connection: BaseDBAsyncClient | None,
        statement: str,
        parameters: Mapping[str, Any],
    ) -> Sequence[Mapping[str, Any]]:
        """The rows, of an INSERT or UPDATE too if it returns some; without a connection each
        statement is committed."""
        text, names = _compiled(statement, self.dialect)
        values = [parameters[name] for name in names]
        # Not `execute_query`, which leaves out what an INSERT returns on PostgreSQL.
        rows: list[dict[str, Any]] = await (connection or self.root()).execute_query_dict(
            text, values
        )
        return rows

    async def run(
        self,
        connection: BaseDBAsyncClient | None,
        statement: str,
        parameters: Mapping[str, Any],
    ) -> int:
        """How many rows were changed."""
        text, names = _compiled(statement, self.dialect)
        values = [parameters[name] for name in names]
        return (await (connection or self.root()).execute_query(text, values))[0]

    def current(self) -> BaseDBAsyncClient:
        """The connection of this task: of its transaction, if it has one."""
        context: TortoiseContext | None = get_current_context() or self._context
        if context is None:
            raise RuntimeError("expected Tortoise to be initialised, but it is not: init it first")
        self._context = context
        name = self._model._meta.default_connection
        return context.connections.get(name) if name else context.db()

    def root(self) -> BaseDBAsyncClient:
        """The same without its transaction."""
        connection = self.current()
        while isinstance(connection, TransactionalDBClient):
            connection = connection._parent
        return connection


def is_open(connection: BaseDBAsyncClient) -> bool:
    """Whether it is that of a transaction that is open.

    A task that was started inside a transaction may outlive it.
    """
    return isinstance(connection, TransactionalDBClient) and not connection._finalized


def check_columns(model: type[Model], columns: Sequence[str], base: str) -> None:
    """Raise `ValueError` for a model that lacks some of `columns`, which `base` has."""
    missing = sorted(set(columns) - set(model._meta.fields_db_projection.values()))
    if missing:
        raise ValueError(
            f"expected a model with the columns of {base}, but {model.__name__} has no "
            f"{', '.join(missing)}: derive it from {base}"
        )


@cache
def _compiled(statement: str, dialect: str) -> tuple[str, tuple[str, ...]]:
    """The statement with the driver's placeholders, and whose value each of them takes."""
    names = re.findall(r":(\w+)", statement)
    if dialect == "sqlite":
        return re.sub(r":\w+", "?", statement), tuple(names)
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names), start=1)}
    return re.sub(r":(\w+)", lambda each: f"${numbers[each[1]]}", statement), tuple(numbers)
