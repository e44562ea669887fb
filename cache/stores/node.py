"""A client of one server that asks once a tick, and fails fast instead of making requests wait."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import Context, ContextVar
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, RedisError
from redis.exceptions import TimeoutError as RedisTimeout

from ..batch import TickBatcher
from ..breaker import Breaker
from ..tasks import end
from .within import within

BUDGET = 0.09
"""Seconds that an exchange may take in all: a free place in the pool, a connection, the answer.

One that takes longer opens the breaker, and half of this is what a purge insists on then: so no
request waits longer than 0.135 s, which with the time to notice is less than 0.15 s."""

Command = tuple[tuple[Any, ...], Mapping[str, Any]]
"""A command, and redis-py's options for its reply."""

_Result = TypeVar("_Result")
_insists: ContextVar[bool] = ContextVar("_insists", default=False)


class NotAskedError(RedisConnectionError):
    """The breaker is open: nothing was sent."""


@contextmanager
def insisting() -> Iterator[None]:
    """Have what is asked in the block sent though a breaker is open.

    A pause of this process can open the breaker of a server that is well. Readers load then; a
    purge that is not even tried would leave everyone else an old value.
    """
    token = _insists.set(True)
    try:
        yield
    finally:
        _insists.reset(token)


class _Asked(NamedTuple):
    commands: Sequence[Command]
    insists: bool


class GuardedRedis(Redis):
    """redis-py's client, one write for all commands of a tick, behind a circuit breaker.

    - Whatever is asked in one tick of the event loop, by whoever, leaves in one pipeline on one
      connection: `round_trips` counts these exchanges. Transactions (MULTI) go out on their own.
    - Nothing is sent twice: there are no hidden retries.
    - Only a server that cannot be reached or does not answer counts as a failure: an error that it
      sends is an answer. While the breaker is open every command raises redis-py's
      `ConnectionError` at once, and nothing is sent. The probe that closes it is nobody's request.
    """

    def __init__(
        self, pool: BlockingConnectionPool, breaker: Breaker, budget: float = BUDGET
    ) -> None:
        super().__init__(connection_pool=pool)
        self.auto_close_connection_pool = True
        self.breaker = breaker
        self.round_trips = 0
        self._budget = budget
        self._ticks: TickBatcher[_Asked, Sequence[Any]] = TickBatcher(self._exchange)
        self._probe: asyncio.Task[None] | None = None
        self._answered = 0.0
        """When the newest question that was answered began, by the loop's clock."""

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        [reply] = await self.submit([(args, options)])
        if isinstance(reply, Exception):
            raise reply
        return reply

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        return _TickPipeline(self, transaction, shard_hint)

    def submit(self, commands: Sequence[Command]) -> asyncio.Future[Sequence[Any]]:
        """The replies to these commands, errors of the server among them, sent with this tick's."""
        return self._ticks.submit(_Asked(commands, _insists.get()))

    async def transact(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """The result of an exchange of its own, under the same breaker and budget."""
        if self.breaker.is_open and not _insists.get():
            work.close()
            raise self._refusal()
        return await self._guard(work)

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        if self._probe is not None:
            await end([self._probe])
        await super().aclose(close_connection_pool)

    async def _exchange(self, asked: Sequence[_Asked]) -> Sequence[Sequence[Any]]:
        is_open = self.breaker.is_open
        sent = [one.commands for one in asked if one.insists or not is_open]
        if not sent:
            raise self._refusal()
        replies = iter(await self._send([command for commands in sent for command in commands]))
        refusal = self._refusal() if len(sent) < len(asked) else None
        return [
            [refusal] * len(one.commands)
            if is_open and not one.insists
            else list(islice(replies, len(one.commands)))
            for one in asked
        ]

    async def _send(self, commands: Sequence[Command]) -> Sequence[Any]:
        wire = Pipeline(self.connection_pool, self.response_callbacks, False, None)
        wire.command_stack.extend(commands)
        replies: Sequence[Any] = await self._guard(wire.execute(raise_on_error=False))
        if any(isinstance(reply, ReadOnlyError) for reply in replies):
            # The primary has become a replica. Behind a name or an address that follows the
            # primary, new connections lead to the new one, and the old ones never would.
            await self.connection_pool.disconnect(inuse_connections=False)
        return replies

    async def _guard(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        breaker = self.breaker
        self.round_trips += 1
        began = asyncio.get_running_loop().time()
        try:
            result = await within(self._budget / (2 if breaker.is_open else 1), work)
        except (RedisTimeout, TimeoutError) as error:
            self._failed(began, waited=True)
            raise RedisTimeout("Redis did not answer in time") from error
        except (RedisConnectionError, OSError):
            self._failed(began, waited=False)
            raise
        except RedisError:
            self._succeeded(began)  # an error that the server sends is an answer
            raise
        self._succeeded(began)
        return result

    def _succeeded(self, began: float) -> None:
        self._answered = max(self._answered, began)
        self.breaker.succeeded()

    def _failed(self, began: float, *, waited: bool) -> None:
        # What was asked later was answered: the server is there. Else the last question to a server
        # that hung would open the breaker again, just after the first answer has closed it.
        if began >= self._answered:
            self.breaker.failed(waited=waited)

    def _refusal(self) -> NotAskedError:
        is_probing = self._probe is not None and not self._probe.done()
        if not is_probing and self.breaker.allows():
            self._probe = asyncio.get_running_loop().create_task(
                self._ask_whether_it_is_there(), context=Context()
            )
        return NotAskedError("Redis did not answer a moment ago and is not asked yet")

    async def _ask_whether_it_is_there(self) -> None:
        try:
            await self._send([(("PING",), {})])
        except (RedisError, OSError):
            return  # the breaker knows


class _TickPipeline(Pipeline):
    def __init__(self, owner: GuardedRedis, transaction: bool, shard_hint: str | None) -> None:
        super().__init__(owner.connection_pool, owner.response_callbacks, transaction, shard_hint)
        self._owner = owner

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        if self.is_transaction or self.explicit_transaction:
            return await self._owner.transact(super().execute(raise_on_error))
        return await execute_queued(self, self._owner.submit, raise_on_error)


async def execute_queued(pipeline: Pipeline, submit: Any, raise_on_error: bool) -> list[Any]:
    """Send what `pipeline` holds through `submit`, as `Pipeline.execute` does by itself."""
    commands = list(pipeline.command_stack)
    await pipeline.reset()  # type: ignore[no-untyped-call]  # redis-py leaves it without types
    replies = list(await submit(commands)) if commands else []
    if raise_on_error:
        pipeline.raise_first_error(commands, replies)
        for reply in replies:  # redis-py's looks for errors of the server only
            if isinstance(reply, Exception):
                raise reply
    return replies
