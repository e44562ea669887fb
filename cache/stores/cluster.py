"""A client of a Redis Cluster: all that is asked in a tick is one round trip for each node."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline, PubSub
from redis.exceptions import AskError, ClusterDownError, MovedError, TryAgainError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeout

from .node import Command, GuardedRedis, execute_queued
from .slots import Address, key_of, slot_of
from .topology import Topology

_MOST_HOPS = 5
"""Times that one command is sent on, or again."""

_PAUSE = 0.005
"""Seconds before a command is sent again whose keys are just being moved, one by one."""

_NOT_SERVED = ClusterDownError("no node of the cluster serves the slot of this key")
_AWAY = (RedisConnectionError, RedisTimeout, ClusterDownError)


@dataclass(frozen=True, slots=True)
class _Sent:
    """A command on its way: its place among those asked for, and where it goes."""

    index: int
    command: Command
    address: Address
    asking: bool = False

    @property
    def wire(self) -> Sequence[Command]:
        return [(("ASKING",), {}), self.command] if self.asking else [self.command]


class GuardedCluster(Redis):
    """redis-py's commands for a cluster, through a `GuardedRedis` for each node.

    - A tick's commands are grouped by the node of their (first) key; the nodes are asked at the
      same time, one pipeline each. `mget` may cross slots: it is a GET for each key.
    - A node that is away fails its own commands only: their replies are errors, and `mget` has
      None. Each node has a breaker of its own.
    - Redirections (MOVED, ASK, TRYAGAIN) are followed: what is redirected was not executed.
    - Pub/sub works on any node: a cluster carries messages to all of them.
    """

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        super().__init__(connection_pool=topology.node(topology.any()).connection_pool)

    @property
    def round_trips(self) -> int:
        """Exchanges with nodes."""
        return sum(node.round_trips for node in self._topology.nodes)

    # ---- redis-py's ways of asking ----

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        [reply] = await self.exchange([(args, options)])
        if isinstance(reply, Exception):
            raise reply
        return reply

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        return _ClusterPipeline(self, transaction, shard_hint)

    def pubsub(self, **options: Any) -> PubSub:
        return PubSub(self._topology.node(self._topology.any()).connection_pool, **options)

    async def mget(self, keys: Any, *args: Any) -> list[bytes | None]:  # type: ignore[override]
        """The values of these keys; None also for those whose node is away."""
        wanted = [*([keys] if isinstance(keys, str | bytes) else keys), *args]
        replies = await self.exchange([(("GET", key), {}) for key in wanted])
        return [None if isinstance(reply, Exception) else reply for reply in replies]

    async def primary_of(self, key: str) -> GuardedRedis:
        """The client of the node that serves a key. Raises redis-py's errors."""
        await self._topology.known()
        return self._topology.node(self._topology.owner(slot_of(key)))

    def doubt(self) -> None:
        """Something went wrong that another table of slots would explain: have it asked for."""
        self._topology.refresh()

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        await self._topology.aclose()

    # ---- asking ----

    async def exchange(self, commands: Sequence[Command]) -> Sequence[Any]:
        """The replies to these commands; errors, of servers and of the network, among them."""
        await self._topology.known()
        replies: dict[int, Any] = {}
        going = [sent for index, one in enumerate(commands) for sent in self._route(index, one)]
        for hop in range(_MOST_HOPS):
            told = await self._send(going)
            replies |= {sent.index: reply for sent, reply in told}
            going = [again for sent, reply in told for again in self._again(sent, reply)]
            if not going:
                break
            if any(isinstance(replies[sent.index], TryAgainError) for sent in going):
                await asyncio.sleep(_PAUSE * (hop + 1))
        return [replies.get(index, _NOT_SERVED) for index in range(len(commands))]

    def _route(self, index: int, command: Command) -> Sequence[_Sent]:
        key = key_of(command[0])
        try:
            to = self._topology.any() if key is None else self._topology.owner(slot_of(key))
        except ClusterDownError:
            return []
        return [_Sent(index, command, to)]

    async def _send(self, going: Sequence[_Sent]) -> Sequence[tuple[_Sent, Any]]:
        groups: dict[Address, list[_Sent]] = {}
        for sent in going:
            groups.setdefault(sent.address, []).append(sent)
        asked = [
            self._topology.node(address).submit([wire for sent in group for wire in sent.wire])
            for address, group in groups.items()
        ]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        return [
            told
            for group, answer in zip(groups.values(), answers, strict=True)
            for told in _told(group, answer)
        ]

    def _again(self, sent: _Sent, reply: Any) -> Sequence[_Sent]:
        """Where a command is to be sent next; nowhere, if the reply is final."""
        if isinstance(reply, AskError):  # redis-py's MovedError is one too
            address = Address(reply.host or sent.address.host, reply.port)
            is_moved = isinstance(reply, MovedError)
            if is_moved:
                self._topology.move(reply.slot_id, address)
            return [replace(sent, address=address, asking=not is_moved)]
        if isinstance(reply, _AWAY):
            self._topology.refresh()
        return [sent] if isinstance(reply, TryAgainError) else []


class _ClusterPipeline(Pipeline):
    def __init__(self, owner: GuardedCluster, transaction: bool, shard_hint: str | None) -> None:
        super().__init__(owner.connection_pool, owner.response_callbacks, transaction, shard_hint)
        self._owner = owner

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        if not (self.is_transaction or self.explicit_transaction):
            return await execute_queued(self, self._owner.exchange, raise_on_error)
        # All of it goes to one node, which refuses keys that are not its own.
        key = next((key_of(args) for args, _ in self.command_stack), "")
        whole = (await self._owner.primary_of(str(key))).pipeline(transaction=True)
        whole.command_stack.extend(self.command_stack)
        await self.reset()  # type: ignore[no-untyped-call]  # redis-py leaves it without types
        return await whole.execute(raise_on_error)


async def primary_of(redis: Redis, key: str) -> Redis:
    """The client of the one server that serves `key`. Raises redis-py's errors."""
    return await redis.primary_of(key) if isinstance(redis, GuardedCluster) else redis


def _told(group: Sequence[_Sent], answer: Any) -> list[tuple[_Sent, Any]]:
    if isinstance(answer, BaseException):
        error = answer if isinstance(answer, Exception) else RedisConnectionError("was closed")
        return [(sent, error) for sent in group]
    replies = iter(answer)
    return [(sent, [next(replies) for _ in sent.wire][-1]) for sent in group]
