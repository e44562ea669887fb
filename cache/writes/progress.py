"""What a write-behind asks of SQL: an interface, so that this package knows nobody's tables.

One row for each stream holds how far the stream is applied, and the lease and fencing token of
whoever applies it. `integrations/progress_sql.py` has it for SQL; what an operation does to which
row is for its `apply`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..errors import CacheError
from .operation import Changes, Entry, Operation

START = "0-0"
"""Before the first id of every stream."""


class LeaseLost(CacheError):  # noqa: N818 - the state that it names is expected
    """Another flusher has taken the lease since: nothing was committed."""


@dataclass(frozen=True, slots=True)
class Applied:
    """Every operation up to `last_id` of the stream `epoch` is in SQL; `epoch` is "" for none.

    `revision` counts the changes of SQL's values that did not come through the stream.
    """

    epoch: str = ""
    last_id: str = START
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to apply a stream: void as soon as the row's token is another than `token`."""

    token: int
    seconds: float
    applied: Applied


@dataclass(frozen=True, slots=True)
class Batch:
    """Operations up to and including `applied.last_id`, in order.

    With an `error` it is one that cannot be applied: it goes to the dead letters.
    """

    applied: Applied
    entries: Sequence[Entry]
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Committed:
    """What a commit came to: how far SQL is, the keys written, those that had no row to go to,
    and how many operations followed others to the dead letters."""

    applied: Applied
    written: int = 0
    dropped: frozenset[str] = frozenset()
    parked: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """SQL's values of some keys, those without a row too, with what is parked of them; and what of
    the stream they contain."""

    applied: Applied
    values: Changes[Any]


class Progress(Protocol):
    """The SQL side of one stream. Every method may raise its database's errors."""

    @property
    def operation(self) -> Operation[Any]:
        """What the stream is of."""

    def is_unavailable(self, error: BaseException) -> bool:
        """Whether an error means that the database is away, locked or full: then operations wait.

        Any other one is an operation's, and goes with it to the dead letters in the end.
        """

    async def take_lease(self, owner: str, seconds: float) -> Lease | None:
        """Take the lease if it has ended or is `owner`'s: token + 1. None: another holds it.

        Ends are by the database's clock. They decide only when another may go on, never what is
        committed: that is for the token.
        """

    async def release_lease(self, lease: Lease) -> None:
        """End the lease now, if it still is the current one."""

    async def fence(self) -> Applied:
        """Void every lease (token + 1), raise the revision, and return how far SQL is: one step.

        A snapshot from before must not become a live value after it: Redis may have come back
        without the operations that were committed since, and without the note of their trim.
        """

    async def commit(self, lease: Lease, batch: Batch) -> Committed:
        """Apply the batch and move the progress to `batch.applied`: one transaction.

        The progress row is changed on condition that its token is the lease's; it renews the
        lease. Raises `LeaseLost` when the condition fails, and nothing was written. Operations on
        parked keys are parked; the others are merged and applied. Where some had no row to go to,
        the revision grows: their live values hold what was dropped.
        """

    async def read(self, keys: Sequence[str]) -> Snapshot:
        """The values of `keys` and the progress, of one snapshot."""

    async def raise_revision(self, least: int) -> None:
        """Let the revision be larger than `least`."""


def of_every_field(
    operation: Operation[Any], keys: Sequence[str], found: Changes[Any]
) -> dict[str, dict[str, Any]]:
    """`found` for each of `keys` and every field; the rule's initial value where there is none."""
    initial = operation.rule.initial
    nothing: Mapping[str, Any] = {}
    return {
        key: {name: found.get(key, nothing).get(name, initial) for name in operation.fields}
        for key in keys
    }
