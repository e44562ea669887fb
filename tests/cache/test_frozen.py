"""Values are frozen and the same in every tier: a miss, memory and Redis cannot be told apart."""

import enum
import importlib
import math
import pkgutil
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, Generic, Literal, NamedTuple, TypedDict, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import resolvers
from cache import CachedFunction
from cache.codec import Codec, decoder_for, encode_value
from cache.entry import Entry
from cache.errors import DeclarationError
from cache.keys import schema_digest
from cache.policy import Grain
from cache.protocol import Stamp

T = TypeVar("T")


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Rights(enum.IntFlag):
    READ = 1
    WRITE = 2


class Point(NamedTuple):
    x: int
    y: float


class Row(msgspec.Struct, frozen=True):
    id: int
    name: str | None


class Short(msgspec.Struct, frozen=True, array_like=True):
    id: int
    key: str | int


class Cat(msgspec.Struct, frozen=True, tag=True):
    lives: int


class Dog(msgspec.Struct, frozen=True, tag=True):
    name: str


class Tree(msgspec.Struct, frozen=True):
    value: int
    children: tuple["Tree", ...] = ()


class Box(msgspec.Struct, Generic[T], frozen=True):
    content: T


@dataclass(frozen=True)
class Money:
    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Order:
    lines: tuple[Money, ...]
    placed: datetime
    note: str | None = None


class Everything(msgspec.Struct, frozen=True):
    number: int
    real: float
    amount: Decimal
    text: str
    raw: bytes
    moment: datetime
    day: date
    hour: time
    span: timedelta
    name: UUID
    color: Color
    level: Level
    literal: Literal["a", "b"]
    flag: bool
    point: Point
    pair: tuple[int, tuple[str, ...]]
    names: frozenset[str]
    order: Order | None
    pet: Cat | Dog
    mixed: int | float | str | bool | None
    tree: Tree


# ---- as the tiers do it ----

STAMP = Stamp("epoch", {"tag": 1}, stored=1.0, soft=2.0, hard=3.0)


def first(value: Any, type_: Any) -> Any:
    """What a miss returns: what the stores will return, decoded from the payload itself."""
    return decoder_for(type_, Grain.VALUE)(encode_value(value, Grain.VALUE))


def from_redis(value: Any, type_: Any) -> Any:
    """What another worker gets."""
    codec = Codec(compress_above=100)
    stored = codec.encode(Entry("key", STAMP, encode_value(value, Grain.VALUE)))
    entry = codec.decode(stored, "key")
    assert entry is not None
    return decoder_for(type_, Grain.VALUE)(entry.payload)


def anatomy(value: Any) -> Any:
    """A value with the types of all its parts, so that `==` sees what a caller could see."""
    kind = type(value)
    if is_dataclass(value):
        return kind, [(it.name, anatomy(getattr(value, it.name))) for it in fields(value)]
    if isinstance(value, msgspec.Struct):
        names = value.__struct_fields__
        return kind, [(name, anatomy(getattr(value, name))) for name in names]
    if isinstance(value, tuple):
        return kind, [anatomy(part) for part in value]
    if isinstance(value, frozenset):
        return kind, sorted(map(repr, map(anatomy, value)))
    if isinstance(value, datetime | time):
        return kind, value.isoformat(), value.tzinfo
    if isinstance(value, float | Decimal):
        return kind, repr(value)  # 0.0 and -0.0, and what is not a number
    return kind, value


def zones() -> st.SearchStrategy[Any]:
    minutes = st.integers(-1439, 1439).map(lambda it: timezone(timedelta(minutes=it)))
    named = st.sampled_from(["Europe/Berlin", "Asia/Kathmandu", "America/Sao_Paulo"]).map(ZoneInfo)
    return st.none() | st.just(UTC) | minutes | named


moments = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 30), timezones=zones())
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
integers = st.integers(-(2**63), 2**64 - 1)
# A time of day has no date, so no named zone has an offset for it; and whole minutes is ISO 8601.
hours = st.times(timezones=st.none() | st.just(UTC))
amounts = st.decimals(allow_nan=False, allow_infinity=False)
orders = st.builds(
    Order,
    st.lists(st.builds(Money, amounts, texts), max_size=3).map(tuple),
    moments,
    st.none() | texts,
)
trees = st.recursive(
    st.builds(Tree, integers),
    lambda inner: st.builds(Tree, integers, st.lists(inner, max_size=3).map(tuple)),
    max_leaves=8,
)
everything = st.builds(
    Everything,
    number=integers,
    real=st.floats(),
    amount=amounts,
    text=texts,
    raw=st.binary(max_size=20),
    moment=moments,
    day=st.dates(),
    hour=hours,
    span=st.timedeltas(timedelta(days=-10_000), timedelta(days=10_000)),
    name=st.uuids(),
    color=st.sampled_from(Color),
    level=st.sampled_from(Level),
    literal=st.sampled_from(["a", "b"]),
    flag=st.booleans(),
    point=st.builds(Point, integers, st.floats()),
    pair=st.tuples(integers, st.lists(texts, max_size=3).map(tuple)),
    names=st.frozensets(texts, max_size=4),
    order=st.none() | orders,
    pet=st.builds(Cat, integers) | st.builds(Dog, texts),
    mixed=integers | st.floats() | texts | st.booleans() | st.none(),
    tree=trees,
)


# ---- values ----


@settings(deadline=None)
@given(everything)
def test_a_miss_memory_and_redis_give_the_same(value: Everything) -> None:
    missed = first(value, Everything)
    assert anatomy(from_redis(value, Everything)) == anatomy(missed)
    # A value that was read can be returned by another cached function: it stays what it is.
    assert anatomy(first(missed, Everything)) == anatomy(missed)


@settings(deadline=None)
@given(everything)
def test_a_miss_gives_what_the_function_returned(value: Everything) -> None:
    """Equal, and of equal types, but that moments with a zone are in UTC.

    They are compared there: Python calls no two moments equal whose zones differ, if one of them
    is in the hour that a clock skips or repeats (PEP 495).
    """
    missed, order = first(value, Everything), value.order
    utc = msgspec.structs.replace(
        value,
        moment=in_utc(value.moment),
        order=order and Order(order.lines, in_utc(order.placed), order.note),
    )
    if "nan" not in repr(value):  # which is not equal to itself
        assert missed == utc
    assert anatomy(missed) == anatomy(utc)


def in_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo is None else moment.astimezone(UTC)


@pytest.mark.parametrize(
    ("value", "type_", "becomes"),
    [
        (1, float, 1.0),
        (Row(1, "a"), Row | None, Row(1, "a")),
        ([1, 2], tuple[int, ...], (1, 2)),
        (Point(1, 2.0), tuple[int, float], (1, 2.0)),
        (Level.LOW, int, 1),
        (math.nan, float, math.nan),
        (-0.0, float, -0.0),
        (None, Row | None, None),
        ("", str, ""),
        (0, int, 0),
        (False, bool, False),
        ((), tuple[int, ...], ()),
        (Rights.READ | Rights.WRITE, Rights, Rights.READ | Rights.WRITE),
        (Box(1), Box[int], Box(1)),
        (datetime(2026, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin")), datetime,
         datetime(2026, 7, 1, 10, tzinfo=UTC)),
        (datetime(2026, 7, 1, 12), datetime, datetime(2026, 7, 1, 12)),
    ],
)  # fmt: skip
def test_what_is_not_quite_the_declared_type_becomes_it_at_once(
    value: Any, type_: Any, becomes: Any
) -> None:
    assert anatomy(first(value, type_)) == anatomy(becomes)
    assert anatomy(from_redis(value, type_)) == anatomy(becomes)


class Name(str):
    """A subclass of a built-in type: it would come back as another type."""

    __slots__ = ()


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        (1, str), (True, int), ("1", int), (1.5, int), (None, int), ((1,), tuple[int, int]),
        (Row("1", None), Row), (Name("x"), str), (2**64, int), (object(), Row), ("\ud800", str),
        (Cat(9), Dog), (3, Level), ("green", Color),
    ],
)  # fmt: skip
def test_what_is_not_the_declared_type_is_an_error(value: Any, type_: Any) -> None:
    """The engine serves such a value uncached, and says so: see `Defect`."""
    with pytest.raises((TypeError, ValueError)):
        first(value, type_)


# ---- types ----


class Mutable(msgspec.Struct):
    id: int


class Holder(msgspec.Struct, frozen=True):
    rows: list[int]


class Nested(msgspec.Struct, frozen=True):
    parts: tuple[Holder | None, ...]


@dataclass
class Plain:
    id: int


@dataclass(frozen=True)
class WithPlain:
    plain: Plain


class Keyed(TypedDict):
    id: int


class Open(NamedTuple):
    names: set[str]


@pytest.mark.parametrize(
    ("type_", "complaint"),
    [
        (list[int], r"expected a tuple, such as tuple\[Row, ...\], got a list at the result of"),
        (dict[str, int], r"expected a frozen struct, or a tuple of pairs, got a dict"),
        (set[int], r"expected a frozenset, got a set"),
        (bytearray, r"expected bytes, got a bytearray"),
        (memoryview, r"expected bytes, got a memoryview"),
        (Any, r"got Any, whose parts"),
        (tuple, r"got Any, whose parts"),
        (msgspec.Raw, r"got msgspec.Raw"),
        (Sequence[int], r"expected a tuple"),
        (Mapping[str, int], r"got a dict"),
        (Keyed, r"expected a frozen struct, got a dict"),
        (Mutable, r"Mutable at the result of .* is not frozen, declare it with frozen=True"),
        (Plain, r"Plain at the result of .* is not frozen"),
        (Holder, r"got a list at Holder.rows of"),
        (Nested, r"got a list at Holder.rows of"),
        (WithPlain, r"Plain at WithPlain.plain of .* is not frozen"),
        (Open, r"got a set at Open.names"),
        (tuple[int, frozenset[tuple[Mutable, ...]]], r"Mutable at the result of .* is not frozen"),
        (Row | list[int], r"got a list"),
        (Box[list[int]], r"got a list at Box.content"),
        (Box, r"got Any, .* at Box.content"),
    ],
)
def test_types_whose_values_could_change_are_refused(type_: Any, complaint: str) -> None:
    with pytest.raises(DeclarationError, match=complaint):
        decoder_for(type_, Grain.VALUE)


@pytest.mark.parametrize("type_", [object, Iterable[int], complex, Cat | Row, datetime | str])
def test_types_that_cannot_be_decoded_are_refused(type_: Any) -> None:
    with pytest.raises(DeclarationError):
        decoder_for(type_, Grain.VALUE)


def test_a_list_would_be_shared_without_the_check() -> None:
    """The control: why lists are refused. Memory hands out one object to everybody."""
    remembered = msgspec.msgpack.Decoder(Holder).decode(encode_value(Holder([1]), Grain.VALUE))
    remembered.rows.append(2)  # by one reader
    assert remembered != Holder([1])  # for all others


def functions() -> list[CachedFunction[Any, Any]]:
    """Every cached function of the store."""
    names = [module.name for module in pkgutil.iter_modules(resolvers.__path__, "resolvers.")]
    members = [it for name in names for it in vars(importlib.import_module(name)).values()]
    return list({it.name: it for it in members if isinstance(it, CachedFunction)}.values())


def test_every_cached_function_of_the_store_returns_frozen_values() -> None:
    found = functions()
    assert len(found) > 15
    for function in found:
        result = typing.get_type_hints(function.uncached)["return"]
        decoder_for(result, function.policy.grain)


# ---- the schema digest ----


def test_a_type_that_changes_its_shape_changes_its_digest() -> None:
    class Swapped(msgspec.Struct, frozen=True, array_like=True):
        first: int
        second: int

    before = schema_digest(Swapped)

    class Swapped(msgspec.Struct, frozen=True, array_like=True):  # type: ignore[no-redef]
        second: int
        first: int

    digests = [schema_digest(it) for it in (
        int, str, datetime, time, date, timedelta, UUID, Decimal, float, bytes, bool, int | None,
        tuple[int, ...], frozenset[int], tuple[int, int], Point, Row, Short, Cat, Dog, Cat | Dog,
        Swapped, Tree, Box[int], Box[str], Money, Everything, Color, Level,
    )]  # fmt: skip
    assert len({before, *digests}) == len(digests) + 1
    assert schema_digest(Tree) == schema_digest(Tree)
