"""The relay: it publishes what its own writer did not (W1). One in each worker."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from .beforehand import Beforehand
from .clock import Clock
from .errors import StoreUnavailable
from .facts import Fact, StoreFailed
from .outbox import Outbox, OutboxRow
from .protocol import ALL, Look, Position, Rules
from .publishing import KEPT, ROWS, Publisher, batches
from .rounds import Rounds
from .stores.base import State

log = logging.getLogger(__name__)

_PRUNE_EVERY = 15.0
_LONGEST_PAUSE = 1.0
_EPOCHS = 3
"""Epochs that may begin one after the other before a drain gives up."""


class Relay:
    """Publishes the rows of `outbox` through `store`; every part of it can be called at any time.

    `step` looks once; `run` looks every Δ/8, whatever is away. `drain` and `publish` are for
    readers that cannot wait for it (J5, F2). All may publish the same row: a second purge costs
    a load, a missing one would leave the old value.
    """

    def __init__(  # noqa: PLR0913 - the composition root of a worker names each once
        self,
        store: State,
        outbox: Outbox,
        *,
        max_staleness: float,
        clock: Clock,
        rules: Rules = ALL,
        tell: Callable[[Fact], object] = lambda fact: None,
        beforehand: Beforehand | None = None,
    ) -> None:
        self._outbox = outbox
        self._clock = clock
        self._rules = rules
        self._tell = tell
        self._poll = max_staleness / 8
        self._patience = max_staleness / 4
        self._publisher = Publisher(
            store,
            outbox,
            clock,
            pause=self._poll,
            rules=rules,
            tell=tell,
            beforehand=beforehand or Beforehand(),
        )
        self._rounds = Rounds(self._drain)
        self._seen: dict[str, float] = {}
        self._done: dict[str, Position] = {}
        self._stuck = 0
        """Rows that were published and are still not marked: another relay holds them, stopped, or
        the commit of the marks failed."""
        self._pruned_at = -math.inf
        self._looked_at = -math.inf

    @property
    def is_current(self) -> bool:
        """Whether it looked a moment ago: what a writer leaves unpublished will be seen in time."""
        return self._clock.now() - self._looked_at <= self._poll + 2 * self._longest_pause

    # ---- by itself ----

    async def run(self) -> None:
        """Look until cancelled. The store and the database may be away: then it looks on."""
        failures = 0
        while True:
            failures = await self._look(failures)
            await self._clock.sleep(min(self._poll * 2 ** min(failures, 8), self._longest_pause))

    async def _look(self, failures: int) -> int:
        """Look once, after so many failures in a row. Returns how many there are then."""
        try:
            await self.step()
        except StoreUnavailable as error:
            self._tell(StoreFailed("relay", str(error)))
            if not failures:
                log.warning("the outbox cannot be relayed, trying on: %s", error)
            return failures + 1
        except Exception:
            # The database's driver may raise anything while it is away, and a relay that ends
            # would leave purges unpublished for ever.
            if not failures:
                log.exception("the outbox cannot be looked at, trying on")
            return failures + 1
        self._looked_at = self._clock.now()
        if failures:
            log.info("the outbox is relayed again, after %d failures", failures)
        return 0

    async def step(self) -> None:
        """Look once. Raises `StoreUnavailable` and the outbox's errors."""
        begun = await self._publisher.begin()
        epoch = begun.head.epoch
        published, more = 1, True
        while published and more:
            published, more = await self._publish_due(epoch)
            if any(position.epoch != epoch for position in self._done.values()):
                return  # another began meanwhile: the next look is under it
        if not more:  # else it has not read everything
            await self._publisher.looked(epoch, begun)
        await self._prune()

    @property
    def _longest_pause(self) -> float:
        return max(self._poll, _LONGEST_PAUSE)

    async def _publish_due(self, epoch: str) -> tuple[int, bool]:
        """Publish the rows of a page that are due: how many, and whether there may be more rows."""
        done = {one: position for one, position in self._done.items() if position.epoch == epoch}
        page = await self._publisher.waiting(epoch, done, self._stuck)
        rows, now = page.rows, self._clock.now()
        seen = self._seen = {row.id: self._first_seen(row, now) for row in rows}
        self._done = {row.id: done[row.id] for row in page.stuck if row.id in done}
        self._stuck = len(self._done)
        for row in page.stuck:
            # Never marked, it would never be removed, and look like one that nobody publishes.
            if row.published is None and row.id in done:
                self._publisher.mark_later([row.id], done[row.id])
        # Their writers publish most of them, in a moment: each row is left to its own for Δ/4.
        due = [row for row in rows if seen[row.id] <= now - self._patience]
        if not due:
            return 0, page.is_full
        async with self._outbox.unpublished(epoch, 2 * ROWS) as held:
            free = {row.id for row in held}
            await self._publish_and_mark([row for row in due if row.id in free])
        # Who holds a row may have been stopped right then: it is not left alone for ever.
        overdue = [row for row in self._left(due) if seen[row.id] <= now - 2 * self._patience]
        await self._publish_and_mark(overdue)
        published = len(due) - len(self._left(due))
        self._publisher.drained(published, epoch)
        return published, page.is_full

    def _first_seen(self, row: OutboxRow, now: float) -> float:
        """Since when a row is left to its writer, by this relay's clock.

        One that was published under another epoch is left to nobody: its writer is done with it,
        and it may be removed at any time. If it is, a look that left it has lost it.
        """
        if row.published is not None and self._rules.w1_left:
            return -math.inf
        return self._seen.get(row.id, now)

    def _left(self, rows: Iterable[OutboxRow]) -> list[OutboxRow]:
        return [row for row in rows if row.id not in self._done]

    async def _publish_and_mark(self, rows: Sequence[OutboxRow]) -> None:
        for some in batches(rows):
            position = await self._publisher.publish(some)
            ids = [row.id for row in some]
            # Remembered, in case they cannot be marked: they are not due again with every look.
            self._done |= dict.fromkeys(ids, position)
            await self._outbox.mark(ids, self._publisher.as_marked(position))

    async def _prune(self) -> None:
        now = self._clock.now()
        if now - self._pruned_at >= _PRUNE_EVERY:
            self._pruned_at = now
            if await self._outbox.prune(KEPT):
                self._pruned_at = -math.inf

    # ---- for readers ----

    async def drain(self) -> Position:
        """Publish everything that was unpublished when this was called, however new.

        Returns a position, of the epoch under which nothing was left. Callers at the same time
        share one drain, that begins after the last of them came. Raises `StoreUnavailable` and
        the outbox's errors.
        """
        return await self._rounds.take_part()

    async def _drain(self) -> Position:
        begun = await self._publisher.begin()
        head = begun.head
        for _ in range(_EPOCHS):
            reached = await self._publish_all(head, begun)
            if reached.epoch == head.epoch:
                return reached
            head = reached  # what was published before this one began is to go out again
        raise StoreUnavailable(f"{_EPOCHS} epochs began one after the other during a drain")

    async def _publish_all(self, head: Position, begun: Look) -> Position:
        """All that there is now, under `head`'s epoch; if another begins, its position."""
        done: dict[str, Position] = {}
        stuck = 0
        while True:
            # Without locks: what another relay holds is not published yet. Nor does it wait for
            # marks: what is published and not marked is in `done`.
            page = await self._publisher.waiting(head.epoch, done, stuck)
            for some in batches(page.rows):
                position = await self._publisher.publish(some)
                ids = [row.id for row in some]
                self._publisher.mark_later(ids, position)
                if position.epoch != head.epoch:
                    return position
                done |= dict.fromkeys(ids, position)
            if not page.is_full:  # what comes from now on is newer than whoever asked
                await self._publisher.looked(head.epoch, begun)
                self._publisher.drained(len(done), head.epoch)
                return max([head, *done.values()])
            stuck = len(page.stuck)
            await self._publisher.marks.flush()

    async def publish(self, ids: Iterable[str]) -> Mapping[str, Position | None]:
        """J5: for each row a position at which it was published, or is now; None for one that is
        gone. Raises `StoreUnavailable` and the outbox's errors."""
        wanted = list(dict.fromkeys(ids))
        rows = await self._outbox.read(wanted)
        positions = await self._published(rows.values())
        for some in batches([row for row in rows.values() if row.id not in positions]):
            position = await self._publisher.publish(some)
            positions |= {row.id: position for row in some}
            self._publisher.mark_later([row.id for row in some], position)
        return {one: positions.get(one) for one in wanted}

    async def _published(self, rows: Iterable[OutboxRow]) -> dict[str, Position]:
        """Where those were published that were under the current epoch."""
        known = {row.id: self._publisher.marks.get(row.id) or row.published for row in rows}
        positions = {one: position for one, position in known.items() if position is not None}
        if not positions or not self._rules.w1_epoch:
            return positions
        # Asked for after the rows were read: an epoch that began in between is not missed.
        epoch = await self._publisher.current_epoch()
        return {one: position for one, position in positions.items() if position.epoch == epoch}

    # ---- for writers ----

    def mark_later(self, ids: str | Iterable[str], position: Position) -> None:
        """Mark rows as published at `position`, within Δ/8, in the background."""
        self._publisher.mark_later([ids] if isinstance(ids, str) else ids, position)

    async def flush(self) -> None:
        """Write the marks that wait. Raises the outbox's errors."""
        await self._publisher.marks.flush()

    async def aclose(self) -> None:
        """Stop drains, and write the marks that wait."""
        await self._rounds.close()
        await self._publisher.marks.close()
