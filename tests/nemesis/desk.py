"""Workers in one process, whose steps a test takes by hand, with the nemesis's logging clients.

For the controls: each is an interleaving that must go wrong for certain, not by luck.
"""

import itertools
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from redis.asyncio import Redis

from cache import Cache, CacheSettings
from cache.protocol import ALL, Rules
from tests.history.checker import check
from tests.history.findings import Findings
from tests.history.records import Outcome
from tests.nemesis import documents
from tests.nemesis.clients import Client, Exchange, Log
from tests.nemesis.goods import STAFF, filled, label, price
from tests.nemesis.healing import note, served, truth
from tests.nemesis.recording import Recorder
from tests.support.clients import lagging, without_redis
from tests.support.store import Worker
from tests.support.write_behind import until

_numbers = itertools.count(30_000_000)


@dataclass(frozen=True)
class At:
    """A worker as clients know it."""

    name: str
    worker: Worker
    url: str = "http://store"


@dataclass
class Somebody:
    """One who does one thing after the other."""

    client: Client
    record: Recorder

    async def ask(self, at: At, document: str, **variables: Any) -> Exchange:
        return await self.client.ask(at.worker.http, at, document, **variables)

    async def look(self, at: At, product: str) -> None:
        """Read a product."""
        exchange = await self.ask(at, documents.CATALOGUE, **dict.fromkeys("abcd", product))
        self.record.product(exchange, exchange.part("a"))

    async def rename(self, at: At, product: str) -> Outcome:
        """Give a product another label."""
        number = next(_numbers)
        name = label(number)
        given = {"id": product, "name": name, "description": name, "price": price(number)}
        exchange = await self.ask(at, documents.MOVE, a=given)
        row = (exchange.part("a") or {}).get("product")
        version = row["version"] if row and row["name"] == name else None
        self.record.product(exchange, row)
        return self.record.write(
            exchange, "a", f"product:{product}", value=name, version=version, fields=3
        )

    async def rename_unseen(self, at: At, product: str) -> None:
        """The same, of version 1, without asking for the result: nothing is loaded for it."""
        number = next(_numbers)
        name = label(number)
        given = {"id": product, "name": name, "description": name, "price": price(number)}
        exchange = await self.ask(at, _UNSEEN, a={**given, "version": 1})
        self.record.write(exchange, "a", f"product:{product}", value=name, version=2)

    async def move(self, at: At, product: str, slug: str) -> None:
        """Put a product into another category."""
        exchange = await self.ask(at, documents.MOVE, a={"id": product, "categorySlug": slug})
        row = (exchange.part("a") or {}).get("product")
        self.record.write(
            exchange, "a", f"place:{product}", value=slug, version=row and row["version"]
        )

    async def browse(self, at: At, slug: str) -> None:
        """Read a category's products."""
        self.record.listed(await self.ask(at, documents.LIST, slug=slug), slug)

    async def view(self, at: At, product: str) -> Outcome:
        """View a product: once, as the other two do not exist."""
        none = {"productId": _NOWHERE}
        exchange = await self.ask(at, documents.VIEW, a={"productId": product}, b=none, c=none)
        return self.record.write(exchange, "a", f"views:{product}", amount=1)


_UNSEEN = (
    "mutation Unseen($a: UpdateProductInput!)"
    " { a: updateProduct(input: $a) { errors { code message } } }"
)
_NOWHERE = "UHJvZHVjdDo5OTk5OTk5OTk"
"""The id of a product that there is not."""


@dataclass
class Desk:
    """The store of one scenario. `cache` and `rules` are what its workers run by."""

    redis: Redis
    prefix: str
    log: Log
    closing: AsyncExitStack
    cache: Callable[..., Cache]
    rules: Rules = ALL
    workers: list[At] = field(default_factory=list)
    _clients: Any = field(default_factory=itertools.count)

    async def worker(self, name: str) -> At:
        """One that follows the log."""
        made = partial(self.cache, rules=self.rules)
        worker = Worker(self.redis, self.prefix, made, CacheSettings(max_staleness=0.2))  # type: ignore[arg-type]  # it makes one
        self.closing.push_async_callback(worker.close)
        await worker.follow()
        self.workers.append(At(name, worker))
        return self.workers[-1]

    async def lagging(self, name: str) -> At:
        """One that trusts what it remembers, and hears of nothing."""
        made = lagging(self, self.rules)  # type: ignore[arg-type]  # it has what is needed
        return At(name, await self.closing.enter_async_context(made))

    async def cut_off(self, name: str) -> At:
        """One that cannot reach Redis."""
        made = without_redis(self, self.rules)  # type: ignore[arg-type]  # as above
        return At(name, await self.closing.enter_async_context(made))

    def staff(self) -> Somebody:
        return self._somebody(STAFF, self.log.goods.staff[0].token)

    def anybody(self) -> Somebody:
        return self._somebody("", None)

    def _somebody(self, viewer: str, token: str | None) -> Somebody:
        client = Client(next(self._clients), self.log, viewer=viewer, token=token)
        return Somebody(client, Recorder(client))

    async def hears(self, at: At) -> None:
        """Wait until a worker that follows the log has heard of all that is purged by now."""
        cache = at.worker.services.cache
        head = (await cache.store.look(())).head

        async def heard() -> bool:
            return cache.applied is not None and cache.applied.reaches(head)

        await until(heard)

    async def compare(self) -> None:
        """Compare what the workers serve in the end with the database."""
        shown = {}
        for at in self.workers:
            await self.hears(at)
            shown[at.name] = await served(at.worker.http, at, self.log)
        note(self.log, await truth(self.log), shown)

    def check(self) -> Findings:
        return check(self.log.history)


async def desk(
    redis: Redis,
    prefix: str,
    closing: AsyncExitStack,
    cache: Callable[..., Cache] = Cache,
    rules: Rules = ALL,
) -> Desk:
    """A desk on the connected, migrated, empty database."""
    goods, history = await filled(customers=1, products=2)
    return Desk(redis, prefix, Log(history, goods), closing, cache, rules)
