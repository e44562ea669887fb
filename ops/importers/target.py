"""Where the rows of one file go: what each kind of row has in common."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import msgspec
from tortoise.backends.base.client import BaseDBAsyncClient

from ops.importers.problems import Problem
from ops.importers.purging import Purge

R = TypeVar("R", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Entry(Generic[R]):
    """A row that could be read: its line, its bytes, its values, their key and their digest."""

    line: int
    raw: bytes
    row: R
    key: str
    digest: str


@dataclass(slots=True)
class Saved:
    """What a batch did: rows added and changed, and what to purge once it is committed."""

    added: int = 0
    changed: int = 0
    purge: Purge = field(default_factory=Purge)


class Target(ABC, Generic[R]):
    """Takes one batch. A new one for each attempt: it holds what the batch read.

    Everything happens within one transaction: `load`, then `admit` row by row in the file's order,
    then `save` with the rows that were admitted.
    """

    @abstractmethod
    async def load(self, entries: Sequence[Entry[R]]) -> None:
        """Read what the rows refer to and what is there already."""

    @abstractmethod
    def admit(self, entry: Entry[R]) -> Problem | None:
        """Why this row cannot go in; None when it can."""

    @abstractmethod
    async def save(self, entries: Sequence[Entry[R]]) -> Saved:
        """Write the rows that are new or changed."""


async def run_many(
    connection: BaseDBAsyncClient, statement: str, rows: Iterable[Sequence[int]]
) -> None:
    """Run `statement`, whose parameters are `?`, once for each row of numbers, in their order.

    In the order of an id, so that two transactions that change the same rows wait for each other
    and never in a circle.
    """
    values = [list(row) for row in rows]
    if not values:
        return
    if connection.capabilities.dialect == "postgres":
        first, *rest = statement.split("?")
        statement = first + "".join(f"${index}{part}" for index, part in enumerate(rest, 1))
    await connection.execute_many(statement, values)


async def add_points(connection: BaseDBAsyncClient, deltas: Mapping[int, int]) -> None:
    """Add to (or take from) users' loyalty points, in the order of their ids.

    An addition in the database, not a value computed here: an order that the running store takes
    meanwhile keeps its points.
    """
    await run_many(
        connection,
        "UPDATE users SET loyalty_points = loyalty_points + ? WHERE id = ?",
        ((delta, user_id) for user_id, delta in sorted(deltas.items()) if delta),
    )
