"""Publishing rows of the outbox: what relays and readers do in the same way."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from .beforehand import Beforehand
from .clock import Clock
from .facts import Drained, Fact, Invalidated
from .marks import Marks
from .outbox import Outbox, OutboxRow
from .protocol import Look, Position, Rules
from .stores.base import State

PATIENCE = 30.0
"""Seconds: when no relay looked for so long, rows may have come and gone unseen: a new epoch."""

KEPT = 2 * PATIENCE
"""Seconds for which a row outlives its publication.

A look is as old as its begin, so what one did not read and the next did not either came and went
within twice the patience: once between their begins, once while the next was reading."""

ROWS = 1_000
"""Rows that are read at once."""

_TAGS = 500
"""Tags of one purge, about: the state server does nothing else meanwhile."""


@dataclass(frozen=True, slots=True)
class Page:
    """Rows that are to be published; those that are `stuck` were read, and are already.

    Behind a page that is not full there was nothing more when it was read.
    """

    rows: Sequence[OutboxRow]
    stuck: Sequence[OutboxRow]
    is_full: bool


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
        beforehand: Beforehand,
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._clock = clock
        self._rules = rules
        self._tell = tell
        self._beforehand = beforehand
        self._epoch: str | None = None
        self._looked_at = clock.now()
        self.marks = Marks(outbox, clock, pause)

    async def begin(self) -> Look:
        """Head and time, under an epoch that no row of the outbox can have missed."""
        if self._clock.now() - self._looked_at > PATIENCE / 2:
            await self._reach_database()
        asks = self._rules.w1_looked
        look = await (self._store.relay_begins(PATIENCE) if asks else self._store.look(()))
        self._epoch = look.head.epoch
        return look

    async def looked(self, epoch: str, begun: Look) -> None:
        """Note that all that the outbox held when `begun` was told is published under `epoch`."""
        if self._rules.w1_looked:
            told = begun if self._rules.w1_begun else await self._store.look(())
            await self._store.relay_looked(epoch, told.now)
        self._looked_at = self._clock.now()

    async def _reach_database(self) -> None:
        """Raise the outbox's error if it does not answer.

        An epoch that begins for want of looks empties every cache: not while the database is away
        for everybody, and could load nothing.
        """
        await self._outbox.waiting("", 1)

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
        others = [row for row in found if row.id not in wanted]
        return Page(rows, others, is_full=len(found) >= limit)

    async def current_epoch(self) -> str:
        """The epoch as the state server knows it now."""
        return (await self._store.look(())).head.epoch

    async def publish(self, rows: Sequence[OutboxRow]) -> Position:
        """One purge of all that these rows name."""
        tags = frozenset[str]().union(*(row.tags for row in rows))
        await self._beforehand.do(tags)
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
