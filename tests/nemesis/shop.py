"""A real store to be broken: several `freshql serve`, one Valkey, one database, two proxies.

The first server reaches Redis through a proxy, the second its PostgreSQL: what a proxy does
happens to one worker, and not to the others.
"""

import asyncio
import os
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from models.database import migrate
from ops.embedded import ValkeyServer
from tests.support.postgres import PostgresServer, free_port
from tests.support.processes import until
from tests.support.proxy import Proxy
from tests.support.serving import Serving

PATIENCE = 60.0
"""Seconds in which a worker has to be up."""

APP = "tests.nemesis.watched:create_app"

_TAKE = """
local found = {}
for kind, pattern in pairs({views = '*{wb:product-views*:stream', score = '*:lb2:*:stream'}) do
    for _, key in ipairs(redis.call('KEYS', pattern)) do
        for _, entry in ipairs(redis.call('XRANGE', key, '-', '+')) do
            found[#found + 1] = {kind, entry[2][2], entry[2][4]}
        end
    end
end
"""
"""What waits to be flushed: of what kind, its key, and what is said of that."""


class Server:
    """One worker: a `freshql serve` of its own, at an address that stays."""

    def __init__(self, name: str, directory: Path, app: str, variables: dict[str, str]) -> None:
        self.name = name
        self.port = free_port()
        self.directory = directory
        self._app = app
        self._variables = variables
        self._serving: Serving | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._serving is not None
        return self._serving.process.pid

    @property
    def output(self) -> str:
        """What it printed since its last start."""
        return "" if self._serving is None else self._serving.text

    async def start(self) -> None:
        """Start it, and wait until it answers. It is tried again while its database is away."""
        self.directory.mkdir(exist_ok=True)
        variables = {"PORT": str(self.port), **self._variables}
        ends = time.monotonic() + PATIENCE
        while True:
            self._keep_output()
            self._serving = Serving(self.directory, "--app", self._app, **variables)
            await asyncio.to_thread(until, self._is_up_or_over, PATIENCE)
            if self._serving.process.poll() is None:
                return
            if time.monotonic() > ends:
                raise RuntimeError(f"{self.name} does not start:\n{self.output}")

    def _is_up_or_over(self) -> bool:
        assert self._serving is not None
        return "stop with" in self.output or self._serving.process.poll() is not None

    def signal(self, number: int) -> None:
        """Send a signal to the process, all of which is one."""
        os.kill(self.pid, number)

    async def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        assert self._serving is not None
        self._serving.process.kill()
        await asyncio.to_thread(self._serving.process.wait)

    async def stop(self) -> None:
        """End it in good order."""
        if self._serving is not None and self._serving.process.poll() is None:
            await asyncio.to_thread(self._serving.end)

    def _keep_output(self) -> None:
        """An earlier life's output: what a violation is looked for in."""
        last = self.directory / "output.txt"
        if last.exists():
            with (self.directory / "earlier.txt").open("a") as earlier:
                earlier.write(last.read_text())


@dataclass
class Shop:
    """What there is to ask and to break. On SQLite there is no `postgres`, and no way to it."""

    servers: list[Server]
    valkey: ValkeyServer
    redis_link: Proxy
    database_url: str
    postgres: PostgresServer | None = None
    database_link: Proxy | None = None

    @property
    def sqlite(self) -> str:
        """The path of the SQLite file."""
        return self.database_url.removeprefix("sqlite://")

    async def empty_redis(self) -> list[tuple[str, str, str]]:
        """Remove everything from Redis; kind, key and payload of what waited at that moment."""
        async with Redis.from_url(self.valkey.url) as redis:
            entries: Any = await redis.eval(_TAKE + "redis.call('FLUSHALL') return found", 0)
        lost = []
        for kind, key, payload in (entry for entry in entries if len(entry) == 3):
            lost.append((kind.decode(), key.decode(), payload.decode()))
        return lost

    async def backlog(self) -> int:
        """How many views and scores are in Redis and not trimmed: SQL may lack them."""
        async with Redis.from_url(self.valkey.url) as redis:
            number: int = await redis.eval(_TAKE + "return #found", 0)
        return number


@asynccontextmanager
async def opened(
    database: str,
    workers: int,
    *,
    app: str = APP,
    fsync: str = "always",
    seed: Callable[[str], Any] | None = None,
) -> AsyncIterator[Shop]:
    """A shop on "sqlite" or "postgres". `seed(url)` fills the migrated database before the start.

    With `fsync="everysec"` a Valkey that is killed while the disk stalls may lose what it
    acknowledged, as docs/write-behind.md says; with "always" nothing is allowed to be lost.
    """
    directory = Path(tempfile.mkdtemp(prefix="fqn"))
    async with AsyncExitStack() as closing:
        closing.callback(shutil.rmtree, directory, ignore_errors=True)
        valkey = ValkeyServer(
            directory / "valkey", port=free_port(), options={"appendfsync": fsync}
        )
        await asyncio.to_thread(valkey.start)
        closing.callback(valkey.stop)
        redis_link = await closing.enter_async_context(Proxy(valkey.port or 0))
        postgres, url = await _database(database, directory, closing)
        await migrate(url)
        if seed is not None:
            await seed(url)
        link = None
        if postgres is not None:
            link = await closing.enter_async_context(Proxy(postgres.port))
        shop = Shop([], valkey, redis_link, url, postgres, link)
        prefix = f"nemesis-{secrets.token_hex(4)}"
        for number in range(workers):
            variables = _variables(shop, number) | {"FRESHQL_KEY_PREFIX": prefix}
            shop.servers.append(Server(f"worker {number}", directory / str(number), app, variables))
        for server in shop.servers:
            closing.push_async_callback(server.stop)
        await asyncio.gather(*(server.start() for server in shop.servers))
        yield shop
        for server in shop.servers:
            server.signal(signal.SIGCONT)


async def _database(
    kind: str, directory: Path, closing: AsyncExitStack
) -> tuple[PostgresServer | None, str]:
    if kind == "sqlite":
        return None, f"sqlite://{directory / 'store.sqlite3'}"
    server = PostgresServer(is_durable=True)
    await asyncio.to_thread(server.start)
    closing.callback(server.stop)
    await server.execute("CREATE DATABASE store")
    return server, server.url("store")


def _variables(shop: Shop, number: int) -> dict[str, str]:
    redis, database = shop.valkey.url, shop.database_url
    if number == 0:
        redis = f"redis://127.0.0.1:{shop.redis_link.port}/0"
    if number == 1 and shop.postgres is not None and shop.database_link is not None:
        database = database.replace(f":{shop.postgres.port}/", f":{shop.database_link.port}/")
    return {
        "REDIS_URL": redis,
        "DATABASE_URL": database,
        "FRESHQL_ENVIRONMENT": "production",
        "FRESHQL_LOG_LEVEL": "warning",
        "FRESHQL_METRICS": "off",
    }
