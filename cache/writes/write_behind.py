"""Write-behind of commutative increments: acknowledged by Redis, applied to SQL in batches.

`add` appends the operation to a stream and adds it to the live value in one script; then it is
acknowledged. The flusher applies the stream, summed for each key, in transactions that also hold
how far they got. A live value is always SQL plus the stream's tail. docs/write-behind.md has the
rules, the interleavings that forced them, and what is lost when.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoPermissionError, OutOfMemoryError, ReadOnlyError

from ..errors import StoreUnavailable
from ..once import Once
from .flusher import Counts, Flusher
from .journal import Appended, Journal
from .live import LiveValues
from .progress import Progress
from .settings import WriteBehindSettings

logger = logging.getLogger(__name__)

LARGEST = 2**53 - 1
"""The largest amount, in either direction: scripts of Redis count in doubles."""

_NEVER_CONNECTED = (ConnectionRefusedError, FileNotFoundError)
_REFUSED = (OutOfMemoryError, ReadOnlyError, NoPermissionError)


class NotAcknowledged(StoreUnavailable):
    """An operation was not acknowledged. `sent` is False when it certainly was not executed;
    otherwise it may have been, and a repetition may count twice."""


class WriteBehind:
    """One kind of counter, such as product views: key to number.

    - `name` tells the write-behinds of one database apart: part of the Redis keys.
    - `redis`: a client of bytes *without retries*: it must not send an operation twice.
    - `prefix` of the keys tells deployments and databases apart.
    - `progress`: how a batch gets into SQL.

    Call `start` where the event loop runs, and `stop` before Redis and the database are closed.
    """

    def __init__(
        self,
        name: str,
        redis: Redis,
        prefix: str,
        progress: Progress,
        *,
        settings: WriteBehindSettings | None = None,
    ) -> None:
        self.name = name
        self.settings = settings or WriteBehindSettings()
        self.journal = Journal(name, redis, prefix, progress.fence)
        self.flusher = Flusher(self.journal, progress, self.settings)
        self._live = LiveValues(self.journal, progress, self.settings.live_ttl)
        self._task: asyncio.Task[None] | None = None

    @property
    def counts(self) -> Counts:
        """What this process has flushed."""
        return self.flusher.counts

    async def add(self, key: str, amount: int = 1, once: Once | None = None) -> Appended:
        """Add to the value of `key`; on return it is acknowledged: it is in Redis's stream.

        With `once` it is added the first time only, also when the first time's outcome is unknown.

        Raises `NotAcknowledged` when Redis does not answer or too much waits already,
        `KeyReusedError` when `once` came with other arguments, and `ValueError` for an empty key or
        an amount beyond ±(2^53 - 1).
        """
        if not key:
            raise ValueError("a key must have at least one character, got ''")
        if not -LARGEST <= amount <= LARGEST:
            raise ValueError(f"an amount must be within ±{LARGEST}, got {amount}")
        settings = self.settings
        try:
            if once is None:
                appended = await self.journal.append(key, amount, settings.live_ttl, settings.limit)
            else:
                appended = await self.journal.append_once(once, key, amount, settings)
        except StoreUnavailable as error:
            raise NotAcknowledged(str(error), sent=_may_be_executed(error)) from error
        if appended is None:
            raise NotAcknowledged(
                f"{settings.limit} operations of {self.name!r} wait for the database already: "
                "try again later",
                sent=False,
            )
        if appended.waiting >= settings.batch:
            self.flusher.wake()
        return appended

    async def read(self, keys: Sequence[str]) -> list[int]:
        """The value of each key with every acknowledged operation, in the order asked for.

        While Redis is away: SQL's values. Raises the database's errors.
        """
        return await self._live.read(keys)

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


def _may_be_executed(error: StoreUnavailable) -> bool:
    """Whether Redis may have executed the command that ended with this error."""
    if not error.sent:
        return False
    reason = error.__cause__
    if isinstance(reason, RedisConnectionError):
        # Raised by redis-py while it handles what the socket said.
        return not isinstance(reason.__context__, _NEVER_CONNECTED)
    return not isinstance(reason, _REFUSED)
