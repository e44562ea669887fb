"""Write-behind: operations that are acknowledged by Redis, and applied to SQL in batches.

`add` appends the operation to a stream and does it to the live value in one script; then it is
acknowledged. The flusher applies the stream, merged for each key, in transactions that also hold
how far they got. A live value is always SQL plus what is parked plus the stream's tail.
docs/write-behind.md has the rules, the interleavings that forced them, and what is lost when.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoPermissionError, OutOfMemoryError, ReadOnlyError

from ..errors import DeclarationError, StoreUnavailable
from ..once import Once
from .appending import Appended, Appender
from .flusher import Counts, Flusher
from .journal import Journal
from .live import LiveValues
from .progress import Progress
from .settings import WriteBehindSettings

logger = logging.getLogger(__name__)

_NEVER_CONNECTED = (ConnectionRefusedError, FileNotFoundError)
_REFUSED = (OutOfMemoryError, ReadOnlyError, NoPermissionError)


class NotAcknowledged(StoreUnavailable):
    """An operation was not acknowledged. `sent` is False when it certainly was not executed;
    otherwise it may have been, and a repetition may count twice."""


class WriteBehind:
    """One kind of operation, such as product views: records by key, of one field or several.

    - `progress`: the operation, and how a batch of it gets into SQL.
    - `redis`: a client of bytes *without retries*: it must not send an operation twice.
    - `prefix` of the keys tells deployments and databases apart.

    Call `start` where the event loop runs, and `stop` before Redis and the database are closed.
    """

    def __init__(
        self,
        progress: Progress,
        redis: Redis,
        prefix: str,
        *,
        settings: WriteBehindSettings | None = None,
    ) -> None:
        self.operation = progress.operation
        self.settings = settings or WriteBehindSettings()
        self.journal = Journal(self.name, redis, f"{prefix}:{{wb:{self.name}}}", progress.fence)
        self.flusher = Flusher(self.journal, progress, self.settings)
        self._appender = Appender(self.journal, self.operation, self.settings)
        self._live = LiveValues(self.journal, progress, self.settings.live_ttl)
        self._task: asyncio.Task[None] | None = None

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

    async def read(self, keys: Sequence[str], field: str | None = None) -> list[Any]:
        """A field's value of each key with every acknowledged operation, in the order asked for.

        While Redis is away: SQL's values. Raises the database's errors, `ValueError` for a field
        that there is not, and `DeclarationError` if the operation has no `read`.
        """
        name = self.operation.field(field)
        return [record[name] for record in await self.read_fields(keys, [name])]

    async def read_fields(
        self, keys: Sequence[str], fields: Sequence[str]
    ) -> list[Mapping[str, Any]]:
        """The same of several fields: for each key, their values by name."""
        if not self.operation.is_live:
            raise DeclarationError(
                f"the operation {self.name!r} is declared without a `read`, so that it has no live "
                "values: declare one, or read the database"
            )
        return await self._live.read(keys, [self.operation.field(name) for name in fields])

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


def may_be_executed(error: StoreUnavailable) -> bool:
    """Whether Redis may have executed the command that ended with this error."""
    if not error.sent:
        return False
    reason = error.__cause__
    if isinstance(reason, RedisConnectionError):
        # Raised by redis-py while it handles what the socket said.
        return not isinstance(reason.__context__, _NEVER_CONNECTED)
    return not isinstance(reason, _REFUSED)
