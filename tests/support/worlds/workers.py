"""The workers of a world, whose every step a test takes, and their clients, who echo tokens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, fields
from enum import Enum
from typing import TYPE_CHECKING, Any

from cache import Cache, CacheSettings, Session
from tests.support.worlds.clock import MOMENT
from tests.support.worlds.database import Value
from tests.support.worlds.link import Link

if TYPE_CHECKING:
    from tests.support.world import World

DELTA = 1.0
"""Δ of every world, in seconds of its clock."""


class Reads(Enum):
    """Which tiers there are, and so who judges what a reader finds."""

    MEMORY = "L1"
    """Memory alone, judged by the log: the store keeps no entries."""
    LOG = "L2 by the log"
    """The store alone, judged by the worker's log (J2)."""
    SERVER = "L2 by the server"
    """The store alone, judged by the state server (J3): no worker follows the log."""
    TIERED = "L1 and L2"


Engine = Callable[["World", Link], Cache]


def engine(world: World, link: Link, **options: Any) -> Cache:
    """A worker's cache; not started, so that nothing happens which no test asked for.

    `options` are those of `Cache`, and of `CacheSettings`.
    """
    memory = 1 if world.reads in (Reads.LOG, Reads.SERVER) else 2**20  # 1: nothing fits
    names = {field.name for field in fields(CacheSettings)} & set(options)
    settings = {"max_staleness": DELTA, "memory_bytes": memory, "token_wait": MOMENT}
    settings |= {name: options.pop(name) for name in names}
    parts: dict[str, Any] = {
        "outbox": world.outbox if world.has_outbox else None,
        "leases": world.leases,
        "observers": [world.facts],
        "settings": CacheSettings(**settings),  # type: ignore[arg-type]
        "clock": world.clock,
        "random": world.random,
        "rules": world.rules,
    }
    return Cache(link, **(parts | options))


class Worker:
    """One process: its cache, and its way to the servers."""

    def __init__(self, world: World, make: Engine) -> None:
        self._world = world
        self.link = Link(world.topology.store(), world.topology.shift, world.topology.names)
        self.link.keeps_entries = world.reads is not Reads.MEMORY
        self.cache = make(world, self.link)

    async def start(self) -> None:
        """Follow the log until it is current, where workers do."""
        if self._world.reads is not Reads.SERVER:
            await self.catch_up()

    async def follow(self) -> None:
        """One look at the log."""
        await self.cache.follower.step()

    async def catch_up(self) -> None:
        """Follow until all there is is applied, a new epoch included."""
        await self.follow()
        await self.follow()
        if not self.cache.is_current:
            await self.follow()
        assert self.cache.is_current

    async def relay(self) -> None:
        """One look at the outbox."""
        assert self.cache.relay is not None
        await self.cache.relay.step()

    def move(self) -> None:
        """Connect to whoever is the primary now."""
        self.link.store = self._world.topology.store()


@dataclass
class Client:
    """Somebody who echoes the token of each answer, as browsers do unasked."""

    world: World
    viewer: str = "anonymous"
    token: str = ""

    async def ask(self, question: Callable[[Session], Awaitable[Any]], *, at: Worker) -> Any:
        """One request, and its answer."""
        session = at.cache.session(self.token)
        with at.cache.activate(self.viewer, session):
            answer = await question(session)
        self.token = session.token
        return answer

    async def read(self, row: int = 1, *, at: Worker, by: Any = None) -> Any:
        """The row by its cached function, or by another one."""
        return await self.ask(lambda _: (by or self.world.row)(row), at=at)

    async def write(self, row: int, value: Value, *, at: Worker) -> None:
        """Commit, publish, and be acknowledged."""
        await self.ask(lambda _: self.world.commit(row, value, at=at), at=at)
