"""How much a write purges that it did not change.

    python -m benchmarks.precision [--writes 600] [--seed 1] [--short]

Clients read and write at random through the whole API, on a fresh SQLite, with a Valkey of its own.
Every entry that was served from a tier is noted, with what it is made of. After each write this
worker's log says which of them are purged; each of those is loaded again from SQL and compared. One
that is the same was purged without need. Of those that are left a few are compared as well: they
must be the same.

The other side, computed from the same run: a cache that purges by kind, so a namespace at a time.
"""

import asyncio
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.servers import command_line, valkey
from benchmarks.shop import Shop, seed
from benchmarks.shop_clients import Clients
from cache import Cache, bypass
from cache.call import Call
from cache.codec import encode_value
from cache.context import current_scope
from cache.facts import Tier
from cache.policy import namespace_tag
from cache.protocol import Stamp, Verdict
from gql.app import open_services
from gql.settings import Settings
from models.database import migrate

LISTS = ("product_page", "product_count", "order_page", "order_count", "all_categories")
"""Functions whose entries are made of many rows, and depend on which rows there are."""

BOUND = 0.05
"""Of the live entries that are no lists: more may not be purged without need."""

COMPARED = 20
"""Entries that are left after a write, and compared."""


@dataclass(frozen=True, slots=True)
class Live:
    """An entry that was served: its call, for whom, what it is made of, and its value's bytes."""

    call: Call
    viewer: str
    stamp: Stamp
    value: bytes

    @property
    def function(self) -> str:
        """The name of its function, without its module's."""
        return self.call.name.rpartition(".")[2]

    @property
    def is_list(self) -> bool:
        """Whether it is made of many rows."""
        return self.function in LISTS


@dataclass
class Tally:
    """Sums over all writes, of entries of one function."""

    live: int = 0
    purged: int = 0
    unneeded: int = 0
    by_kind: int = 0
    """Those that a purge of their whole namespace would have taken without need."""

    def share(self, number: int) -> float:
        """Of the live ones."""
        return number / self.live if self.live else 0.0


@dataclass
class Measured:
    """The result: by function; `stale` entries are left and differ from SQL."""

    tallies: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    writes: int = 0
    compared: int = 0
    stale: int = 0

    def total(self, *, lists: bool) -> Tally:
        """Of all lists, or of all others."""
        total = Tally()
        for name, one in self.tallies.items():
            if (name in LISTS) == lists:
                total.live += one.live
                total.purged += one.purged
                total.unneeded += one.unneeded
                total.by_kind += one.by_kind
        return total


class Registry:
    """The live entries of a cache."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._entries: dict[str, Live] = {}
        cache.audit(self._served)

    def _served(self, call: Call, stamp: Stamp, value: Any, tier: Tier) -> None:
        payload = encode_value(value, call.policy.grain)
        self._entries[call.key] = Live(call, current_scope().viewer, stamp, payload)

    def live(self) -> list[Live]:
        """Those that would still be served; the others are forgotten."""
        now = time.time()  # the server's clock is this machine's
        self._entries = {
            key: entry
            for key, entry in self._entries.items()
            if entry.stamp.soft > now and self._verdict(entry) is None
        }
        return list(self._entries.values())

    def is_purged(self, entry: Live) -> bool:
        """Whether this worker's log has a purge of it."""
        return self._verdict(entry) is Verdict.PURGED

    async def is_changed(self, entry: Live) -> bool:
        """Whether SQL has another value by now."""
        with self._cache.activate(entry.viewer), bypass("a benchmark"):
            value = await entry.call.load()
        return encode_value(value, entry.call.policy.grain) != entry.value

    def _verdict(self, entry: Live) -> Verdict | None:
        return self._cache.log.judge(entry.stamp.epoch, entry.stamp.dependencies)


def namespace_of(entry: Live) -> str:
    """The tag of its kind."""
    return namespace_tag(entry.call.policy.namespace or "")


async def after_write(
    registry: Registry, before: Iterable[Live], chance: random.Random, found: Measured
) -> None:
    """Tally what one write did to the entries that were live before it."""
    entries = list(before)
    purged = [entry for entry in entries if registry.is_purged(entry)]
    changed = {id(entry) for entry in purged if await registry.is_changed(entry)}
    kinds = {namespace_of(entry) for entry in purged}
    for entry in entries:
        tally = found.tallies[entry.function]
        tally.live += 1
        is_same = id(entry) not in changed
        tally.by_kind += is_same and namespace_of(entry) in kinds
    for entry in purged:
        found.tallies[entry.function].purged += 1
        found.tallies[entry.function].unneeded += id(entry) not in changed
    left = [entry for entry in entries if not registry.is_purged(entry)]
    for entry in chance.sample(left, min(COMPARED, len(left))):
        found.compared += 1
        found.stale += await registry.is_changed(entry)
    found.writes += 1


async def measure(url: str, redis_url: str, *, writes: int, products: int, number: int) -> Measured:
    """Run `writes` writes among reads; `number` is the seed of what is random."""
    chance, found = random.Random(number), Measured()
    await migrate(url)
    settings = Settings(REDIS_URL=redis_url, DATABASE_URL=url, FRESHQL_MAX_STALENESS=10)
    async with open_services(settings) as services:
        shop = Shop(services, await seed(products, products // 10, chance))
        await services.cache.start()
        if not await services.cache.catch_up(30.0):
            raise RuntimeError("the cache could not follow its log within 30 s")
        registry, clients = Registry(services.cache), Clients(shop, chance)
        for _ in range(products):
            await clients.read()
        for _ in range(writes):
            for _ in range(3):
                await clients.read()
            before = registry.live()
            await clients.write()
            await after_write(registry, before, chance, found)
        await shop.aclose()
    return found


def show(found: Measured) -> None:
    """Print a line for each function, and the two sums."""
    print(f"{'':>18} {'live':>7} {'purged':>8} {'same':>8} {'of live':>8} {'by kind':>8}")
    rows = sorted(found.tallies.items())
    rows += [("lists", found.total(lists=True)), ("all others", found.total(lists=False))]
    for name, one in rows:
        live, purged, same = (
            count / found.writes for count in (one.live, one.purged, one.unneeded)
        )
        print(
            f"{name:>18} {live:>7.1f} {purged:>8.3f} {same:>8.3f} "
            f"{one.share(one.unneeded):>8.3%} {one.share(one.by_kind):>8.2%}"
        )
    print(
        f"entries for each of {found.writes} writes: live, purged, purged though SQL has the same, "
        "the last as a share of the live ones, and that share if a whole kind were purged. "
        f"Of {found.compared} entries that were left {found.stale} differ from SQL"
    )


def main() -> None:
    """The command line."""
    parser = command_line(__doc__)
    parser.add_argument("--writes", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    writes, products = (30, 40) if options.short else (options.writes, 300)
    with valkey() as port, tempfile.TemporaryDirectory() as directory:
        url = f"sqlite://{Path(directory) / 'store.sqlite3'}"
        redis_url = f"redis://127.0.0.1:{port}/0"
        show(
            asyncio.run(
                measure(url, redis_url, writes=writes, products=products, number=options.seed)
            )
        )


if __name__ == "__main__":
    main()
