"""A Redis client that fails fast, instead of making each request wait."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeout

from ..breaker import Breaker

BUDGET = 0.1
"""Seconds that one command, a connection, or a free place in the pool may take."""


class GuardedRedis(Redis):
    """redis-py's client behind a circuit breaker, without hidden retries.

    Only a server that cannot be reached or does not answer counts as a failure: an error that it
    sends is an answer. While the breaker is open every command raises redis-py's
    `ConnectionError` at once, and nothing is sent.
    """

    breaker: Breaker

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        with guarded(self.breaker):
            # redis-py leaves this one method without types.
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        pipeline = _GuardedPipeline(
            self.connection_pool, self.response_callbacks, transaction, shard_hint
        )
        pipeline.breaker = self.breaker
        return pipeline


class _GuardedPipeline(Pipeline):
    breaker: Breaker

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        with guarded(self.breaker):
            return await super().execute(raise_on_error)


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
    client = GuardedRedis(connection_pool=pool)
    client.auto_close_connection_pool = True
    client.breaker = breaker or Breaker()
    return client


@contextmanager
def guarded(breaker: Breaker) -> Iterator[None]:
    """Refuse while the breaker is open, and tell it how the block ended."""
    if not breaker.allows():
        raise RedisConnectionError("Redis did not answer a moment ago and is not asked yet")
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
