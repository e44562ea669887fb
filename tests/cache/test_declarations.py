"""What `@cached` and `CachePolicy` refuse, and what they keep."""

import enum
import inspect
import math
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
import strawberry

from cache import CachePolicy, CacheScope, DeclarationError, cached
from cache.policy import MAX_LIFETIME

POLICY = CachePolicy(ttl=60, scope=CacheScope.PUBLIC)


class Color(enum.Enum):
    RED = "red"


class Row(msgspec.Struct, frozen=True):
    id: int
    name: str


@strawberry.type
class Shelf:
    """What Strawberry shows of a shelf."""

    id: int

    @strawberry.field
    async def books(self) -> int:
        return 0


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"ttl": 0}, r"ttl must be a number of seconds, above 0 .* got 0$"),
        ({"ttl": -1}, r"ttl .* got -1"),
        ({"ttl": math.nan}, r"ttl .* got nan"),
        ({"ttl": math.inf}, r"ttl .* got inf"),
        ({"ttl": "60"}, r"ttl .* got '60'"),
        ({"ttl": True}, r"ttl .* got True"),
        ({"ttl": 1, "negative_ttl": 0}, r"negative_ttl .* above 0"),
        ({"ttl": 1, "stale_while_revalidate": -1}, r"stale_while_revalidate .* 0 or more"),
        ({"ttl": MAX_LIFETIME, "stale_while_revalidate": 1}, r"at most 604800 s \(7 days\)"),
    ],
)
def test_policies_that_cannot_work_are_refused(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(DeclarationError, match=complaint):
        CachePolicy(**given)


def test_functions_that_cannot_be_cached_are_refused() -> None:
    def plain(row: int) -> int:
        return row

    async def unannotated(row: int):  # type: ignore[no-untyped-def]  # the point of the test
        return row

    async def variadic(*rows: int) -> int:
        return len(rows)

    async def method(self: Any, row: int) -> int:
        return row

    async def live_object() -> Color | inspect.Signature:
        return Color.RED

    async def graphql_type() -> Shelf | None:
        return None

    complaints = {
        plain: "needs an `async def` function",
        unannotated: "has no result annotation",
        variadic: "parameters must all be named",
        method: "is a method",
        live_object: "must return scalars, tuples or frozen structs",
        graphql_type: "return a frozen dataclass of what was read, not a type with resolvers",
    }
    for function, complaint in complaints.items():
        with pytest.raises(DeclarationError, match=complaint):
            cached(POLICY, tags=lambda *args, **kwargs: [])(function)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "tags", [lambda: ["row"], lambda ctx: [], lambda ctx, other: [], lambda ctx, row, more: []]
)
def test_tags_that_cannot_be_asked_like_the_function_are_refused(tags: Any) -> None:
    async def read(ctx: object, row: int) -> Row | None:
        return Row(row, "a")

    with pytest.raises(DeclarationError, match=r"must take its parameters \(ctx, row\), got"):
        cached(POLICY, tags=tags)(read)


def test_tags_may_take_what_only_has_a_name_or_only_a_place() -> None:
    async def read(row: int, /, *, part: str = "a") -> Row | None:
        return Row(row, part)

    assert cached(POLICY, tags=lambda row, *, part="a": [f"{row}:{part}"])(read).policy is POLICY
    assert cached(POLICY, tags=lambda *args, **kwargs: [])(read).policy is POLICY


def test_a_cached_function_can_be_read_without_a_call() -> None:
    @cached(POLICY, tags=lambda ctx, row: [f"row:{row}"])
    async def read(ctx: object, row: int) -> Row | None:
        """Reads a row."""
        return Row(row, "a")

    assert read.policy is POLICY
    assert read.__doc__ == "Reads a row."
    assert read.__name__ == "read"
    assert list(inspect.signature(read).parameters) == ["ctx", "row"]


def test_keys_tell_apart_whatever_differs() -> None:
    @cached(POLICY, tags=lambda *args, **kwargs: [])
    async def read(value: Any, more: Any = None) -> int:
        return 1

    arguments: list[tuple[Any, ...]] = [
        (1,), ("1",), (True,), (None,), ("",), (1.5,), ((1, 2),), ((1, (2,)),), ("a", "b"),
        ("a,b",), ('a","b',), (Color.RED, 1), (Row(1, "a"),), (Row(1, "b"),),
        (datetime(2026, 1, 1, tzinfo=UTC),), ({"a": 1, "b": 2},),
    ]  # fmt: skip
    keys = {read.call("anonymous", *given).key for given in arguments}

    assert len(keys) == len(arguments)
    same = [read.call("x", 1, more=2).key, read.call("y", value=1, more=2).key]
    assert same[0] == same[1]  # by name or by place, and whoever asks: it is public
    assert read.call("x", {"a": 1, "b": 2}).key == read.call("x", {"b": 2, "a": 1}).key


def test_an_argument_without_a_canonical_form_is_refused() -> None:
    @cached(POLICY, tags=lambda value: [])
    async def read(value: Any) -> int:
        return 1

    with pytest.raises(TypeError, match="cannot be part of a cache key"):
        read.call("anonymous", object())


def test_private_keys_hold_the_viewer() -> None:
    @cached(CachePolicy(ttl=1), tags=list)
    async def read() -> int:
        return 1

    viewers = ["anonymous", "7:CUSTOMER", "7:STAFF", "", '",1']
    assert len({read.call(viewer).key for viewer in viewers}) == len(viewers)
