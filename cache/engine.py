"""The engine: what an application makes, starts, asks and closes."""

from __future__ import annotations

import asyncio
import logging
import random as randomness
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from .beforehand import Beforehand, Work
from .call import Call
from .clock import Clock, SystemClock
from .codec import Codec
from .context import Scope, barrier_of, scoped
from .errors import StoreUnavailable
from .facts import Observer, TokenIgnored
from .filling import Fills
from .following import Follower
from .judging import Judge
from .leases import Leases
from .leasing import Leasing
from .loading import Loads
from .looking import LookUps
from .observers import Observers
from .outbox import Outbox
from .policy import namespace_tag
from .promises import Off, promises_off
from .protocol import ALL, Barrier, Log, Position, Rules, Token
from .purging import Purging
from .reading import Reader
from .relay import Relay
from .resolving import Resolver
from .serving import Served, Serving
from .session import Session
from .settings import CacheSettings
from .stores.base import Store
from .stores.memory import MemoryStore
from .tasks import end
from .tier import MemoryTier
from .worker import Worker

log = logging.getLogger(__name__)

_LAST_LOADS = 10.0
"""Seconds for which `close` waits for loads that are under way."""


def is_network_error(error: BaseException) -> bool:
    """Whether a load's error says that its database is away: what `stale_if_error` is for.

    `PermissionError("not yours")` of a program's own is none: those of the system have a number.
    """
    if isinstance(error, PermissionError | FileNotFoundError | FileExistsError):
        return error.errno is not None
    return isinstance(error, OSError | TimeoutError)


class Cache:
    """A cache whose entries are judged by the purges of what they were made of.

    - `store` keeps entries, log and watermarks; `outbox` the tags of writes that are committed and
      not yet published; `leases` let one process load for all. Without an outbox the promises
      that need it are off: see `docs/adopt.md`.
    - `observers` are told every fact. `is_unavailable` says which errors of a load mean that the
      database is away.
    - `clock`, `random` and `rules` are for tests.

    One for each application and event loop. `start` it where the loop runs: then it follows the
    log, and judges by it; before that every read is judged by the store.
    """

    def __init__(  # noqa: PLR0913 - keyword arguments of an application's composition root
        self,
        store: Store,
        *,
        outbox: Outbox | None = None,
        leases: Leases | None = None,
        observers: Iterable[Observer] = (),
        settings: CacheSettings | None = None,
        codec: Codec | None = None,
        is_unavailable: Callable[[BaseException], bool] = is_network_error,
        clock: Clock | None = None,
        random: Callable[[], float] = randomness.random,
        rules: Rules = ALL,
    ) -> None:
        self.settings = settings or CacheSettings()
        self.rules = rules
        self.store = store
        self._tell = Observers(observers)
        self.log = Log(rules, max_staleness=self.settings.max_staleness)
        self._worker = Worker(self.log, clock or SystemClock(), self._tell)
        self._outbox = outbox
        self._beforehand = Beforehand()
        self.relay = self._make_relay(outbox)
        self._purging = Purging(
            store,
            self._worker,
            outbox=outbox,
            relay=self.relay,
            beforehand=self._beforehand,
        )
        self.follower = self._make_follower()
        self.memory = MemoryTier(self.settings.memory_bytes)
        codec = codec or Codec()
        self._look_ups = LookUps(store, codec, self._worker)
        resolver = self._resolver = self._make_resolver()
        fills = Fills(
            store,
            self._worker,
            tier=self.memory,
            codec=codec,
            max_bytes=self.settings.max_entry_bytes,
            random=random,
        )
        self._loads = Loads(self._worker, self._look_ups, codec, fills)
        self._serving = Serving(self._worker, fills=fills, loads=self._loads, random=random)
        self._reader = Reader(
            self._worker,
            tier=self.memory,
            look_ups=self._look_ups,
            judge=Judge(self._worker, self._look_ups),
            resolver=resolver,
            loads=self._loads,
            serving=self._serving,
            loads_alone=self.settings.loads_alone,
            is_unavailable=is_unavailable,
        )
        if leases is not None:
            self._loads.leasing = Leasing(leases, self._worker)
            self._loads.refind = self._reader.find_again
        self._tasks: list[asyncio.Task[None]] = []

    def _make_relay(self, outbox: Outbox | None) -> Relay | None:
        if outbox is None:
            return None
        return Relay(
            self.store,
            outbox,
            max_staleness=self.settings.max_staleness,
            clock=self._worker.clock,
            rules=self.rules,
            tell=self._tell,
            beforehand=self._beforehand,
        )

    def _make_follower(self) -> Follower:
        return Follower(
            self.store,
            self._worker.log,
            self._worker.clock,
            poll=self.settings.poll,
            drain=self.relay.drain if self.relay else self._purging.publish_waiting,
            note=self._worker.note,
            tell=self._tell,
        )

    def _make_resolver(self) -> Resolver:
        return Resolver(
            self._look_ups.look,
            self._worker.log,
            relay=self.relay,
            follower=self.follower,
            latest=lambda: self._worker.latest,
            patience=self.settings.token_wait,
            rules=self.rules,
            tell=self._tell,
        )

    # ---- running ----

    async def start(self) -> None:
        """Follow the log, and publish what the outbox holds, until `close`. The store may be away.

        Raises `RuntimeError` if it runs already.
        """
        if self._tasks:
            raise RuntimeError("this cache was started already: close it first")
        for off in self.promises_off():
            log.warning("%s", off)
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self.follower.run(), name="cache: follower")]
        if self.relay is not None:
            self._tasks.append(loop.create_task(self.relay.run(), name="cache: relay"))

    async def catch_up(self, patience: float) -> bool:
        """Wait until this cache is current, up to `patience` seconds; says whether it is."""
        return await self.follower.catch_up(patience)

    async def close(self) -> None:
        """Stop following, wait for loads under way, and try once more to publish what waits.

        Loads that take longer than 10 s are cancelled.
        """
        tasks, self._tasks = self._tasks, []
        await end(tasks)
        self._worker.log.lose()
        await self._loads.close(_LAST_LOADS)
        await self._purging.close()
        if self.relay is not None:
            await self.relay.aclose()
        await self.store.aclose()

    async def __aenter__(self) -> Cache:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # ---- for the application ----

    def session(self, *tokens: str) -> Session:
        """A request's session, with the position tokens that its client echoed: header, cookies.

        A token that is malformed is ignored, and counted: it can only make reads fresher.
        """
        decoded = [Token.decode(token) for token in tokens]
        known = [token for token in decoded if token is not None]
        for _ in decoded[len(known) :]:
            self._tell(TokenIgnored("malformed"))
        return Session(self, Barrier(Token().merged(*known), self.rules))

    @contextmanager
    def activate(self, viewer: str, session: Session | None = None) -> Iterator[Session]:
        """Serve the cached functions called in this block, for this viewer.

        `viewer` is an opaque name that tells apart who may see different things: an identity with
        its rights, such as `7:STAFF`, or `anonymous`. `session` is this request's; a new one if
        not given.
        """
        session = session or self.session()
        with scoped(Scope(self, viewer, session.barrier)):
            yield session

    async def invalidate(self, tags: Iterable[str]) -> None:
        """Purge everything that depends on one of these tags, in time O(tags).

        For what is changed outside of a transaction with an outbox row; else `publish`. Call it
        after the change and before the answer. When the store is away the purge waits: in the
        outbox, whose errors are raised, or else in this process, which until then serves nothing
        from the store.
        """
        wanted = frozenset(tags)
        if wanted:
            await self._purging.invalidate(wanted, barrier_of(self))

    async def invalidate_namespace(self, name: str) -> None:
        """Purge every entry whose policy names this namespace."""
        await self.invalidate([namespace_tag(name)])

    async def publish(self, identifier: str, tags: Iterable[str]) -> None:
        """W1: publish the purge of a write that is committed with the outbox row `identifier`.

        Call it after the outermost commit and before the answer. When the store is away, the
        relays publish it later, and this request's token holds the id (W5).
        """
        await self._purging.publish(identifier, frozenset(tags), barrier_of(self))

    def before_purge(self, tag: str, work: Work) -> None:
        """Do `work` before a purge that names `tag` is published, by whomever in this process.

        It raises `StoreUnavailable` when it cannot be done now: then the purge is not published,
        and tried again. Register it before `start`, in every process that has a cache.
        """
        self._beforehand.add(tag, work)

    async def resolve(self, barrier: Barrier) -> None:
        """J5: what a barrier asks for, before anything is read for it; see `Session.repeats`."""
        if self._resolver.is_due(barrier):
            await self._resolver.resolve(barrier)

    async def new_epoch(self) -> Position:
        """Invalidate everything, in constant time. Raises `StoreUnavailable`."""
        return await self.store.renew()

    def audit(self, served: Served | None) -> None:
        """Have `served` told of every value that is served from a tier; None: nobody."""
        self._serving.audit = served

    async def get_or_load(self, call: Call) -> Any:
        """The value of a cached call: stored and valid, from a load under way, or loaded."""
        return await self._reader.read(call)

    async def watermarks(self, dependencies: Mapping[str, int]) -> Any:
        """What the state server says of these tags now: a `Look`. Raises `StoreUnavailable`."""
        return await self._look_ups.watermarks(dependencies)

    # ---- what it knows ----

    @property
    def outbox(self) -> Outbox | None:
        """Where the tags of writes are committed."""
        return self._outbox

    def promises_off(self) -> tuple[Off, ...]:
        """What it does not promise for want of a part; `start` logs it."""
        is_shared = not isinstance(self.store, MemoryStore)
        return promises_off(has_outbox=self._outbox is not None, is_shared=is_shared)

    @property
    def position(self) -> Position | None:
        """The newest head of the log that this cache was told of; None if it was told of none."""
        return self._worker.latest

    @property
    def applied(self) -> Position | None:
        """How far this cache has followed the log."""
        return self._worker.log.position

    @property
    def is_current(self) -> bool:
        """Whether this cache may judge by its log, and answer from memory, now (F2)."""
        return self._worker.is_current

    @property
    def unpublished(self) -> frozenset[str]:
        """Tags whose purge the store has not confirmed, kept by this process."""
        return self._purging.waiting

    async def reaches_store(self) -> bool:
        """Whether the store answers now."""
        try:
            await self.store.look(())
        except StoreUnavailable:
            return False
        return True
