"""The progress of a write-behind in tables of Tortoise ORM's, on SQLite or PostgreSQL.

class Progress(ProgressModel):                  # models of yours, for `makemigrations`
    class Meta:
        table = "write_behind_progress"

class DeadLetter(DeadLetterModel):
    class Meta:
        table = "dead_letters"
        indexes = DEAD_LETTER_INDEXES

async def apply(connection, changes): ...       # in the flusher's transaction
async def read(connection, keys): ...

downloads = Operation(name="downloads", rule=SUM, apply=apply, read=read)
progress = TortoiseProgress(downloads, Progress, DeadLetter, is_unavailable=is_network_error)
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from tortoise import fields
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.indexes import Index
from tortoise.models import Model

from ..outbox import NoTransactionError, Outbox
from ..writes.operation import Operation
from .progress_sql import SqlProgress
from .progress_statements import (
    LETTER_COLUMNS,
    PROGRESS_COLUMNS,
    create_progress_statements,
)
from .tortoise_sql import TortoiseSql, check_columns, is_open

__all__ = [
    "DEAD_LETTER_INDEXES",
    "DeadLetterModel",
    "ProgressModel",
    "TortoiseProgress",
    "create_progress_statements",
]

DEAD_LETTER_INDEXES = (Index(fields=("stream", "key")),)
"""For the `Meta` of dead letters: Tortoise does not inherit it."""


class ProgressModel(Model):
    """The columns of the progress of streams: a base for a model of yours."""

    stream = fields.CharField(max_length=100, primary_key=True)
    stream_epoch = fields.CharField(max_length=64, default="")
    last_id = fields.CharField(max_length=40, default="0-0")
    token = fields.BigIntField(default=0)
    owner = fields.CharField(max_length=64, default="")
    lease_until = fields.DatetimeField(null=True)
    revision = fields.BigIntField(default=0)

    class Meta:
        abstract = True


class DeadLetterModel(Model):
    """The columns of operations that could not be applied: a base for a model of yours."""

    id = fields.BigIntField(primary_key=True)
    stream = fields.CharField(max_length=100)
    stream_epoch = fields.CharField(max_length=64)
    stream_id = fields.CharField(max_length=40)
    key = fields.TextField()
    field = fields.TextField()
    payload = fields.TextField()
    error = fields.TextField()
    created_at = fields.DatetimeField()

    class Meta:
        abstract = True


class TortoiseProgress(SqlProgress[BaseDBAsyncClient]):
    """A `Progress` in the tables of these models: `ProgressModel` and `DeadLetterModel`, or any
    with their columns.

    `apply` and `read` of the operation get the connection, for `using_db`; in `apply` the task's
    queries run in the transaction unasked. `outbox` is the cache's, in the same database. Raises
    `ValueError` for models without the columns.
    """

    def __init__(
        self,
        operation: Operation[Any],
        progress: type[Model],
        dead_letters: type[Model],
        *,
        is_unavailable: Callable[[BaseException], bool],
        outbox: Outbox | None = None,
    ) -> None:
        check_columns(progress, PROGRESS_COLUMNS, ProgressModel.__name__)
        check_columns(dead_letters, LETTER_COLUMNS, DeadLetterModel.__name__)
        tables = (progress._meta.db_table, dead_letters._meta.db_table)
        super().__init__(operation, tables, is_unavailable)
        self._tortoise = TortoiseSql(progress)
        self._outbox = outbox

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._tortoise.dialect

    def begin(self) -> AbstractAsyncContextManager[BaseDBAsyncClient]:
        """A transaction of its own."""
        return self._tortoise.begin()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[BaseDBAsyncClient]:
        """The connection, outside of transactions."""
        yield self._tortoise.root()

    async def fetch(
        self, connection: BaseDBAsyncClient | None, statement: str, parameters: Mapping[str, Any]
    ) -> Sequence[Mapping[str, Any]]:
        """The rows."""
        return await self._tortoise.fetch(connection, statement, parameters)

    def check_outside(self) -> None:
        """Raise `NoTransactionError` inside of a transaction."""
        if is_open(self._tortoise.current()):
            raise NoTransactionError(
                "a change past the stream is a transaction of its own, and this task has one open: "
                "make the change after it"
            )

    @property
    def has_outbox(self) -> bool:
        """Whether there is an outbox."""
        return self._outbox is not None

    async def add_outbox_row(
        self, connection: BaseDBAsyncClient, tags: Iterable[str]
    ) -> str | None:
        """Add a row to the outbox: the task's transaction is this one."""
        return None if self._outbox is None else await self._outbox.add(tags)
