"""What the nemesis does: each is one line, begins, lasts, and is undone.

A fault is made for a shop, by a random generator of its own, so that a seed says which came when.
"""

import asyncio
import random
import signal
import sqlite3
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

import asyncpg

from resolvers.ids import encode_id
from tests.history.records import Fault, History
from tests.nemesis.goods import LARGEST_SCORE
from tests.nemesis.shop import Server, Shop
from tests.support.proxy import Link, Proxy

Play = Callable[[Shop, History, random.Random], Awaitable[None]]


def _lasts(chance: random.Random) -> float:
    """Seconds: sometimes shorter than Δ, sometimes longer."""
    return chance.choice((0.2, 0.6, 1.2, 2.0))


def _server(shop: Shop, chance: random.Random) -> Server:
    return chance.choice(shop.servers)


# ---- processes ----


async def worker_killed(shop: Shop, _: History, chance: random.Random) -> None:
    """SIGKILL, and a new process at the same address."""
    server = _server(shop, chance)
    await server.kill()
    await asyncio.sleep(chance.choice((0.0, 0.5)))
    await server.start()


async def worker_paused(shop: Shop, _: History, chance: random.Random) -> None:
    """SIGSTOP, SIGCONT: it goes on with what it knew."""
    server = _server(shop, chance)
    server.signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(_lasts(chance))
    finally:
        server.signal(signal.SIGCONT)


async def redis_killed(shop: Shop, _: History, chance: random.Random) -> None:
    """SIGKILL, and back with its log."""
    await asyncio.to_thread(shop.valkey.stop, kill=True)
    await asyncio.sleep(_lasts(chance))
    await asyncio.to_thread(shop.valkey.start)


async def redis_paused(shop: Shop, _: History, chance: random.Random) -> None:
    """SIGSTOP, SIGCONT: what was sent meanwhile is executed late."""
    shop.valkey.pause()
    try:
        await asyncio.sleep(_lasts(chance))
    finally:
        shop.valkey.resume()


async def redis_emptied(shop: Shop, history: History, chance: random.Random) -> None:
    """Everything is gone, in the same process."""
    scores: dict[str, list[int]] = defaultdict(list)
    for kind, key, payload in await shop.empty_redis():
        if kind == "score":
            scores[f"score:{key}"].append(int(payload.partition(":")[0]))
        else:
            views = f"views:{encode_id('Product', int(key))}"
            history.lost.setdefault(views, []).append((time.monotonic(), int(payload)))
    for player, held in scores.items():
        # Entries of a board say what a player holds; the first one of them added something, too.
        amount = held[-1] - held[0] + LARGEST_SCORE
        history.lost.setdefault(player, []).append((time.monotonic(), amount))


async def database_crashed(shop: Shop, _: History, chance: random.Random) -> None:
    """SIGKILL of every process of PostgreSQL that serves; it recovers."""
    assert shop.postgres is not None
    shop.postgres.crash()
    while True:
        with suppress(OSError, asyncpg.PostgresError):
            await shop.postgres.execute("SELECT 1")
            return
        await asyncio.sleep(0.05)


async def database_paused(shop: Shop, _: History, chance: random.Random) -> None:
    """SIGSTOP of all of PostgreSQL."""
    assert shop.postgres is not None
    shop.postgres.pause()
    try:
        await asyncio.sleep(_lasts(chance))
    finally:
        shop.postgres.resume()


async def database_locked(shop: Shop, _: History, chance: random.Random) -> None:
    """Somebody else holds SQLite's one write lock."""
    connection = sqlite3.connect(
        shop.sqlite, isolation_level=None, timeout=10, check_same_thread=False
    )
    await asyncio.to_thread(connection.execute, "BEGIN IMMEDIATE")
    await asyncio.sleep(_lasts(chance))
    connection.execute("ROLLBACK")
    connection.close()


# ---- the network ----


async def _linked(proxy: Proxy, link: Link, chance: random.Random) -> None:
    proxy.set(link)
    try:
        await asyncio.sleep(_lasts(chance))
    finally:
        proxy.heal()


def _broken(link: Link, *, database: bool) -> Play:
    async def play(shop: Shop, _: History, chance: random.Random) -> None:
        proxy = shop.database_link if database else shop.redis_link
        assert proxy is not None
        await _linked(proxy, link, chance)

    return play


async def connections_cut(shop: Shop, _: History, chance: random.Random) -> None:
    """Every connection of one worker ends, to Redis and to the database; new ones are welcome."""
    shop.redis_link.cut()
    if shop.database_link is not None:
        shop.database_link.cut()


async def delayed(shop: Shop, _: History, chance: random.Random) -> None:
    """Everything takes longer, for one worker's Redis and another's database."""
    proxies = [proxy for proxy in (shop.redis_link, shop.database_link) if proxy is not None]
    for proxy in proxies:
        proxy.delay = chance.choice((0.01, 0.04, 0.12))
    try:
        await asyncio.sleep(_lasts(chance))
    finally:
        for proxy in proxies:
            proxy.heal()


async def storm(shop: Shop, _: History, chance: random.Random) -> None:
    """Hundreds of connections at once, to a worker, to Redis and to the database."""
    ports = [_server(shop, chance).port, shop.valkey.port or 0]
    if shop.postgres is not None:
        ports.append(shop.postgres.port)
    opening = [asyncio.open_connection("127.0.0.1", port) for port in ports for _ in range(120)]
    opened = await asyncio.gather(*opening, return_exceptions=True)
    await asyncio.sleep(_lasts(chance))
    for ends in opened:
        if not isinstance(ends, BaseException):
            ends[1].close()


EVERYWHERE: Mapping[str, Play] = {
    "worker killed": worker_killed,
    "worker paused": worker_paused,
    "redis killed": redis_killed,
    "redis paused": redis_paused,
    "redis emptied": redis_emptied,
    "connections cut": connections_cut,
    "delayed": delayed,
    "connection storm": storm,
    "redis refused to one": _broken(Link.REFUSED, database=False),
    "redis a black hole to one": _broken(Link.BLACK_HOLE, database=False),
    "redis half open to one": _broken(Link.HALF_OPEN, database=False),
}
ON_POSTGRES: Mapping[str, Play] = {
    "database crashed": database_crashed,
    "database paused": database_paused,
    "database refused to one": _broken(Link.REFUSED, database=True),
    "database a black hole to one": _broken(Link.BLACK_HOLE, database=True),
    "database half open to one": _broken(Link.HALF_OPEN, database=True),
}
ON_SQLITE: Mapping[str, Play] = {"database locked": database_locked}


class Nemesis:
    """Plays faults against a shop, and writes down when each began and ended."""

    def __init__(self, shop: Shop, history: History, seed: int) -> None:
        self._shop, self._history = shop, history
        self._chance = random.Random(seed)
        more = ON_SQLITE if shop.postgres is None else ON_POSTGRES
        self._plays = {**EVERYWHERE, **more}
        self._deck: list[str] = []

    async def play(self, number: int, deadline: float = float("inf")) -> int:
        """So many faults, one after the other, sometimes two at once; how many it came to.

        None begins after `deadline`, on the monotonic clock.
        """
        played = 0
        while played < number and time.monotonic() < deadline:
            names = [self._next()]
            if self._chance.random() < 0.25 and played + 2 <= number:
                names.append(self._next())
            await asyncio.gather(*(self._one(name) for name in apart(names)))
            played += len(apart(names))
            await asyncio.sleep(self._chance.choice((0.0, 0.1, 0.4)))
        return played

    def _next(self) -> str:
        """Like cards: every kind comes once before one comes again."""
        if not self._deck:
            self._deck = sorted(self._plays)
            self._chance.shuffle(self._deck)
        return self._deck.pop()

    async def _one(self, name: str) -> None:
        chance = random.Random(self._chance.random())
        async with self._noted(name):
            await self._plays[name](self._shop, self._history, chance)

    def _noted(self, name: str) -> AbstractAsyncContextManager[None]:
        return _noted(self._history, name)


@asynccontextmanager
async def _noted(history: History, name: str) -> AsyncIterator[None]:
    begin = time.monotonic()
    try:
        yield
    finally:
        history.faults.append(Fault(name, begin, time.monotonic()))


def apart(names: list[str]) -> list[str]:
    """Two faults at once must not undo each other: not both of one thing, or of several."""
    things = [name.split()[0] for name in names]
    if len(set(things)) < len(things) or not {"connections", "delayed"}.isdisjoint(things):
        return names[:1]
    return names
