"""The Redis side of a write-behind: its keys, its scripts, and who opens its stream."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError

from ..errors import StoreUnavailable
from ..once import KeyReusedError, Once
from ..stores.script import Argument, Script
from .progress import START, Applied, Snapshot
from .settings import WriteBehindSettings

logger = logging.getLogger(__name__)

_ATTEMPTS = 5
"""How often a script is sent again because the stream was not open: each restart needs one."""


def _script(access: str, name: str) -> Script:
    files = (f"lua/{access}.lua", "lua/common.lua", f"lua/{name}.lua")
    return Script.read(__package__ or __name__.rpartition(".")[0], *files)


_APPEND = _script("writes", "append")
_RECONCILE = _script("writes", "reconcile")
_PEEK = _script("reads", "peek")
_PENDING = _script("reads", "pending")
_TRIM = _script("frees", "trim")  # allowed when Redis is full: it makes room
_LIVE = _script("reads", "live")
_INSTALL = _script("writes", "rebuild")
_COMPUTE = _script("reads", "rebuild")  # the same, but it stores nothing: works when Redis is full


@dataclass(frozen=True, slots=True)
class Appended:
    """An acknowledged operation: its id, how many wait, and the live value if there is one."""

    id: str
    waiting: int
    value: int | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many operations wait, and the age of the oldest in seconds (by Redis's clock)."""

    operations: int
    age: float


@dataclass(frozen=True, slots=True)
class Pending:
    """Operations (key, amount) that SQL lacks, up to `applied`, in order; `trimmed_to` is lost."""

    applied: Applied
    trimmed_to: str
    operations: Sequence[tuple[str, int]]


class Journal:
    """The stream, its meta hash and the live hashes of the write-behind `name`.

    All keys share a hash slot. Every script refuses until the stream is *open* in the present
    incarnation of the server; whoever meets that opens it: SQL is fenced and read (`fence`), and
    a script brings the stream in line with it. Raises `StoreUnavailable` for everything that
    Redis can do wrong.
    """

    def __init__(
        self, name: str, redis: Redis, prefix: str, fence: Callable[[], Awaitable[Applied]]
    ) -> None:
        self.name = name
        self._redis = redis
        self._slot = f"{prefix}:{{wb:{name}}}"
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

    # ---- for everybody ----

    async def append(self, key: str, amount: int, life: float, limit: int) -> Appended | None:
        """Append one operation; None if `limit` operations wait already."""
        return self._appended(
            await self._run(_APPEND, [self.live(key)], [key, amount, _ms(life), limit])
        )

    async def append_once(
        self, once: Once, key: str, amount: int, settings: WriteBehindSettings
    ) -> Appended | None:
        """The same, the first time only; again it returns the first one's id.

        Raises `KeyReusedError` where that was another operation.
        """
        keys = [self.live(key), self.once(once)]
        arguments: list[Argument] = [key, amount, _ms(settings.live_ttl), settings.limit]
        arguments += [once.arguments, _ms(settings.once_ttl)]
        return self._appended(await self._run(_APPEND, keys, arguments))

    def _appended(self, reply: list[Any]) -> Appended | None:
        if reply[0] == b"full":
            return None
        if reply[0] == b"reused":
            raise KeyReusedError("this idempotency key was used for another operation")
        if reply[0] == b"again":
            return Appended(reply[1].decode(), self._waiting, None)
        self._newest, self._waiting = reply[1].decode(), reply[2]
        return Appended(self._newest, self._waiting, None if reply[3] is None else int(reply[3]))

    async def values(self, keys: Sequence[str]) -> dict[str, int | None]:
        """The live value of each key; None where it must be rebuilt."""
        _, values = await self._run(_LIVE, [self.live(key) for key in keys], [])
        return {
            key: None if value is None else int(value)
            for key, value in zip(keys, values, strict=True)
        }

    async def rebuild(self, snapshot: Snapshot, life: float) -> tuple[Mapping[str, int], bool]:
        """The true values of the snapshot's keys at this moment, stored as live values.

        The flag is False, and nothing is stored, where the stream was trimmed past the snapshot:
        then the values lack what was trimmed, and a newer snapshot is needed.
        """
        keys = [self.live(key) for key in snapshot.values]
        applied = snapshot.applied
        arguments: list[Argument] = ["1", applied.epoch, applied.last_id, _ms(life)]
        for key, value in snapshot.values.items():
            arguments += [key, value]
        try:
            status, sums = await self._run(_INSTALL, keys, arguments)
        except StoreUnavailable as error:
            if not isinstance(error.__cause__, OutOfMemoryError):
                raise
            arguments[0] = "0"
            status, sums = await self._run(_COMPUTE, keys, arguments)
        tails = zip(snapshot.values.items(), sums, strict=True)
        return {key: value + int(tail) for (key, value), tail in tails}, status == b"ok"

    # ---- for the flusher ----

    async def peek(self) -> Waiting:
        """What waits."""
        _, operations, since, now = await self._run(_PEEK, [], [])
        self._waiting = operations
        return Waiting(operations, (int(now) - int(since)) / 1000 if since else 0.0)

    async def pending(self, applied: Applied, count: int) -> Pending:
        """At most `count` operations after `applied`, or from the start in another epoch."""
        arguments: list[Argument] = [applied.epoch, applied.last_id, count]
        _, epoch, trimmed_to, entries = await self._run(_PENDING, [], arguments)
        same = epoch.decode() == applied.epoch
        last = entries[-1][0].decode() if entries else applied.last_id if same else START
        operations = [(fields[1].decode(), int(fields[3])) for _, fields in entries]
        return Pending(Applied(epoch.decode(), last), trimmed_to.decode(), operations)

    async def trim(self, applied: Applied) -> int:
        """Remove what is committed; returns how many operations that were."""
        time, _, number = applied.last_id.partition("-")
        arguments = [applied.epoch, applied.last_id, f"{time}-{int(number) + 1}"]
        return int(await _TRIM.run(self._redis, [self.stream, self.meta], arguments))

    # ---- opening the stream ----

    async def _run(
        self, script: Script, keys: Sequence[str], arguments: Sequence[Argument]
    ) -> list[Any]:
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
        arguments = [incarnation, applied.epoch, applied.last_id, secrets.token_hex(16)]
        reply = await _RECONCILE.run(self._redis, [self.stream, self.meta], arguments)
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


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
