"""The memory tier: bounded by bytes, forgets what was not used, keeps nothing that it must not."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cache.fragment import Fragment
from cache.protocol import Stamp
from cache.tier import LARGEST_SHARE, MemoryTier, Remembered

STAMP = Stamp("epoch", {"tag": 1}, stored=1.0, soft=2.0, hard=3.0)
STRICT = Stamp("epoch", {"tag": 1}, stored=1.0, soft=2.0, hard=3.0, strict=True)
SMALL = Remembered("k0", "", STAMP, 100).cost
"""What one of the items below counts for."""


def tier_of(items: int) -> MemoryTier:
    """One that has room for so many small items."""
    return MemoryTier(items * SMALL)


def put(tier: MemoryTier, key: str, value: Any = "", size: int = 100) -> None:
    tier.put(key, value, STAMP, size)


def test_what_was_put_is_what_comes_back() -> None:
    tier = tier_of(10)
    value = object()
    tier.put("k0", value, STAMP, 30, 7)
    item = tier.get("k0")
    assert item is not None
    assert (item.key, item.value, item.stamp, item.size, item.judged) == (
        "k0", value, STAMP, 30, 7,
    )  # fmt: skip
    assert item.value is value  # one object for all: see `test_frozen.py`
    item.judged = 8
    again = tier.get("k0")
    assert again is not None
    assert again.judged == 8
    assert tier.get("k1") is None


@pytest.mark.parametrize("value", [None, 0, "", False, (), frozenset()])
def test_values_that_look_like_nothing_are_remembered(value: Any) -> None:
    tier = tier_of(10)
    tier.put("k0", value, STAMP, 1)
    item = tier.get("k0")
    assert item is not None
    assert item.value is value
    assert item.judged is None


def test_what_was_used_the_longest_ago_goes_first() -> None:
    tier = tier_of(10)
    for number in range(10):
        put(tier, f"k{number}")
    assert len(tier) == 10
    assert tier.get("k0") is not None
    put(tier, "k1")  # a new value is a use too
    for number in range(2):
        put(tier, f"n{number}")
    assert [key for key in (f"k{number}" for number in range(10)) if not tier.get(key)] == [
        "k2",
        "k3",
    ]


def test_a_replaced_or_forgotten_value_takes_no_room() -> None:
    tier = tier_of(20)
    for size in (100, 500, 100):
        put(tier, "k0", size=size)
        assert len(tier) == 1
    assert tier.bytes == SMALL
    tier.discard("k0")
    tier.discard("never there")
    assert (len(tier), tier.bytes) == (0, 0)


def test_what_is_too_large_is_not_kept_and_costs_nothing_else_its_place() -> None:
    tier = tier_of(LARGEST_SHARE)
    for number in range(LARGEST_SHARE):
        put(tier, f"k{number}")
    put(tier, "k0", size=101)  # one byte more than its share
    assert tier.get("k0") is None, "the value before it is old, and must not be served"
    assert len(tier) == LARGEST_SHARE - 1
    put(tier, "k0", size=100)
    assert len(tier) == LARGEST_SHARE


def test_strict_values_are_not_remembered() -> None:
    tier = tier_of(10)
    put(tier, "k0")
    tier.put("k0", "", STRICT, 100)
    assert tier.get("k0") is None
    assert len(tier) == 0


def test_rows_count_for_more_than_their_bytes_and_fragments_do_not() -> None:
    flat, decoded = (Remembered("k0", it, STAMP, 500).cost for it in (Fragment(b"1"), (1, 2)))
    assert decoded - flat == 1_000
    tags = {f"tag:{number}": 1 for number in range(11)}
    tagged = Stamp("epoch", tags, stored=1.0, soft=2.0, hard=3.0)
    assert Remembered("k0", "", tagged, 100).cost - SMALL == 10 * 110


@pytest.mark.parametrize("wrong", [0, -1, True])
def test_a_size_that_cannot_be_is_refused(wrong: int) -> None:
    with pytest.raises(ValueError, match=f"max_bytes must be more than 0, got {wrong}"):
        MemoryTier(wrong)


steps = st.tuples(
    st.sampled_from(["put", "get", "discard"]), st.integers(0, 30), st.integers(0, 3_000)
)


@settings(deadline=None)
@given(st.lists(steps, max_size=200), st.integers(1, 40))
def test_it_is_bounded_whatever_is_done(done: list[tuple[str, int, int]], room: int) -> None:
    """It never holds more than it may, counts what it holds, and answers the newest value only."""
    tier, newest = tier_of(room), dict[str, int]()
    for at, (step, number, size) in enumerate(done):
        key = f"k{number}"
        if step == "put":
            newest[key] = at
            tier.put(key, at, STAMP, size)
        elif step == "discard":
            newest.pop(key, None)
            tier.discard(key)
        item = tier.get(key)
        assert item is None or item.value == newest[key]
        assert tier.bytes <= room * SMALL
        held = [it for it in (tier.get(f"k{number}") for number in range(31)) if it]
        assert len(tier) == len(held)
        assert tier.bytes == sum(it.cost for it in held)


def test_one_large_export_does_not_empty_it() -> None:
    """10,000 rows read once, in between 50 that are read all the time."""
    tier, source, hits = tier_of(200), random.Random(1), 0
    for number in range(10_000):
        for key in (f"hot{source.randrange(50)}", f"scan{number}"):
            hits += tier.get(key) is not None
            put(tier, key)
    assert hits > 9_000
