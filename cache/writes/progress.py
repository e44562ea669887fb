"""What a write-behind asks of SQL: an interface, so that this package knows nobody's tables.

One row for each stream holds how far the stream is applied, and the lease and fencing token of
whoever applies it. The implementation decides what an increment of a key does to its own rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..errors import CacheError

START = "0-0"
"""Before the first id of every stream."""


class LeaseLost(CacheError):  # noqa: N818 - the state that it names is expected
    """Another flusher has taken the lease since: nothing was committed."""


@dataclass(frozen=True, slots=True)
class Applied:
    """Every operation up to `last_id` of the stream `epoch` is in SQL; `epoch` is "" for none."""

    epoch: str = ""
    last_id: str = START


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to apply a stream: void as soon as the row's token is another than `token`."""

    token: int
    seconds: float
    applied: Applied


@dataclass(frozen=True, slots=True)
class Batch:
    """Operations up to and including `applied.last_id`, summed for each key, keys sorted."""

    applied: Applied
    increments: Mapping[str, int]
    operations: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """SQL's values of some keys (0 where there is no row), and what of the stream they contain."""

    applied: Applied
    values: Mapping[str, int]


class Progress(Protocol):
    """The SQL side of one stream. Every method may raise its database's errors."""

    async def take_lease(self, owner: str, seconds: float) -> Lease | None:
        """Take the lease if it has ended or is `owner`'s: token + 1. None: another holds it.

        Ends are by the database's clock. They decide only when another may go on, never what is
        committed: that is for the token.
        """

    async def release_lease(self, lease: Lease) -> None:
        """End the lease now, if it still is the current one."""

    async def fence(self) -> Applied:
        """Void every lease (token + 1) and return how far SQL is, as one step."""

    async def commit(self, lease: Lease, batch: Batch) -> Mapping[str, int]:
        """Add the increments and move the progress to `batch.applied`: one transaction.

        The progress row is changed on condition that its token is the lease's; it renews the
        lease. Raises `LeaseLost` when the condition fails, and nothing was written. Returns the
        increments of keys that have no row to go to: they were dropped, the rest was committed.
        """

    async def read(self, keys: Sequence[str]) -> Snapshot:
        """The values of `keys` and the progress, of one snapshot (one statement)."""
