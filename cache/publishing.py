"""Publishing rows of the outbox: what relays and readers do in the same way."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from .clock import Clock
from .facts import Drained, Fact, Invalidated
from .marks import Marks
from .outbox import Outbox, OutboxRow
from .protocol import Position, Rules
from .stores.base import State

PATIENCE = 30.0
"""Seconds: when no relay looked for so long, rows may have come and gone unseen: a new epoch."""

KEPT = 60.0
"""Seconds for which a row outlives its publication; more than `PATIENCE` and a look together."""

ROWS = 1_000
"""Rows that are read at once."""

_TAGS = 500
"""Tags of one purge, about: the state server does nothing else meanwhile."""

_LONGEST_PART = 5.0
"""Seconds for a page of rows, and for what is said to the server before and after."""


@dataclass(frozen=True, slots=True)
class Page:
    """Rows that are to be published; those with the ids `stuck` were read, and are already.

    Behind a page that is not full there was nothing more when it was read.
    """

    rows: Sequence[OutboxRow]
    stuck: Collection[str]
    is_full: bool


class Pace:
    """Whether a look at the outbox went on all the time, from when the epoch was asked for.

    The server notes a look when it hears of it. What lies between is missing from the time for
    which rows are kept, so a look with a part that took long, or whose process was stopped, does
    not count.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._went_on = clock.now()
        self.has_stood = False

    def goes_on(self) -> None:
        """Say so between two parts."""
        now = self._clock.now()
        self.has_stood = self.has_stood or now - self._went_on >= _LONGEST_PART
        self._went_on = now


class Publisher:
    """Finds rows that are unpublished as `store` knows it, and publishes them."""

    def __init__(  # noqa: PLR0913 - a part of the relay: it is handed what that was handed
        self,
        store: State,
        outbox: Outbox,
        clock: Clock,
        *,
        pause: float,
        rules: Rules,
        tell: Callable[[Fact], object],
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._clock = clock
        self._rules = rules
        self._tell = tell
        self._epoch: str | None = None
        self.marks = Marks(outbox, clock, pause)

    async def begin(self) -> Position:
        """The head, under an epoch that no row of the outbox can have missed."""
        if self._rules.w1_looked:
            head = await self._store.relay_begins(PATIENCE)
        else:
            head = (await self._store.look(())).head
        self._epoch = head.epoch
        return head

    async def looked(self, epoch: str, pace: Pace) -> None:
        """Note that the outbox was looked at, by a look that began before the epoch was told."""
        pace.goes_on()
        if self._rules.w1_looked and not pace.has_stood:
            await self._store.relay_looked(epoch)

    async def waiting(self, epoch: str, done: Collection[str] = (), stuck: int = 0) -> Page:
        """A page of the rows that are unpublished under `epoch`, but for those in `done`.

        `stuck` of those are still unmarked, and read again.
        """
        marked = self.marks.of(epoch)
        limit = ROWS + len(marked) + stuck
        found: Sequence[OutboxRow] = await self._outbox.waiting(epoch, limit)
        if not self._rules.w1_epoch:
            found = [row for row in found if row.published is None]
        rows = [row for row in found if row.id not in marked and row.id not in done]
        wanted = {row.id for row in rows}
        others = [row.id for row in found if row.id not in wanted]
        return Page(rows, others, is_full=len(found) >= limit)

    async def current_epoch(self) -> str:
        """The epoch as the state server knows it now."""
        return (await self._store.look(())).head.epoch

    async def publish(self, rows: Sequence[OutboxRow]) -> Position:
        """One purge of all that these rows name."""
        tags = frozenset[str]().union(*(row.tags for row in rows))
        position = await self._store.invalidate(sorted(tags))
        self._tell(Invalidated(tags, position))
        return position

    def as_marked(self, position: Position) -> Position:
        """What a row that was published at `position` is marked with: its epoch, not ours (W1)."""
        if self._rules.w1_mark or self._epoch is None:
            return position
        return Position(self._epoch, position.id)

    def mark_later(self, ids: Iterable[str], position: Position) -> None:
        """Mark these rows as published at `position`, soon and in the background."""
        self.marks.add(ids, self.as_marked(position))

    def drained(self, rows: int, epoch: str) -> None:
        """Tell that so many rows were published."""
        if rows:
            self._tell(Drained(rows, epoch))


def batches(rows: Sequence[OutboxRow]) -> Iterator[list[OutboxRow]]:
    """`rows` in parts, each of about as many tags as one purge should have."""
    batch: list[OutboxRow] = []
    tags = 0
    for row in rows:
        if batch and tags + len(row.tags) > _TAGS:
            yield batch
            batch, tags = [], 0
        batch.append(row)
        tags += len(row.tags)
    if batch:
        yield batch
