"""What a client knows of a cluster: a client for each node, and which of them serves which slot."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextvars import Context

from redis.exceptions import ClusterDownError, RedisError

from ..tasks import end
from .node import GuardedRedis, NotAskedError
from .slots import Address, SlotTable

_PAUSE = 0.1
"""Seconds between two questions for the slots."""

_MOST_ASKED = 3
"""Nodes that are asked for the slots at once; the first answer is taken."""


class Topology:
    """The nodes of one cluster. `seeds` are some of them: one that answers is enough.

    The slots are asked for before the first command, and again, in the background, whenever
    something went wrong that another table would explain.
    """

    def __init__(
        self, seeds: Sequence[Address], open_node: Callable[[Address], GuardedRedis]
    ) -> None:
        self._seeds = tuple(seeds)
        self._open_node = open_node
        self._nodes: dict[Address, GuardedRedis] = {}
        self._retired: list[GuardedRedis] = []
        self._table: SlotTable | None = None
        self._has_failed = False
        self._asking: asyncio.Task[None] | None = None
        self._next = 0.0

    @property
    def nodes(self) -> Sequence[GuardedRedis]:
        """Every client that is open."""
        return [*self._nodes.values(), *self._retired]

    def node(self, address: Address) -> GuardedRedis:
        """The client of a node."""
        if address not in self._nodes:
            self._nodes[address] = self._open_node(address)
        return self._nodes[address]

    def any(self) -> Address:
        """A primary, if one is known; one that answers, as far as is known."""
        return self._by_health(self._table.primaries if self._table else self._seeds)[0]

    def owner(self, slot: int) -> Address:
        """The primary of a slot. Raises `ClusterDownError` where there is none."""
        owner = None if self._table is None else self._table.owner(slot)
        if owner is None:
            self.refresh()
            raise ClusterDownError(f"no node of the cluster serves the slot {slot}")
        return owner

    def move(self, slot: int, owner: Address) -> None:
        """A node has said where this slot is now; others may have moved with it."""
        if self._table is not None:
            self._table.move(slot, owner)
        self.refresh()

    async def known(self) -> None:
        """Return when the slots are known. Raises `NotAskedError` where no node tells them.

        Whoever comes first waits, no longer than one exchange takes. Once that has failed nobody
        does.
        """
        if self._table is None:
            self.refresh()
            if not self._has_failed and self._asking is not None:
                await asyncio.wait({self._asking})
        if self._table is None:
            raise NotAskedError("no node of the cluster has told yet which slots it serves")

    def refresh(self) -> None:
        """Have the slots asked for again, unless that was a moment ago."""
        loop = asyncio.get_running_loop()
        is_running = self._asking is not None and not self._asking.done()
        if not is_running and loop.time() >= self._next:
            self._next = loop.time() + _PAUSE
            self._asking = loop.create_task(self._ask(), context=Context())

    async def aclose(self) -> None:
        if self._asking is not None:
            await end([self._asking])
        for node in self.nodes:
            await node.aclose()

    def _by_health(self, addresses: Sequence[Address] | frozenset[Address]) -> list[Address]:
        # In a random order: else every worker would ask the same node.
        shuffled = random.sample(list(addresses), len(addresses))
        return sorted(shuffled, key=self._is_away)

    def _is_away(self, address: Address) -> bool:
        return address in self._nodes and self._nodes[address].breaker.is_open

    async def _ask(self) -> None:
        known = self._table.nodes if self._table else frozenset()
        candidates = self._by_health(known.union(self._seeds))[:_MOST_ASKED]
        asking = [asyncio.ensure_future(self._slots_of(address)) for address in candidates]
        try:
            for answer in asyncio.as_completed(asking):
                if (table := await answer) is not None:
                    await self._use(table)
                    return
            self._has_failed = True
        finally:
            for task in asking:
                task.cancel()

    async def _slots_of(self, address: Address) -> SlotTable | None:
        try:
            [told] = await self.node(address).submit([(("CLUSTER", "SLOTS"), {})])
        except (RedisError, OSError):
            return None
        if isinstance(told, Exception) or not told:
            return None
        return SlotTable.parse(told, address)

    async def _use(self, table: SlotTable) -> None:
        gone = [one for one in self._nodes if one not in table.nodes and one not in self._seeds]
        # What is on its way to a node that is gone may still end: it is closed the next time.
        closing, self._retired = self._retired, [self._nodes.pop(address) for address in gone]
        self._table = table
        for node in closing:
            await node.aclose()
