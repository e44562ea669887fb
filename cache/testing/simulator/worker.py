"""A simulated worker: the real engine, on simulated servers, with a clock of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...engine import Cache
from ...facts import Fact
from ...leases import Leases
from ...protocol import Log, Rules
from ...settings import CacheSettings
from ...stores.base import Store
from ...tier import Remembered
from .gates import Gates
from .knowledge import Floor
from .network import Link
from .outbox import SimulatedOutbox
from .process import Process

if TYPE_CHECKING:
    from .request import Request

MEMORY = 64 * 1024


class WorkerClock:
    """One worker's clock: all run alike, and none says what another does."""

    def __init__(self, owner: str, gates: Gates, now: Callable[[], float], ahead: float) -> None:
        self._owner = owner
        self._gates = gates
        self._now = now
        self._ahead = ahead

    def now(self) -> float:
        return self._now() + self._ahead

    async def sleep(self, seconds: float) -> None:
        await self._gates.sleep(self._owner, seconds)


@dataclass(slots=True)
class Parts:
    """What a worker's cache is made of; made anew each time it starts."""

    store: Store
    outbox: SimulatedOutbox
    leases: Leases | None
    clock: WorkerClock
    random: Callable[[], float]


class SimulatedWorker(Process):
    """A process that can be paused, cut off, killed and started again.

    `parts` makes what its cache needs; `tell` is told its facts.
    """

    def __init__(
        self,
        name: str,
        link: Link,
        *,
        parts: Callable[[SimulatedWorker], Parts],
        rules: Rules,
        tell: Callable[[SimulatedWorker, Fact], None],
    ) -> None:
        super().__init__(name)
        self.link = link
        self.running: set[Request] = set()
        self.has_lost = True
        """Whether it has not heard of the state server since it lost it, or started."""
        self.regained: Floor = {}
        """What was acknowledged when it heard of the state server again."""
        self._parts = parts
        self._rules = rules
        self._tell = tell
        self.cache: Cache
        self.outbox: SimulatedOutbox

    def make(self) -> None:
        """A new process: a new cache, which knows nothing."""
        self.begin()
        self.has_lost, self.regained = True, {}
        parts = self._parts(self)
        self.outbox = parts.outbox
        self.cache = Cache(
            parts.store,
            outbox=parts.outbox,
            leases=parts.leases,
            observers=[lambda fact: self._tell(self, fact)],
            settings=CacheSettings(memory_bytes=MEMORY),
            clock=parts.clock,
            random=parts.random,
            rules=self._rules,
        )

    async def start(self) -> None:
        await self.cache.start()

    def end(self) -> None:
        """The process is killed: whoever it served gets no answer."""
        for request in self.running:
            request.client.requests -= 1
        super().end()

    @property
    def is_quiet(self) -> bool:
        """Whether it serves nobody and loads nothing."""
        return not self.running and not self.has_flights

    @property
    def has_flights(self) -> bool:
        return bool(self.cache._loads.flights)

    @property
    def log(self) -> Log:
        return self.cache._worker.log

    def remembered(self) -> list[Remembered]:
        """What is in its memory."""
        return list(self.cache.memory._items.values())
