"""A database whose rows have versions: what is read of it says how old it is.

`item:3` is a row whose value is its category, None while there is none; `list:A` are the items of
a category, as a query would find them; `orders:u` counts a user's orders. A commit gives every
cell that it changes the next number as its version.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import msgspec

from ...protocol import Position
from .gates import Gates

UNKNOWN = -1
"""The version of what is not there, where nothing tells since when."""


class Part(msgspec.Struct, frozen=True):
    """One cell as it was read."""

    cell: str
    version: int
    value: str | None


class Written(NamedTuple):
    """A committed write: its number, and the cells that it changed."""

    version: int
    cells: tuple[str, ...]


class Holder(Protocol):
    """A transaction that holds rows of the outbox."""

    owner: str


@dataclass(slots=True, eq=False)
class Stored:
    """A row of the outbox; `first` is when it was published first."""

    tags: frozenset[str]
    created: float
    published: Position | None = None
    first: float | None = None
    holder: Holder | None = None


def item_of(number: int) -> str:
    return f"item:{number}"


def list_of(category: str) -> str:
    return f"list:{category}"


def orders_of(viewer: str) -> str:
    return f"orders:{viewer}"


def tag_of(cell: str) -> str:
    """The tag of what depends on a cell."""
    kind, _, name = cell.partition(":")
    return f"category:{name}" if kind == "list" else cell


class Database:
    """Rows, their history, locks, and a switch to take it away."""

    def __init__(
        self, gates: Gates, cells: dict[str, str | None], now: Callable[[], float]
    ) -> None:
        self.gates = gates
        self.clock = now
        self.is_down = False
        self.version = 1
        self.history: dict[str, list[Part]] = {
            cell: [Part(cell, 1, value)] for cell, value in cells.items()
        }
        self.locks: dict[str, Transaction] = {}
        self.outbox: dict[str, Stored] = {}
        self.commits: list[Written] = []
        self.lag = 0
        """F4 broken: by how many versions reads are behind, as those of a replica are."""

    def now(self, cell: str) -> Part:
        return self.history[cell][-1]

    def _read(self, cell: str) -> Part:
        history = self.history[cell]
        return history[max(0, len(history) - 1 - self.lag)]

    def ask(self) -> None:
        if self.is_down:
            raise ConnectionRefusedError("the database is down")

    async def read(self, owner: str, cells: Iterable[str]) -> list[Part]:
        """One statement: all of these cells as they are committed at one moment."""
        wanted = list(cells)

        def read() -> list[Part]:
            self.ask()
            return [self._read(cell) for cell in wanted]

        what = "reads " + ", ".join(wanted)
        parts: list[Part] = await self.gates.call(owner, "database", what, read)
        return parts

    def members(self, category: str) -> str:
        """The value of a list: the items that are in the category now."""
        found = [
            cell.partition(":")[2]
            for cell, history in self.history.items()
            if cell.startswith("item:") and history[-1].value == category
        ]
        return ",".join(found)

    def release(self, owner: str) -> None:
        """The locks of a worker that is gone."""
        for cell, transaction in list(self.locks.items()):
            if transaction.owner == owner:
                del self.locks[cell]
        for row in self.outbox.values():
            if row.holder is not None and row.holder.owner == owner:
                row.holder = None

    def let_go(self, holder: Holder) -> None:
        """The rows of the outbox that this transaction holds."""
        for row in self.outbox.values():
            if row.holder is holder:
                row.holder = None


class Transaction:
    """An open transaction of `owner`: what it wrote, what it holds locked, its outbox rows."""

    def __init__(self, database: Database, owner: str) -> None:
        self.database = database
        self.owner = owner
        self.values: dict[str, str | None] = {}
        self.outbox: dict[str, frozenset[str]] = {}
        self.is_sent = False

    async def lock(self, cell: str) -> Part:
        """`SELECT ... FOR UPDATE`: waits for whoever has it, and then reads what is committed."""
        database = self.database

        def is_free() -> bool:
            return database.locks.get(cell, self) is self

        def lock() -> Part:
            database.ask()
            database.locks[cell] = self
            return database.now(cell)

        part: Part = await database.gates.call(
            self.owner, "database", f"locks {cell}", lock, ready=is_free
        )
        return part

    async def read(self, cell: str) -> Part:
        """What this transaction sees, its own writes included, without a lock."""
        [part] = await self.database.read(self.owner, [cell])
        return Part(cell, UNKNOWN - 1, self.values[cell]) if cell in self.values else part

    async def commit(self) -> Written:
        """Commit, and say what was changed: rows and outbox rows in one step."""

        self.is_sent = True

        def commit() -> Written:
            self._unlock()
            self.database.ask()
            return self._commit()

        written: Written = await self.database.gates.call(self.owner, "commit", "commits", commit)
        return written

    def rollback(self) -> None:
        """Roll back what was not committed; a commit that was sent ends it by itself."""
        if not self.is_sent:
            self._unlock()

    def _commit(self) -> Written:
        database = self.database
        database.version += 1
        changed: list[str] = []
        categories: set[str | None] = set()
        for cell, value in self.values.items():
            before = database.now(cell).value
            self._append(cell, value)
            changed.append(cell)
            if cell.startswith("item:") and before != value:
                categories |= {before, value}
        for category in sorted(name for name in categories if name is not None):
            self._append(list_of(category), database.members(category))
            changed.append(list_of(category))
        for identifier, tags in self.outbox.items():
            database.outbox[identifier] = Stored(tags, database.clock())
        written = Written(database.version, tuple(changed))
        database.commits.append(written)
        return written

    def _append(self, cell: str, value: str | None) -> None:
        database = self.database
        database.history[cell].append(Part(cell, database.version, value))

    def _unlock(self) -> None:
        for cell in [cell for cell, holder in self.database.locks.items() if holder is self]:
            del self.database.locks[cell]
