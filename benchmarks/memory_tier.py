"""The memory tier: what an eviction policy hits, what an item really takes, what an access costs.

    python -m benchmarks.memory_tier [--requests 400000] [--short]

The traces are Zipf's law (exponent 0.9 over 20,000 keys); with exports that read 5,000 keys once;
and with tastes that change half way.
"""

import argparse
import bisect
import gc
import itertools
import random
import timeit
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import cachetools

from benchmarks.codec import KEY, products
from cache.codec import Codec, decoder_for, encode_value
from cache.entry import Entry
from cache.fragment import Fragment
from cache.policy import Grain
from cache.protocol import Stamp
from cache.tier import MemoryTier
from resolvers.rows import ListItem, ListPage, ProductRow

KEYS = 20_000
EVICTIONS = (cachetools.LRUCache, cachetools.LFUCache, cachetools.FIFOCache)


# ---- hits ----


def zipf(source: random.Random) -> Callable[[], int]:
    """Draws keys by Zipf's law, in an order of popularity of their own."""
    weights = list(itertools.accumulate((rank + 1) ** -0.9 for rank in range(KEYS)))
    order = source.sample(range(KEYS), KEYS)
    return lambda: order[bisect.bisect(weights, source.random() * weights[-1])]


def steady(requests: int) -> Iterator[int]:
    draw = zipf(random.Random(1))
    return (draw() for _ in range(requests))


def with_exports(requests: int) -> Iterator[int]:
    once = itertools.count(KEYS)
    for at, key in enumerate(steady(requests)):
        yield key
        if at % 50_000 == 0:
            yield from itertools.islice(once, 5_000)


def with_another_taste(requests: int) -> Iterator[int]:
    source = random.Random(1)
    before, after = zipf(source), zipf(source)
    return ((before if at < requests // 2 else after)() for at in range(requests))


def hits(cache: cachetools.Cache[int, int], trace: Iterator[int], after: int) -> float:
    """The share of hits among the requests from number `after` on."""
    found = asked = 0
    for at, key in enumerate(trace):
        hit = key in cache
        if hit:
            _ = cache[key]
        else:
            cache[key] = key
        asked += at >= after
        found += hit and at >= after
    return found / asked


def compare_evictions(requests: int) -> None:
    """Hit rates in the second half, when caches are warm."""
    print("hits in the second half            " + "".join(f"{it.__name__:>11}" for it in EVICTIONS))
    for trace in (steady, with_exports, with_another_taste):
        for room in (500, 2_000):
            rates = [hits(it(room), trace(requests), requests // 2) for it in EVICTIONS]
            name = f"{trace.__name__.replace('_', ' ')}, room for {room}"
            print(f"{name:35}" + "".join(f"{rate:11.3f}" for rate in rates))


# ---- bytes ----


class Case(NamedTuple):
    """Values of one kind, by number."""

    name: str
    result: Any
    make: Callable[[int], Any]
    grain: Grain = Grain.VALUE


def cases() -> list[Case]:
    rows = products()

    def page(at: int) -> ListPage:
        items = tuple(ListItem(at + step, f"name {at + step}") for step in range(20))
        return ListPage(items, has_next=True, has_previous=False)

    def numbers(at: int) -> tuple[int, ...]:
        return tuple(range(at * 100 + 1_000, at * 100 + 1_100))

    def fragment(at: int) -> Fragment:
        return Fragment.of({"id": at, "text": "x" * 1_000})

    return [
        Case("nothing", ProductRow | None, lambda at: None),
        Case("product", ProductRow, lambda at: rows[at % len(rows)]),
        Case("20 products", tuple[ProductRow, ...], lambda at: tuple(rows[at % 40 :][:20])),
        Case("page of 20", ListPage, page),
        Case("100 numbers", tuple[int, ...], numbers),
        Case("fragment 1 kB", Fragment, fragment, Grain.FRAGMENT),
    ]


def stamp(at: int) -> Stamp:
    position = 1_767_225_600_000 + at
    tags = {f"product:{at}": position, "products": position - 1}
    return Stamp("9f86d081884c7d65", tags, 1.7e9 + at, 1.7e9 + at + 300, 1.7e9 + at + 360, 0.1 * at)


def measure_items(count: int) -> None:
    """What items take, by Python's own count, against what the tier counts."""
    print("\nbytes of an item   payload    real  counted  counted/real")
    for case in cases():
        codec, decode = Codec(), decoder_for(case.result, case.grain)
        stored = [
            codec.encode(
                Entry(f"{KEY}{at}", stamp(at), encode_value(case.make(at), case.grain), case.grain)
            )
            for at in range(count)
        ]
        gc.collect()
        tracemalloc.start()
        tier, payloads = MemoryTier(2**40), 0
        for at in range(count):
            entry = codec.decode(stored[at], f"{KEY}{at}")
            assert entry is not None
            payloads += len(entry.payload)
            tier.put(entry.key, decode(entry.payload), entry.stamp, len(entry.payload))
        del entry
        real, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        print(
            f"{case.name:17} {payloads / count:8.0f} {real / count:7.0f} {tier.bytes / count:8.0f} "
            f"{tier.bytes / real:13.2f}"
        )


# ---- time ----


def measure_accesses(rounds: int) -> None:
    """Microseconds of a get and of a put into a full tier, by the number of its items."""
    print("\nitems     get us   put us (full: each evicts one)")
    for count in (1_000, 100_000):
        tier, at = MemoryTier(count * 900), itertools.count()
        some = stamp(1)
        for _ in range(count * 2):
            tier.put(f"{next(at):09}", "", some, 10)
        held = f"{next(at) - 1:09}"
        get = timeit.timeit(lambda: tier.get(held), number=rounds)  # noqa: B023 - called at once
        put = timeit.timeit(
            lambda: tier.put(f"{next(at):09}", "", some, 10),  # noqa: B023
            number=rounds,
        )
        print(f"{len(tier):7} {get / rounds * 1e6:8.2f} {put / rounds * 1e6:8.2f}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--requests", type=int, default=400_000, help="requests of each trace")
    parser.add_argument("--short", action="store_true", help="a few requests: does it run at all?")
    options = parser.parse_args()
    compare_evictions(2_000 if options.short else options.requests)
    measure_items(10 if options.short else 2_000)
    measure_accesses(100 if options.short else 100_000)


if __name__ == "__main__":
    main()
