"""The memory tier (L1): decoded values in this process, bounded by bytes. It judges nothing."""

from __future__ import annotations

from typing import Any

from cachetools import LRUCache

from .fragment import Fragment
from .protocol import Stamp

LARGEST_SHARE = 8
"""An item may take at most one part in so many of the tier: one value must not empty it."""

_ITEM, _TAG = 600, 110
"""Bytes that an item takes beside its key and value, and each tag that it depends on."""

_DECODED = 3
"""How many times its encoding a decoded value takes, about: measured are 1 (long texts) to 8 (many
small numbers), 2 to 5 for rows and pages of the store; see `benchmarks/memory_tier.py`."""


class Remembered:
    """A value with its stamp. `judged` is the log's mark at which it was last found clean, None
    for never; `size` the bytes of its payload."""

    __slots__ = ("judged", "key", "size", "stamp", "value")

    def __init__(
        self, key: str, value: Any, stamp: Stamp, size: int, judged: int | None = None
    ) -> None:
        self.key = key
        self.value = value
        self.stamp = stamp
        self.size = size
        self.judged = judged

    @property
    def cost(self) -> int:
        """Bytes that it takes in memory, about: to walk through each value would cost too much."""
        is_flat = isinstance(self.value, Fragment | str | bytes)
        size = self.size if is_flat else self.size * _DECODED
        return _ITEM + len(self.key) + _TAG * len(self.stamp.dependencies) + size


class MemoryTier:
    """Holds at most `max_bytes`; what was used the longest ago goes first. For one event loop.

    Least recently used, and not least frequently: that hits more often while tastes stay the same,
    but never again once they change, since what was popular once stays for ever.

    Raises `ValueError` for a size that cannot be.
    """

    def __init__(self, max_bytes: int) -> None:
        if isinstance(max_bytes, bool) or max_bytes <= 0:
            raise ValueError(f"max_bytes must be more than 0, got {max_bytes!r}")
        self._largest = max_bytes // LARGEST_SHARE
        self._items: LRUCache[str, Remembered] = LRUCache(max_bytes, getsizeof=_cost)

    def __len__(self) -> int:
        return len(self._items)

    @property
    def bytes(self) -> int:
        """What it holds now, in bytes, about."""
        return int(self._items.currsize)

    def get(self, key: str) -> Remembered | None:
        """What is remembered of `key`, not judged: see `Remembered.judged`."""
        try:
            return self._items[key]
        except KeyError:
            return None

    def put(self, key: str, value: Any, stamp: Stamp, size: int, judged: int | None = None) -> None:
        """Remember a value of `size` encoded bytes instead of what was there.

        What is too large is not kept, nor what asked for strict reads: memory cannot answer these.
        """
        item = Remembered(key, value, stamp, size, judged)
        if stamp.strict or item.cost > self._largest:
            self.discard(key)
        else:
            self._items[key] = item

    def discard(self, key: str) -> None:
        """Forget a key, if it is there."""
        self._items.pop(key, None)


def _cost(item: Remembered) -> int:
    return item.cost
