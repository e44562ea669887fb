"""Write-behind: operations that are acknowledged by Redis, and applied to SQL in batches.

`add` appends the operation to a stream and does it to the live value in one script; then it is
acknowledged. The flusher applies the stream, merged for each key, in transactions that also hold
how far they got. A live value is always SQL plus what is parked plus the stream's tail.
docs/write-behind.md has the rules, the interleavings that forced them, and what is lost when.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

from redis.asyncio import Redis

from ..errors import DeclarationError, StoreUnavailable
from ..once import Once
from .appending import Appended, Appender
from .dead_letters import DeadLetters, Letters, Past, Status
from .errors import NotAcknowledged, may_be_executed, was_not_reached
from .flusher import Counts, Flusher
from .journal import Journal
from .live import LiveValues
from .progress import Progress
from .settings import WriteBehindSettings

logger = logging.getLogger(__name__)


class Publishes(Protocol):
    """What `Cache` is to this module."""

    async def publish(self, identifier: str, tags: Iterable[str]) -> None:
        """Publish the committed row `identifier` of the outbox, now or later."""

    def before_purge(self, tag: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do `work` before a row that names `tag` counts as published."""


class WriteBehind:
    """One kind of operation, such as product views: records by key, of one field or several.

    - `progress`: the operation, and how a batch of it gets into SQL.
    - `redis`: a client of bytes *without retries*: it must not send an operation twice.
    - `prefix` of the keys tells deployments and databases apart.
    - `cache`: the one whose outbox `progress` has, for changes past the stream. Whoever publishes
      a row of it makes live values invalid that are older.

    Call `start` where the event loop runs, and `stop` before Redis and the database are closed.
    """

    def __init__(
        self,
        progress: Progress,
        redis: Redis,
        prefix: str,
        *,
        settings: WriteBehindSettings | None = None,
        cache: Publishes | None = None,
    ) -> None:
        _check(progress, cache)
        self.operation = progress.operation
        self.settings = settings or WriteBehindSettings()
        self.journal = Journal(self.name, redis, f"{prefix}:{{wb:{self.name}}}", progress.fence)
        self.flusher = Flusher(self.journal, progress, self.settings)
        self._progress = progress
        self._cache = cache
        self._appender = Appender(self.journal, self.operation, self.settings)
        self._live = LiveValues(self.journal, progress, self.settings.live_ttl)
        self._task: asyncio.Task[None] | None = None
        if cache is not None and isinstance(progress, Letters):
            cache.before_purge(self.tag, self.settle)

    @property
    def name(self) -> str:
        """The operation's."""
        return self.operation.name

    @property
    def counts(self) -> Counts:
        """What this process has flushed."""
        return self.flusher.counts

    async def add(
        self, key: str, value: Any = 1, once: Once | None = None, *, field: str | None = None
    ) -> Appended[Any]:
        """Do the operation to a field of `key` (the only one, if it has one): for a sum, add
        `value` to it. On return it is acknowledged: it is in Redis's stream.

        With `once` it is done the first time only, also when the first time's outcome is unknown.
        Without it, and if the operation is declared so, it is applied to SQL *directly* while Redis
        cannot be reached; then its id is "".

        Raises `NotAcknowledged` when Redis does not answer or too much waits already,
        `KeyReusedError` when `once` came with other arguments, and `ValueError` for a key that is
        empty or has a NUL character, a field that there is not, or a value that the rule refuses
        (an amount beyond ±(2^53 - 1)).
        """
        if not key or "\0" in key:
            raise ValueError(f"a key must have characters, and none of them NUL, got {key!r}")
        name = self.operation.field(field)
        self.operation.rule.check(value)
        try:
            appended = await self._appender.append(key, name, value, once)
        except StoreUnavailable as error:
            if once is None and self.operation.directly and was_not_reached(error):
                return await self._add_directly(key, name, value)
            raise NotAcknowledged(str(error), sent=may_be_executed(error)) from error
        if appended is None:
            raise NotAcknowledged(
                f"{self.settings.limit} operations of {self.name!r} wait for the database already: "
                "try again later",
                sent=False,
            )
        if appended.waiting >= self.settings.batch:
            self.flusher.wake()
        return appended

    async def read(
        self, keys: Sequence[str], field: str | None = None, *, anew: bool = False
    ) -> list[Any]:
        """A field's value of each key with every acknowledged operation, in the order asked for.

        While Redis is away: SQL's values. `anew` asks SQL whatever the live values say: for who
        must see a change past the stream that may not be published.

        Raises the database's errors, `ValueError` for a field that there is not, and
        `DeclarationError` if the operation has no `read`.
        """
        name = self.operation.field(field)
        return [record[name] for record in await self.read_fields(keys, [name], anew=anew)]

    async def read_fields(
        self, keys: Sequence[str], fields: Sequence[str], *, anew: bool = False
    ) -> list[Mapping[str, Any]]:
        """The same of several fields: for each key, their values by name."""
        if not self.operation.is_live:
            raise DeclarationError(
                f"the operation {self.name!r} is declared without a `read`, so that it has no live "
                "values: declare one, or read the database"
            )
        names = [self.operation.field(name) for name in fields]
        if anew:
            found = await self._live.read_anew(keys)
            return [{name: record[name] for name in names} for record in found]
        return await self._live.read(keys, names)

    # ---- past the stream ----

    @property
    def tag(self) -> str:
        """What outbox rows name whose changes make the live values invalid."""
        return f"write-behind:{self.name}"

    @asynccontextmanager
    async def past_the_stream(self) -> AsyncIterator[Any]:
        """A transaction, whose connection is given, to change by other means what is read here: to
        remove a record, to correct a value. Live values are rebuilt after it.

        It holds the progress from its start, so flushes wait for it: keep it short. Raises
        `StoreUnavailable` when it is committed, but Redis could not be told and there is no
        outbox to do it later.
        """
        async with self._letters.past([self.tag]) as past:
            yield past.connection
        await self._tell(past)

    async def settle(self) -> None:
        """Make live values invalid that are older than a change past the stream: before the row
        of the outbox that tells of it counts as published. Raises `StoreUnavailable`."""
        try:
            await self._settle((await self._letters.applied()).revision)
        except StoreUnavailable:
            raise
        except Exception as error:
            raise StoreUnavailable(f"SQL cannot be asked: {error}", sent=False) from error

    async def _settle(self, revision: int) -> None:
        known = await self.journal.raise_revision(revision)
        if known > revision and (await self._letters.applied()).revision < known:
            # Redis heard of a later one before SQL was asked: SQL has gone back, to a copy.
            await self._progress.raise_revision(known)
            await self.journal.raise_revision((await self._letters.applied()).revision)

    async def status(self) -> Status:
        """How far SQL is, and who flushes; `journal.peek` says what waits."""
        return await self._letters.status()

    @property
    def dead_letters(self) -> DeadLetters:
        """The operations that SQL refused."""
        return DeadLetters(self._letters, self.tag, self._tell)

    @property
    def _letters(self) -> Letters:
        if isinstance(self._progress, Letters):
            return self._progress
        raise TypeError(
            f"expected a progress that keeps dead letters and changes past the stream, such as "
            f"TortoiseProgress, got {type(self._progress).__name__}"
        )

    async def _tell(self, past: Past) -> None:
        if past.outbox is not None and self._cache is not None:
            await self._cache.publish(past.outbox, [self.tag])
            return
        try:
            await self._settle(past.revision)
        except StoreUnavailable:
            if past.outbox is None:
                raise

    async def _add_directly(self, key: str, field: str, value: Any) -> Appended[Any]:
        changes = {key: {field: value}}
        committing = False
        try:
            async with self._letters.past([self.tag]) as past:
                dropped = await self.operation.apply(past.connection, changes)
                committing = True
        except Exception as error:
            # Only what fails at its commit may have been committed.
            raise NotAcknowledged(
                f"neither Redis nor SQL took the operation on {key!r}: {error}", sent=committing
            ) from error
        self.counts.direct += 1
        self.counts.dropped += len(dropped)
        await self._tell(past)
        return Appended("", self.journal.waiting)

    # ---- running ----

    def start(self) -> None:
        """Start flushing in the background. Raises `RuntimeError` if it runs already."""
        if self._task is not None:
            raise RuntimeError(f"the flusher of {self.name!r} runs already: stop it first")
        self._task = asyncio.create_task(self.flusher.run(), name=f"write-behind {self.name}")

    async def stop(self, deadline: float) -> None:
        """Flush what waits and stop, at most `deadline` seconds from now.

        What is left then stays in Redis's log, and is flushed by another worker or after the next
        start. Call it when nothing calls `add` any more.
        """
        if self._task is None:
            return
        task, self._task = self._task, None
        self.flusher.finish()
        try:
            await asyncio.wait_for(task, deadline)
        except TimeoutError:
            logger.warning(
                "write-behind %r: the stream was not empty %s s after the stop; the rest stays in "
                "Redis until a flusher runs again",
                self.name, deadline,
            )  # fmt: skip


def _check(progress: Progress, cache: Publishes | None) -> None:
    operation = progress.operation
    tells = cache is not None and isinstance(progress, Letters) and progress.has_outbox
    if operation.directly and not tells:
        raise DeclarationError(
            f"the operation {operation.name!r} is to be applied directly while Redis is away: that "
            "needs a `cache`, and a progress with its outbox, or nobody would learn of it"
        )
