"""Keys of entries: what differs never meets, and shapes that differ neither."""

import enum
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cache.keys import entry_key, storage_key

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | texts
arguments = st.lists(scalars | st.lists(scalars, max_size=3).map(tuple), max_size=4).map(tuple)
viewers = st.none() | texts


def exactly(value: Any) -> str:
    """Tells apart 1, 1.0 and True, 0.0 and -0.0; not two values that are not numbers."""
    return repr(value)


@settings(deadline=None)
@given(viewers, arguments, viewers, arguments)
def test_calls_that_differ_have_keys_that_differ(
    viewer: str | None, one: tuple[Any, ...], other_viewer: str | None, other: tuple[Any, ...]
) -> None:
    same = exactly((viewer, one)) == exactly((other_viewer, other))
    assert (entry_key("f", viewer, one) == entry_key("f", other_viewer, other)) is same


def test_numbers_that_json_has_no_word_for_are_not_none() -> None:
    class Between(msgspec.Struct, frozen=True):
        low: float | None
        high: float | None

    limits = [None, math.inf, -math.inf, math.nan, 0.0, -0.0, 1e308, "null"]
    calls: list[tuple[Any, ...]] = [(limit,) for limit in limits]
    calls += [(None, limit) for limit in limits]
    calls += [(Between(None, limit),) for limit in limits[:-1]]  # type: ignore[arg-type]
    for viewer in (None, "7:STAFF", "null"):
        assert len({entry_key("f", viewer, call) for call in calls}) == len(calls)


def test_a_finite_call_has_a_readable_key() -> None:
    assert entry_key("shop.product", None, (42, None, "x")) == 'shop.product[null,42,null,"x"]'


def test_what_has_no_canonical_form_is_refused() -> None:
    class Mixed(enum.Enum):
        ONE = 1
        TWO = "2"

    recursive: list[Any] = []
    recursive.append(recursive)
    for wrong in (object(), {1: object()}, "\ud800", recursive, 1 + 2j):
        with pytest.raises(TypeError, match=r"an argument of f cannot be part of a cache key"):
            entry_key("f", None, (wrong,))
    assert entry_key("f", None, (Mixed.ONE, Mixed.TWO)) == 'f[null,1,"2"]'


def test_long_keys_are_digested_in_redis() -> None:
    short, long = "f[1]", f'f["{"x" * 200}"]'
    assert storage_key("p", short) == "p:e:f[1]"
    assert len(storage_key("p", long)) < 60
    assert storage_key("p", long) != storage_key("p", long.replace("x", "y"))
