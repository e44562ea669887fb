"""What every store's entries do."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ..stores.base import Fill, Store
from .waiting import eventually

OpenStore = Callable[[], Store]


@pytest.mark.asyncio
class EntriesContract:
    """`Entries`: whole values under full keys, each for its lifetime."""

    async def test_what_was_put_is_got_by_any_worker(self, open_store: OpenStore) -> None:
        await open_store().put([Fill("a", b"first", 60), Fill("b", b"\x00\xff\r\n", 60)])

        assert list(await open_store().get(["b", "missing", "a"])) == [
            b"\x00\xff\r\n",
            None,
            b"first",
        ]

    async def test_nothing_may_be_asked_for_and_stored(self, open_store: OpenStore) -> None:
        store = open_store()
        await store.put([])

        assert list(await store.get([])) == []

    async def test_a_key_may_be_asked_for_twice(self, open_store: OpenStore) -> None:
        store = open_store()
        await store.put([Fill("a", b"value", 60)])

        assert list(await store.get(["a", "a"])) == [b"value", b"value"]

    async def test_an_empty_value_is_a_value(self, open_store: OpenStore) -> None:
        store = open_store()
        await store.put([Fill("a", b"", 60)])

        assert list(await store.get(["a"])) == [b""]

    async def test_the_last_value_put_replaces_the_one_before(self, open_store: OpenStore) -> None:
        store = open_store()
        await store.put([Fill("a", b"a long first value", 60)])
        await store.put([Fill("a", b"second", 60)])

        assert list(await store.get(["a"])) == [b"second"]

    async def test_keys_may_be_long_and_of_any_characters(self, open_store: OpenStore) -> None:
        keys = ["k" * 5_000 + end for end in ("1", "2")] + [
            "{a}:1",
            "{a}:2",
            "ключ \n*?[",
            "a",
            "A",
        ]
        store = open_store()
        await store.put([Fill(key, str(index).encode(), 60) for index, key in enumerate(keys)])

        assert list(await store.get(keys)) == [str(index).encode() for index in range(len(keys))]

    async def test_many_are_got_in_the_order_asked_for(self, open_store: OpenStore) -> None:
        store = open_store()
        await store.put([Fill(f"key {n}", b"%d" % n, 60) for n in range(0, 1_000, 2)])

        stored = await store.get([f"key {n}" for n in range(1_000)])

        assert list(stored) == [None if n % 2 else b"%d" % n for n in range(1_000)]

    async def test_an_entry_is_gone_after_its_lifetime(self, open_store: OpenStore) -> None:
        store = open_store()
        await store.put([Fill("short", b"value", 0.05), Fill("long", b"value", 60)])

        async def is_gone() -> bool:
            [stored] = await store.get(["short"])
            return stored is None

        await eventually(is_gone)
        assert list(await store.get(["long"])) == [b"value"]

    async def test_purges_and_epochs_remove_no_entries(self, open_store: OpenStore) -> None:
        """What is older than a purge or of another epoch is judged, not removed: O(1)."""
        store = open_store()
        await store.put([Fill("a", b"value", 60)])
        await store.invalidate(["tag"])
        await store.renew()

        assert list(await store.get(["a"])) == [b"value"]
