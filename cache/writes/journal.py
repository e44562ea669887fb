"""The Redis side of a write-behind: its keys, its scripts, and who opens its stream."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from ..errors import StoreUnavailable
from ..once import Once
from ..stores.script import Argument, Script
from . import scripts
from .operation import Entry
from .progress import START, Applied

logger = logging.getLogger(__name__)

_ATTEMPTS = 5
"""How often a script is sent again because the stream was not open: each restart needs one."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many operations wait, and the age of the oldest in seconds (by Redis's clock)."""

    operations: int
    age: float


@dataclass(frozen=True, slots=True)
class Pending:
    """Operations that SQL lacks, up to `applied`, in order; `trimmed_to` is lost."""

    applied: Applied
    trimmed_to: str
    entries: Sequence[Entry]


class Journal:
    """The stream `name`, its meta hash, and the keys beside them.

    All keys begin with `slot`, which holds a hash tag in braces: they share a hash slot. Every
    script refuses until the stream is *open* in the present incarnation of the server; whoever
    meets that opens it: SQL is fenced and read (`fence`), and a script brings the stream in line
    with it. Raises `StoreUnavailable` for everything that Redis can do wrong.

    Whoever appends with a script of their own (`scripts.script`) writes entries of the fields
    `k`, `n`, `f` in this order: key, payload and field. Nobody here looks into payloads, but the
    scripts of live values.
    """

    def __init__(
        self, name: str, redis: Redis, slot: str, fence: Callable[[], Awaitable[Applied]]
    ) -> None:
        self.name = name
        self._redis = redis
        self._slot = slot
        self._fence = fence
        self._opening = asyncio.Lock()
        self._opened = 0
        self._newest = START
        self._waiting = 0

    @property
    def stream(self) -> str:
        """The key of the stream."""
        return f"{self._slot}:stream"

    @property
    def meta(self) -> str:
        """The key of the meta hash."""
        return f"{self._slot}:meta"

    def live(self, key: str) -> str:
        """The key of the live hash of `key`."""
        return f"{self._slot}:live:{key}"

    def once(self, once: Once) -> str:
        """The key of what is kept of an idempotency key."""
        return f"{self._slot}:once:{once.key}"

    def saw(self, identifier: str, waiting: int) -> None:
        """An operation with this id was acknowledged here, and so many waited then."""
        self._newest, self._waiting = identifier, waiting

    @property
    def waiting(self) -> int:
        """How many operations waited when this process last heard of it."""
        return self._waiting

    # ---- for the flusher ----

    async def peek(self) -> Waiting:
        """What waits."""
        _, operations, since, now = await self.run(scripts.PEEK, [], [])
        self._waiting = operations
        return Waiting(operations, (int(now) - int(since)) / 1000 if since else 0.0)

    async def pending(self, applied: Applied, count: int) -> Pending:
        """At most `count` operations after `applied`, or from the start in another epoch."""
        arguments: list[Argument] = [applied.epoch, applied.last_id, count]
        _, epoch, trimmed_to, found = await self.run(scripts.PENDING, [], arguments)
        same = epoch.decode() == applied.epoch
        last = found[-1][0].decode() if found else applied.last_id if same else START
        reached = Applied(epoch.decode(), last, applied.revision)
        return Pending(reached, trimmed_to.decode(), [_entry(*each) for each in found])

    async def trim(self, applied: Applied) -> int:
        """Remove what is committed; returns how many operations that were."""
        time, _, number = applied.last_id.partition("-")
        after = f"{time}-{int(number) + 1}"
        arguments: list[Argument] = [applied.epoch, applied.last_id, after, applied.revision]
        return int(await scripts.TRIM.run(self._redis, [self.stream, self.meta], arguments))

    # ---- for whoever changes SQL past the stream ----

    async def raise_revision(self, revision: int) -> int:
        """SQL was changed past the stream, committed as `revision`: live values are rebuilt.

        Returns the largest one that Redis has heard of.
        """
        keys = [self.stream, self.meta]
        return int(await scripts.RAISE.run(self._redis, keys, [revision]))

    # ---- opening the stream ----

    async def run(
        self, script: Script, keys: Sequence[str], arguments: Sequence[Argument]
    ) -> list[Any]:
        """The reply of a script that gets the stream, the meta hash and these keys."""
        for _ in range(_ATTEMPTS):
            opened = self._opened
            reply: list[Any] = await script.run(
                self._redis, [self.stream, self.meta, *keys], arguments
            )
            if reply[0] != b"closed":
                return reply
            async with self._opening:
                if self._opened == opened:  # else somebody here has done it in the meantime
                    await self._open(reply[1].decode())
        raise StoreUnavailable(
            f"the stream of {self.name!r} could not be opened in {_ATTEMPTS} attempts: Redis "
            "lost it, or restarted, each time",
            sent=False,
        )

    async def _open(self, incarnation: str) -> None:
        # After the incarnation is known, not before: a batch that was read from an earlier one
        # must not be committed once this one gives out ids.
        try:
            applied = await self._fence()
        except Exception as error:
            raise StoreUnavailable(
                f"the stream of {self.name!r} cannot be opened while SQL is away", sent=False
            ) from error
        arguments: list[Argument] = [incarnation, applied.epoch, applied.last_id]
        arguments += [secrets.token_hex(16), applied.revision]
        reply = await scripts.RECONCILE.run(self._redis, [self.stream, self.meta], arguments)
        if reply[0] != b"closed":
            self._opened += 1
            self._report(reply[0].decode(), reply[2].decode(), applied)

    def _report(self, outcome: str, last: str, applied: Applied) -> None:
        if outcome == "lost":
            logger.warning(
                "write-behind %r: Redis no longer has the stream %s. What was acknowledged after "
                "%s and not yet flushed is lost: %s",
                self.name, applied.epoch, applied.last_id, self._extent(),
            )  # fmt: skip
        elif outcome == "rolled-back":
            logger.warning(
                "write-behind %r: Redis came back with an older state, its stream ends at %s and "
                "SQL has applied up to %s. Ids go on from there. What was acknowledged after %s "
                "and not yet flushed is lost: %s",
                self.name, last, applied.last_id, applied.last_id, self._extent(),
            )  # fmt: skip
        elif outcome in ("kept", "known") and is_before(last, self._newest):
            logger.warning(
                "write-behind %r: Redis came back with an older state, its stream ends at %s, but "
                "this process had %s acknowledged. What is between them and not yet flushed is "
                "lost: %s",
                self.name, last, self._newest, self._extent(),
            )  # fmt: skip
        self._newest, self._waiting = START, 0

    def _extent(self) -> str:
        if self._newest == START and not self._waiting:
            return "this process has seen none of it"
        newest = "" if self._newest == START else f", the newest of its own {self._newest}"
        return f"this process last saw {self._waiting} operations waiting{newest}"


def is_before(one: str, other: str) -> bool:
    """Whether the stream id `one` is smaller than `other`."""
    return _pair(one) < _pair(other)


def _pair(stream_id: str) -> tuple[int, int]:
    time, _, number = stream_id.partition("-")
    return int(time), int(number)


def _entry(identifier: bytes, said: Sequence[bytes]) -> Entry:
    field = said[5].decode() if len(said) > 5 else "value"
    return Entry(identifier.decode(), said[1].decode(), field, said[3].decode())
