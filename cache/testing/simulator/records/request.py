"""What a client asks a worker for: operations, reads, and what whoever operates a store does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ....errors import StoreUnavailable
from ....writes import NoRowError, NotAcknowledged, Once
from .database import SqlAway, SqlRefuses
from .truth import Demand, Done

if TYPE_CHECKING:
    from .worker import RecordWorker
    from .world import RecordWorld

Operation = tuple[Any, ...]

SNAPSHOTS, ATTEMPTS = 3, 5
"""How often a read looks for a newer snapshot, and opens the stream."""

_EXPECTED = (StoreUnavailable, SqlAway, SqlRefuses)
"""What a request may end with while something is away, or refuses."""


class RecordRequest:
    """One request. `said` names it in notes."""

    task: asyncio.Task[None]

    def __init__(
        self, world: RecordWorld, client: str, worker: RecordWorker, operations: Sequence[Operation]
    ) -> None:
        self.client = client
        self._world = world
        self._worker = worker
        self._behind = worker.behind
        self._operations = operations
        self.said = f"{client} at {worker.owner}"

    async def run(self) -> None:
        """Do the operations one after another, until one fails."""
        for name, *arguments in self._operations:
            try:
                await _DOING[name](self, *arguments)
            except _EXPECTED as error:
                self._world.note(f"{self.said}: {name} fails: {error}")

    # ---- operations ----

    async def add(self, key: str, name: str) -> None:
        """An operation, sent once."""
        one = self._world.truth.begin((key, name))
        if one is not None:
            await self._send(one, None)

    async def once(self, key: str, name: str) -> None:
        """An operation with an idempotency key: sent again if its outcome is unknown, but not after
        a loss, with which the key may be lost too."""
        one = self._world.truth.begin((key, name))
        if one is None:
            return
        once, losses = Once(f"{one.number}", "arguments"), self._world.truth.losses
        for _ in range(3):
            if await self._send(one, once) or losses != self._world.truth.losses:
                return

    async def _send(self, one: Done, once: Once | None) -> bool:
        """Whether it is known what came of it."""
        key, name = one.place
        one.is_refused = False
        try:
            appended = await self._behind.add(key, one.value, once, field=name)
        except NotAcknowledged as error:
            what = "may be done" if error.sent else "is not done"
            self._world.note(f"{self.said}: operation {one.number} {what}: {error}")
            # Sent before, and again: what came of the first time is not known.
            one.is_refused = not error.sent and not one.order
            return not error.sent and once is None
        one.acknowledged, one.is_direct = True, one.is_direct or appended.id == ""
        self._world.statistics.writes += 1
        self._world.note(f"{self.said}: operation {one.number} on {key}.{name} is acknowledged")
        return True

    # ---- reads ----

    async def read(self, *keys: str) -> None:
        """Live values."""
        await self._read(keys, anew=False)

    async def anew(self, *keys: str) -> None:
        """Values that are rebuilt."""
        await self._read(keys, anew=True)

    async def _read(self, keys: Sequence[str], *, anew: bool) -> None:
        world, worker = self._world, self._worker
        demand = world.truth.demand(keys, is_told=world.is_told)
        before = (worker.missed, worker.refusals, worker.closed)
        names = world.scenario.names
        if not world.scenario.rules.live_reads:
            snapshot = await worker.progress.read(keys)
            records: Sequence[Mapping[str, Any]] = [snapshot.values[key] for key in keys]
        else:
            records = await self._behind.read_fields(keys, names, anew=anew)
        # Then it is SQL's value: Redis did not answer; each of three snapshots was slower than a
        # flush; it restarted as often as the stream was opened.
        from_sql = (
            before[0] != worker.missed
            or worker.refusals - before[1] >= SNAPSHOTS
            or worker.closed - before[2] >= ATTEMPTS
        )
        self._check(keys, records, demand, from_sql=from_sql)

    def _check(
        self,
        keys: Sequence[str],
        records: Sequence[Mapping[str, Any]],
        demand: Demand,
        *,
        from_sql: bool,
    ) -> None:
        world = self._world
        world.statistics.reads += 1
        world.statistics.bounded += not from_sql
        for key, record in zip(keys, records, strict=True):
            for name, value in record.items():
                said = f"{self.said}: {key}.{name}"
                if self.client != "rest":
                    world.note(f"{said} is {value!r}")
                world.truth.check(said, (key, name), value, demand, from_sql=from_sql)

    # ---- of whoever operates it ----

    async def flush(self) -> None:
        """One step of the flusher, whatever else it does meanwhile."""
        applied = await self._behind.flusher.flush()
        self._world.note(f"{self.said}: {applied} operations are flushed")

    async def remove(self, key: str) -> None:
        """Delete a record."""
        removed = self._world.truth.removals
        async with self._behind.past_the_stream() as connection:
            await self._worker.progress.remove_record(connection, key)
        if key in removed:
            removed[key].is_told = True

    async def replay(self, key: str) -> None:
        """Apply what is parked."""
        try:
            done = await self._behind.dead_letters.replay(key)
        except NoRowError:
            await self.drop(key)
        else:
            self._world.note(f"{self.said}: {done} dead letters of {key} are replayed")

    async def drop(self, key: str) -> None:
        """Give up what is parked."""
        letters = await self._behind.dead_letters.listed(key)
        done = await self._behind.dead_letters.drop([letter.id for letter in letters])
        self._world.note(f"{self.said}: {done} dead letters of {key} are dropped")

    async def settle(self) -> None:
        """Tell the server how far SQL is past the stream."""
        await self._behind.settle()


_DOING: Mapping[str, Callable[..., Any]] = {
    name: getattr(RecordRequest, name)
    for name in (
        "add", "once", "read", "anew", "flush", "remove", "replay", "drop", "settle",
    )
}  # fmt: skip
