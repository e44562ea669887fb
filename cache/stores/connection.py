"""A Redis client that asks once a tick, and fails fast instead of making each request wait."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeout

from ..batch import TickBatcher
from ..breaker import Breaker

BUDGET = 0.1
"""Seconds that one command, a connection, or a free place in the pool may take."""


class NotAskedError(RedisConnectionError):
    """The breaker is open: nothing was sent."""


_Queued = tuple[tuple[Any, ...], Mapping[str, Any]]
"""A command, and redis-py's options for its reply."""


class GuardedRedis(Redis):
    """redis-py's client, one write for all commands of a tick, behind a circuit breaker.

    - Whatever is asked in one tick of the event loop, by whoever, leaves in one pipeline on one
      connection: `round_trips` counts these exchanges. Transactions (MULTI) go out on their own.
    - Nothing is sent twice: there are no hidden retries.
    - Only a server that cannot be reached or does not answer counts as a failure: an error that it
      sends is an answer. While the breaker is open every command raises redis-py's
      `ConnectionError` at once, and nothing is sent.
    """

    def __init__(self, pool: BlockingConnectionPool, breaker: Breaker) -> None:
        super().__init__(connection_pool=pool)
        self.auto_close_connection_pool = True
        self.breaker = breaker
        self.round_trips = 0
        self._ticks: TickBatcher[Sequence[_Queued], Sequence[Any]] = TickBatcher(self._exchange)

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        [reply] = await self.exchange([(args, options)])
        if isinstance(reply, Exception):
            raise reply
        return reply

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        pipeline = _TickPipeline(
            self.connection_pool, self.response_callbacks, transaction, shard_hint
        )
        pipeline.owner = self
        return pipeline

    async def exchange(self, commands: Sequence[_Queued]) -> Sequence[Any]:
        """The replies to these commands, errors of the server among them, sent with this tick's."""
        return await self._ticks.submit(commands)

    async def _exchange(self, asked: Sequence[Sequence[_Queued]]) -> Sequence[Sequence[Any]]:
        with guarded(self.breaker):
            self.round_trips += 1
            wire = Pipeline(self.connection_pool, self.response_callbacks, False, None)
            wire.command_stack.extend(command for commands in asked for command in commands)
            replies = iter(await wire.execute(raise_on_error=False))
        return [list(islice(replies, len(commands))) for commands in asked]


class _TickPipeline(Pipeline):
    owner: GuardedRedis

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        if self.is_transaction or self.explicit_transaction:
            with guarded(self.owner.breaker):
                self.owner.round_trips += 1
                return await super().execute(raise_on_error)
        commands = list(self.command_stack)
        await self.reset()  # type: ignore[no-untyped-call]  # redis-py leaves it without types
        replies = list(await self.owner.exchange(commands)) if commands else []
        if raise_on_error:
            self.raise_first_error(commands, replies)
        return replies


def open_redis(
    url: str, *, connections: int = 32, budget: float = BUDGET, breaker: Breaker | None = None
) -> GuardedRedis:
    """A client with a bounded pool for `url` (`redis://`, `rediss://` or `unix://`).

    `connections` is the pool's size: whoever finds none free waits for one, at most `budget`
    seconds. Nothing is sent before the first command. Raises `ValueError` for other URLs.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=connections,
        timeout=budget,
        socket_timeout=budget,
        socket_connect_timeout=budget,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
    )
    return GuardedRedis(pool, breaker or Breaker())


@contextmanager
def guarded(breaker: Breaker) -> Iterator[None]:
    """Refuse while the breaker is open, and tell it how the block ended."""
    if not breaker.allows():
        raise NotAskedError("Redis did not answer a moment ago and is not asked yet")
    try:
        yield
    except (RedisConnectionError, RedisTimeout, OSError, TimeoutError):
        breaker.failed()
        raise
    except RedisError:
        breaker.succeeded()  # an error that the server sends is an answer
        raise
    else:
        breaker.succeeded()
