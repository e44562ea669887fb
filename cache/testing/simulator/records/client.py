"""A worker's way to the state server: redis-py's two calls for scripts, each a step."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeout

from ....stores.connection import NotAskedError
from ....writes import scripts
from .server import RecordServer

if TYPE_CHECKING:
    from .worker import RecordWorker
    from .world import RecordWorld

_NAMES = {
    getattr(scripts, name).digest: name.lower()
    for name in ("APPEND", "RECONCILE", "PEEK", "PENDING", "TRIM", "RAISE", "LIVE", "INSTALL")
}
_NAMES[scripts.COMPUTE.digest] = "compute"


class SimulatedRedis:
    """What a journal asks of redis-py."""

    def __init__(self, worker: RecordWorker, world: RecordWorld) -> None:
        self._worker = worker
        self._owner = worker.owner
        self._world = world

    async def evalsha(self, digest: str, count: int, *said: Any) -> Any:
        """Run a script that the server knows."""
        keys, arguments = list(said[:count]), list(said[count:])
        rules = self._world.scenario.rules
        if digest == scripts.INSTALL.digest and not rules.tail_inside:
            return await self._install_apart(keys, arguments)
        if digest == scripts.APPEND.digest and not rules.atomic_append:
            return await self._append_apart(keys, arguments)
        return await self._ask(_NAMES[digest], lambda it: it.run(digest, keys, arguments))

    async def eval(self, source: str, count: int, *said: Any) -> Any:
        """Run a script by its source."""
        digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
        keys, arguments = list(said[:count]), list(said[count:])

        def run(server: RecordServer) -> Any:
            server.learn(digest)
            return server.run(digest, keys, arguments)

        return await self._ask(_NAMES[digest], run)

    async def _ask(self, what: str, action: Callable[[RecordServer], Any]) -> Any:
        def step() -> Any:
            world = self._world
            if self._worker.is_cut or world.is_down:
                raise NotAskedError("nothing was sent")
            reply = action(world.server)
            is_said = isinstance(reply, list)
            self._worker.closed += is_said and reply[0] == b"closed"
            self._worker.refusals += is_said and reply[0] in (b"trimmed", b"outdated")
            return reply

        try:
            return await self._world.gates.call(self._owner, "state", f"runs {what}", step)
        except (RedisConnectionError, RedisTimeout) as error:
            self._worker.failures += 1
            if not self._world.scenario.rules.only_unsent:
                raise NotAskedError("whatever was sent") from error
            raise

    # ---- without a rule ----

    async def _install_apart(self, keys: Sequence[str], arguments: list[Any]) -> Any:
        """The tails first, and in another step they are stored."""
        digest = scripts.INSTALL.digest
        looked = ["0", *arguments[1:]]
        reply = await self._ask("install", lambda it: it.run(digest, keys, looked))
        if reply[0] == b"ok":
            await self._ask("stores", lambda it: it.store_apart(keys, arguments, reply[1]))
        return reply

    async def _append_apart(self, keys: list[str], arguments: list[Any]) -> Any:
        """The stream first, and in another step the live value."""
        digest, elsewhere = scripts.APPEND.digest, [*keys]
        elsewhere[2] = "nowhere"
        reply = await self._ask("append", lambda it: it.run(digest, elsewhere, arguments))
        if reply[0] == b"ok":
            await self._ask("adds to the live value", lambda it: it.add_apart(keys, arguments))
        return reply
