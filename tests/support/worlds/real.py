"""A world's servers, and faults that are real: restarts, evictions, a replica that is promoted."""

import asyncio

from redis.asyncio import Redis

from cache.protocol import ALL, Rules
from tests.support.servers import ValkeyServer
from tests.support.world import World
from tests.support.worlds.on_redis import OnRedis


class OnARealServer(OnRedis):
    """`server` is restarted with nothing, and made to evict; `redis` and `state` are clients."""

    def __init__(
        self, server: ValkeyServer, redis: Redis, *, state: Redis | None = None, rules: Rules = ALL
    ) -> None:
        super().__init__(redis, state=state, rules=rules, loose=rules != ALL)
        self._server = server

    async def empty(self) -> None:
        """The process ends and another begins, which has no data: connections are gone."""
        await asyncio.to_thread(self._server.stop)
        await asyncio.to_thread(self._server.start)
        await self._state.connection_pool.disconnect()
        for store in self._opened:
            await store.aclose()

    async def evict_watermark(self, tag: str) -> None:
        """The server has too little memory for a moment: all that it may evict is gone."""
        key = f"{{{self.prefix}}}:w:{tag}"
        assert await self._state.exists(key)
        await self._state.config_set("maxmemory-policy", "volatile-lru")
        await self._state.config_set("maxmemory", "1mb")
        while await self._state.exists(key):
            await asyncio.sleep(0)
        await self._state.config_set("maxmemory", "0")
        assert await self._state.exists(f"{{{self.prefix}}}:state")


class OnARealReplica(OnRedis):
    """A primary and its replica, which is promoted.

    A client finds the new primary by connecting anew, so who does not move stays on the old one.
    """

    world: World

    def __init__(self, primary: Redis, replica: Redis, *, rules: Rules = ALL) -> None:
        super().__init__(primary, rules=rules, loose=rules != ALL)
        self._replica_itself = replica

    async def follow(self, host: str, port: int) -> None:
        """Make the replica one, and wait until it has all."""
        await self._replica_itself.replicaof(host, port)
        async with asyncio.timeout(20):
            while (await self._replica_itself.info("replication")).get(
                "master_link_status"
            ) != "up":
                await asyncio.sleep(0.01)

    async def replicate(self) -> None:
        """It hears no more after this, and is promoted: its incarnation is another from now on."""
        assert await self._state.wait(1, 20_000) == 1
        await self._replica_itself.replicaof("NO", "ONE")

    async def split(self) -> None:
        self._redis = self._state = self._replica_itself

    async def fail_over(self) -> None:
        """Everybody is connected to the new primary, whatever was on its way."""
        await self.split()
        for worker in self.world.workers:
            worker.move()

    async def passes(self, seconds: float) -> None:
        self.clock.passes(seconds)
        for redis in {self._state, self._replica_itself}:
            key = f"{{{self.prefix}}}:state"
            role = (await redis.info("replication"))["role"]
            looked = await redis.hget(key, "looked")
            if looked is not None and role == "master":
                await redis.hset(key, "looked", str(int(looked) - round(seconds * 1000)))
