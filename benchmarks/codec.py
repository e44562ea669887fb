"""What the codec saves and costs: compression by size and level, Redis's memory for each entry.

    python -m benchmarks.codec [--rounds 500] [--short]

The values are those of the sample store: rows of products, pages of them, and their finished JSON.
Starts a Valkey of its own on a unix socket for `MEMORY USAGE`.
"""

import argparse
import itertools
import tempfile
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import redis
import zstandard

from cache.codec import Codec, decoder_for, encode_value
from cache.entry import Entry
from cache.fragment import Fragment
from cache.keys import storage_key
from cache.policy import Grain
from cache.protocol import Stamp
from ops.embedded import ValkeyServer
from ops.sample.data import read_sample
from resolvers.rows import ProductRow

SIZES = (256, 512, 1_024, 2_048, 4_096, 8_192, 16_384)
LEVELS = (1, 3, 6)
STAMP = Stamp(
    epoch="9f86d081884c7d65",
    dependencies={"product:42": 1_767_225_600_123, "products": 1_767_225_600_120},
    stored=1_767_225_600.25,
    soft=1_767_225_900.25,
    hard=1_767_225_960.25,
    cost=0.0125,
)
KEY = "resolvers.products.product@0123456789ab[null,42]"
TTL = 300


class Kind(NamedTuple):
    """One way to keep a list of products: its values by length, and how to decode them."""

    name: str
    grain: Grain
    payload: Callable[[int], bytes]
    result: Any


def kinds() -> list[Kind]:
    """Rows as MessagePack, and finished JSON, of the sample's products over and over."""
    rows = products()

    def some(count: int) -> tuple[ProductRow, ...]:
        return tuple(rows[at % len(rows)] for at in range(count))

    def json(count: int) -> Fragment:
        return Fragment.of([msgspec.to_builtins(row) for row in some(count)])

    return [
        Kind(
            "rows",
            Grain.VALUE,
            lambda n: encode_value(some(n), Grain.VALUE),
            tuple[ProductRow, ...],
        ),
        Kind("fragments", Grain.FRAGMENT, lambda n: json(n).contents, Fragment),
    ]


def products() -> list[ProductRow]:
    """The sample's products, as the resolvers return them."""
    began = datetime(2026, 1, 1, tzinfo=UTC)
    return [
        ProductRow(
            id=number,
            sku=it.sku,
            name=it.name,
            description=it.description,
            price_minor=int(it.price * 100),
            category_slug=it.category.lower().replace(" ", "-"),
            brand_slug=it.brand.lower().replace(" ", "-"),
            created_at=began - timedelta(days=it.days_ago, seconds=number),
            updated_at=began - timedelta(seconds=37 * number),
            version=number % 5,
        )
        for number, it in enumerate(read_sample().products, 1)
    ]


def about(kind: Kind, size: int) -> bytes:
    """A payload of this kind that is the nearest to so many bytes."""
    each = len(kind.payload(64)) / 64
    return kind.payload(max(1, round(size / each)))


def microseconds(act: Callable[[], object], rounds: int) -> float:
    """The least mean time of five turns: what the machine does besides is not the codec's."""
    turns = []
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(rounds):
            act()
        turns.append((time.perf_counter() - began) / rounds * 1e6)
    return min(turns)


# ---- compression ----


def compression(rounds: int) -> None:
    """For each size and level: the share that is left, and the time each way."""
    print("kind       level   bytes  left  compress us  decompress us  decode the value us")
    for kind, level, size in itertools.product(kinds(), LEVELS, SIZES):
        payload = about(kind, size)
        small = zstandard.ZstdCompressor(level=level).compress(payload)
        times = [
            microseconds(partial(zstandard.ZstdCompressor(level=level).compress, payload), rounds),
            microseconds(partial(zstandard.ZstdDecompressor().decompress, small), rounds),
            microseconds(partial(decoder_for(kind.result, kind.grain), payload), rounds),
        ]
        print(
            f"{kind.name:9} {level:6} {len(payload):7} {len(small) / len(payload):5.2f} "
            f"{times[0]:12.1f} {times[1]:14.1f} {times[2]:20.1f}"
        )


def thresholds(rounds: int) -> None:
    """One entry of each size, as often as another: what a threshold costs and saves in all."""
    print("\nthreshold  stored  encode us  decode us   (one entry of each size, both kinds)")
    entries = [
        Entry(KEY, STAMP, about(kind, size), kind.grain) for kind in kinds() for size in SIZES
    ]
    none = sum(len(it) for it in encoded(Codec(compress_above=2**30), entries))
    for above in (*SIZES, 2**30):
        codec = Codec(compress_above=above)
        stored = encoded(codec, entries)
        writing = microseconds(partial(encoded, codec, entries), rounds // 10 + 1)
        reading = microseconds(partial(decoded, codec, stored), rounds // 10 + 1)
        name = "off" if above == 2**30 else str(above)
        share = sum(map(len, stored)) / none
        print(
            f"{name:>9} {share:7.2f} {writing / len(entries):10.1f} {reading / len(entries):10.1f}"
        )


def encoded(codec: Codec, entries: Iterable[Entry]) -> list[bytes]:
    return [codec.encode(entry) for entry in entries]


def decoded(codec: Codec, stored: Iterable[bytes]) -> list[Entry | None]:
    return [codec.decode(it, KEY) for it in stored]


# ---- memory ----


def memory(url: str, rounds: int) -> None:
    """An entry as Redis holds it against the same value as a plain JSON string with a TTL."""
    print("\nJSON bytes   plain   entry  ratio  uncompressed  ratio  decode us (uncompressed)")
    client = redis.Redis.from_url(url)
    for size in (100, 1_000, 10_000):
        row = of_json_size(size)
        text = msgspec.json.encode(row)
        plain = usage(client, "shop:product:42", text)
        used, times = [], []
        for codec in (Codec(), Codec(compress_above=2**30)):
            stored = codec.encode(Entry(KEY, STAMP, encode_value(row, Grain.VALUE)))
            used.append(usage(client, storage_key("shop", KEY), stored))
            times.append(microseconds(partial(whole, codec, stored), rounds))
        print(
            f"{len(text):10} {plain:7} {used[0]:7} {used[0] / plain:6.2f} {used[1]:13} "
            f"{used[1] / plain:6.2f} {times[0]:10.1f} ({times[1]:.1f})"
        )
    client.close()


class Described(msgspec.Struct, frozen=True):
    """A product as short as can be, but for its text."""

    id: int
    sku: str
    description: str


def of_json_size(size: int) -> Described:
    """A row whose JSON has so many bytes: what the sample says of its products, one by one."""
    bare = msgspec.json.encode(Described(42, "APL-MBA13-M3", ""))
    texts = " ".join(
        f"{it.sku} {it.name}, {it.brand}, {it.category}, {it.price}, {it.stock}: {it.description}"
        for it in read_sample().products * 2
    )
    plain = "".join(letter for letter in texts if letter.isascii() and letter != '"')
    return Described(42, "APL-MBA13-M3", plain[: size - len(bare)])


decode_described = decoder_for(Described, Grain.VALUE)


def whole(codec: Codec, stored: bytes) -> Any:
    """The value of a stored entry, as a hit in Redis makes it."""
    entry = codec.decode(stored, KEY)
    return decode_described(entry.payload) if entry else None


def usage(client: redis.Redis, key: str, value: bytes) -> int:
    """Bytes that Redis takes for this key, value and expiry."""
    client.set(key, value, ex=TTL)
    used: Any = client.memory_usage(key)
    return int(used)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=500, help="rounds of each measurement")
    parser.add_argument("--short", action="store_true", help="a few rounds: does it run at all?")
    options = parser.parse_args()
    rounds = 5 if options.short else options.rounds
    compression(rounds)
    thresholds(rounds)
    with tempfile.TemporaryDirectory() as directory, ValkeyServer(Path(directory)) as server:
        memory(server.url, rounds)


if __name__ == "__main__":
    main()
