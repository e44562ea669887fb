"""What the outbox's adapters share: everything but how a driver is asked, and where."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar
from typing import Any, Generic, TypeVar

import msgspec

from ..outbox import OutboxRow
from ..protocol import Position
from .outbox_statements import PRUNED, Statements, statements

Connection = TypeVar("Connection")
Parameters = Mapping[str, Any]


def new_id() -> str:
    """16 random hexadecimal digits: nobody guesses another's id, or waits for a sequence."""
    return secrets.token_hex(8)


class SqlOutbox(ABC, Generic[Connection]):
    """An `Outbox` on SQL; a driver's adapter says how a statement is run, and where."""

    def __init__(self, table: str, identify: Callable[[], str] = new_id) -> None:
        self._table = table
        self._identify = identify
        self._by_dialect: dict[str, Statements] = {}
        self._held: ContextVar[Connection | None] = ContextVar("outbox_held", default=None)

    # ---- what an adapter brings ----

    @property
    @abstractmethod
    def _dialect(self) -> str:
        """`sqlite` or `postgresql`."""

    @abstractmethod
    async def _callers(self) -> Connection:
        """The caller's connection, in its open transaction. Raises `NoTransactionError`."""

    @abstractmethod
    def _check_outside(self) -> None:
        """Raise `NoTransactionError` if the caller has an open transaction."""

    @abstractmethod
    def _begin(self) -> AbstractAsyncContextManager[Connection]:
        """A transaction on a connection of its own."""

    @abstractmethod
    async def _fetch(
        self, connection: Connection | None, statement: str, parameters: Parameters
    ) -> Sequence[Mapping[str, Any]]:
        """The rows; without a connection, on one of its own that commits each statement."""

    @abstractmethod
    async def _run(
        self, connection: Connection | None, statement: str, parameters: Parameters
    ) -> int:
        """The number of rows that were changed; without a connection, as `_fetch`."""

    # ---- what it is for ----

    async def add(self, tags: Iterable[str]) -> str:
        """Add a row in the caller's open transaction, by one statement. Returns its id."""
        return await self._insert(await self._callers(), tags)

    async def add_alone(self, tags: Iterable[str]) -> str:
        """Add a row, committed on return. Returns its id."""
        self._check_outside()
        return await self._insert(None, tags)

    async def waiting(self, epoch: str, limit: int) -> Sequence[OutboxRow]:
        """Rows unpublished under `epoch`, at most `limit`, oldest first; read fresh, unlocked."""
        found = await self._fetch(None, self._sql.waiting, {"epoch": epoch, "limit": limit})
        return [_row(each) for each in found]

    @asynccontextmanager
    async def unpublished(self, epoch: str, limit: int) -> AsyncIterator[Sequence[OutboxRow]]:
        """The same, held for the block on PostgreSQL, without those that others hold.

        SQLite has no locks of rows: there two relays may publish the same row, which is harmless.
        """
        hold = self._sql.hold
        if hold is None:
            yield await self.waiting(epoch, limit)
            return
        async with self._begin() as connection:
            token = self._held.set(connection)
            try:
                found = await self._fetch(connection, hold, {"epoch": epoch, "limit": limit})
                yield [_row(each) for each in found]
            finally:
                self._held.reset(token)

    async def mark(self, ids: Iterable[str], position: Position) -> None:
        """Note that these rows were published, at `position` at the latest."""
        named: dict[str, Any] = {"epoch": position.epoch, "position": position.id}
        await self._run(self._held.get(), self._sql.mark, {**named, "ids": _list(ids)})

    async def read(self, ids: Iterable[str]) -> Mapping[str, OutboxRow]:
        """Those of these rows that are there, by their ids; read fresh, unlocked."""
        found = await self._fetch(None, self._sql.read, {"ids": _list(ids)})
        return {each["id"]: _row(each) for each in found}

    async def prune(self, age: float) -> bool:
        """Remove up to 1,000 rows that were first published `age` seconds ago.

        Returns whether there may be more.
        """
        return await self._run(None, self._sql.prune, {"age": float(age)}) >= PRUNED

    @property
    def _sql(self) -> Statements:
        dialect = self._dialect
        if dialect not in self._by_dialect:
            self._by_dialect[dialect] = statements(dialect, self._table)
        return self._by_dialect[dialect]

    async def _insert(self, connection: Connection | None, tags: Iterable[str]) -> str:
        identifier = self._identify()
        parameters = {"id": identifier, "tags": _list(tags)}
        await self._run(connection, self._sql.insert, parameters)
        return identifier


def _row(found: Mapping[str, Any]) -> OutboxRow:
    epoch = found["published_epoch"]
    position = None if epoch is None else Position(epoch, found["published_position"])
    return OutboxRow(found["id"], msgspec.json.decode(found["tags"], type=frozenset[str]), position)


def _list(names: Iterable[str]) -> str:
    return msgspec.json.encode(sorted(set(names))).decode()
