"""Where a world's entries, log and watermarks are, and the faults of the servers that hold them."""

from typing import Protocol

from cache import Store
from cache.protocol import ALL, Rules
from cache.stores.memory import MemoryServer, MemoryStore
from tests.support.worlds.clock import ManualClock
from tests.support.worlds.link import Names


class Topology(Protocol):
    """What a world needs of its servers."""

    clock: ManualClock
    names: Names

    def store(self) -> Store:
        """A new worker's way to those that are primaries now."""
        ...

    def shift(self) -> float:
        """How many seconds the servers' clock is ahead of what they say."""
        ...

    async def passes(self, seconds: float) -> None:
        """Let time pass, by every clock."""
        ...

    async def evict_watermark(self, tag: str) -> None: ...

    async def lose_log(self) -> None:
        """The log is evicted; the epoch stays."""
        ...

    async def trim(self, keep: int) -> None:
        """Only the last `keep` purges stay in the log."""
        ...

    async def empty(self) -> None:
        """The state server restarts with nothing; entries on a server of their own stay."""
        ...

    async def replicate(self) -> None:
        """What is there now has reached the replica; what comes later has not."""
        ...

    async def fail_over(self) -> None:
        """The replica takes the primary's place; connections survive it."""
        ...

    async def split(self) -> None:
        """The replica is promoted; who is connected to the old primary stays there, until it
        moves."""
        ...

    async def close(self) -> None: ...


class InMemory:
    """Servers in this process; with `apart` the entries have one of their own.

    Positions are dense, so that two epochs' are alike as often as can be.
    """

    def __init__(self, *, rules: Rules = ALL, apart: bool = False) -> None:
        self.clock, self.names = ManualClock(), Names()
        self._rules = rules
        self.server = self._server()
        self.entries = self._server() if apart else None
        self.replica: MemoryServer | None = None

    def _server(self) -> MemoryServer:
        server = MemoryServer(self._time, rules=self._rules)
        server.dense = True
        return server

    def _time(self) -> float:
        return 1_700_000_000.0 + self.clock.passed

    def store(self) -> MemoryStore:
        return MemoryStore(self.server, entries=self.entries)

    def shift(self) -> float:
        return 0.0

    async def passes(self, seconds: float) -> None:
        self.clock.passes(seconds)

    async def evict_watermark(self, tag: str) -> None:
        self.server.evict_watermark(tag)

    async def lose_log(self) -> None:
        self.server.lose_log()

    async def trim(self, keep: int) -> None:
        self.server.trim(keep)

    async def empty(self) -> None:
        self.server.restart(empty=True)

    async def replicate(self) -> None:
        self.replica = self.server.fork()

    async def fail_over(self) -> None:
        assert self.replica is not None
        self.server.fail_over(self.replica)

    async def split(self) -> None:
        assert self.replica is not None
        self.replica.promote()
        self.server = self.replica

    async def close(self) -> None:
        """Nothing is open."""
