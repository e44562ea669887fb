"""The outbox of a simulated world: rows of its database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from ...outbox import NoTransactionError, OutboxRow
from ...protocol import Position
from .database import Database, Stored, Transaction

open_transaction: ContextVar[Transaction | None] = ContextVar("open_transaction", default=None)
"""That of the running request."""


@dataclass(slots=True, eq=False)
class _Block:
    """A relay's transaction: the rows that it holds, and what it marked so far."""

    owner: str
    marks: dict[str, Position]


class SimulatedOutbox:
    """One worker's way to the outbox. `now` is the database's clock, `names` gives ids."""

    def __init__(
        self, owner: str, database: Database, *, now: Callable[[], float], names: Callable[[], str]
    ) -> None:
        self._owner = owner
        self._database = database
        self._now = now
        self._names = names
        self._block: _Block | None = None

    async def _ask(self, what: str, action: Callable[[], Any]) -> Any:
        database = self._database

        def step() -> Any:
            database.ask()
            return action()

        return await database.gates.call(self._owner, "outbox", what, step)

    async def add(self, tags: Iterable[str]) -> str:
        transaction = open_transaction.get()
        if transaction is None:
            raise NoTransactionError("no transaction is open")
        identifier = self._names()
        transaction.outbox[identifier] = frozenset(tags)
        return identifier

    async def add_alone(self, tags: Iterable[str]) -> str:
        if open_transaction.get() is not None:
            raise NoTransactionError("a transaction is open")
        identifier, named = self._names(), frozenset(tags)

        def insert() -> None:
            self._database.outbox[identifier] = Stored(named, self._now())

        await self._ask("adds an outbox row", insert)
        return identifier

    def _waiting(self, epoch: str, limit: int, *, free: bool) -> list[OutboxRow]:
        found = [
            OutboxRow(identifier, row.tags, row.published)
            for identifier, row in self._database.outbox.items()
            if (row.published is None or row.published.epoch != epoch)
            and not (free and row.holder is not None)
        ]
        return found[:limit]

    async def waiting(self, epoch: str, limit: int) -> Sequence[OutboxRow]:
        rows: Sequence[OutboxRow] = await self._ask(
            "asks what waits", lambda: self._waiting(epoch, limit, free=False)
        )
        return rows

    @asynccontextmanager
    async def unpublished(self, epoch: str, limit: int) -> AsyncIterator[Sequence[OutboxRow]]:
        block = _Block(self._owner, {})

        def take() -> list[OutboxRow]:
            rows = self._waiting(epoch, limit, free=True)
            for row in rows:
                self._database.outbox[row.id].holder = block
            return rows

        rows = await self._ask("takes what waits", take)
        self._block = block
        try:
            yield rows
            await self._ask("commits its marks", lambda: self._mark(block.marks))
        finally:
            self._block = None
            self._database.let_go(block)

    async def mark(self, ids: Iterable[str], position: Position) -> None:
        marks, block = dict.fromkeys(ids, position), self._block

        def mark() -> None:
            mine = {identifier for identifier in marks if self._is_held_by(identifier, block)}
            if block is not None:
                block.marks |= dict.fromkeys(mine, position)
            self._mark({identifier: position for identifier in marks if identifier not in mine})

        await self._ask("marks", mark)

    def _is_held_by(self, identifier: str, block: _Block | None) -> bool:
        row = self._database.outbox.get(identifier)
        return row is not None and block is not None and row.holder is block

    def _mark(self, marks: Mapping[str, Position]) -> None:
        for identifier, position in marks.items():
            row = self._database.outbox.get(identifier)
            if row is None or (row.holder is not None and row.holder.owner != self._owner):
                continue
            row.published = position
            row.first = self._now() if row.first is None else row.first

    async def read(self, ids: Iterable[str]) -> Mapping[str, OutboxRow]:
        wanted = list(ids)

        def read() -> dict[str, OutboxRow]:
            rows = self._database.outbox
            return {
                identifier: OutboxRow(identifier, row.tags, row.published)
                for identifier in wanted
                if (row := rows.get(identifier)) is not None
            }

        found: Mapping[str, OutboxRow] = await self._ask("reads outbox rows", read)
        return found

    async def prune(self, age: float) -> bool:
        def prune() -> bool:
            rows, limit = self._database.outbox, self._now() - age
            for identifier, row in list(rows.items()):
                if row.first is not None and row.first < limit:
                    del rows[identifier]
            return False

        more: bool = await self._ask("prunes", prune)
        return more
