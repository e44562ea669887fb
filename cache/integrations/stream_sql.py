"""The tables of a write-behind in SQL, as far as a driver is concerned: what adapters bring."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Generic, TypeVar

from .progress_statements import Statements, statements

Connection = TypeVar("Connection")
Row = Mapping[str, Any]


class SqlStream(ABC, Generic[Connection]):
    """The two tables of a stream; an adapter says how a driver is asked."""

    def __init__(self, name: str, tables: tuple[str, str]) -> None:
        self._name = name
        self._tables = tables
        self._by_dialect: dict[str, Statements] = {}

    @property
    @abstractmethod
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""

    @abstractmethod
    def begin(self) -> AbstractAsyncContextManager[Connection]:
        """A transaction on a connection of its own."""

    @abstractmethod
    def reading(self) -> AbstractAsyncContextManager[Connection]:
        """A connection to read with, each statement by itself."""

    @abstractmethod
    async def fetch(
        self, connection: Connection | None, statement: str, parameters: Mapping[str, Any]
    ) -> Sequence[Row]:
        """The rows, of an INSERT or UPDATE those that it returns; without a connection, on one of
        its own that commits each statement."""

    @abstractmethod
    def check_outside(self) -> None:
        """Raise `NoTransactionError` if the caller has a transaction open."""

    @property
    @abstractmethod
    def has_outbox(self) -> bool:
        """Whether there is an outbox in this database."""

    @abstractmethod
    async def add_outbox_row(self, connection: Connection, tags: Iterable[str]) -> str | None:
        """Add a row to the outbox in this transaction; its id, or None without an outbox."""

    # ---- for what is built on it ----

    @property
    def sql(self) -> Statements:
        """The statements in the database's dialect."""
        dialect = self.dialect
        if dialect not in self._by_dialect:
            self._by_dialect[dialect] = statements(dialect, *self._tables)
        return self._by_dialect[dialect]

    def named(self, **parameters: Any) -> dict[str, Any]:
        """Parameters of a statement: these, and which stream it is."""
        return {"stream": self._name, **parameters}

    async def revise(self, connection: Connection | None, least: int = 0) -> int:
        """Let the revision grow past `least`; returns it. It locks the row of progress."""
        [row] = await self.fetch(connection, self.sql.revise, self.named(least=least))
        return int(row["revision"])
