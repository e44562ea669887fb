"""What is written behind: an operation, and the rule by which two of them become one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from ..errors import DeclarationError

V = TypeVar("V")

Changes = Mapping[str, Mapping[str, V]]
"""Values by key and field."""

LARGEST = 2**53 - 1
"""The largest amount, in either direction: scripts of Redis count in doubles."""

_LONGEST_NAME = 100
"""Characters; it is a key of the table of progress, too."""


@dataclass(frozen=True, slots=True)
class Rule(Generic[V]):
    """How two operations on one field become one, and how they are written in the stream.

    - `merge`: the earlier and the later value, as one.
    - `commutes`: whether the order makes no difference.
    - `initial`: the value of a field that has no row.
    - `script`: what Redis's scripts do to a live value, `sum` or `last`; "": they cannot, and there
      is no live value.
    - `encode` and `decode`: a value as text, and back.
    - `check` raises `ValueError` for a value that cannot be written.
    """

    name: str
    merge: Callable[[V, V], V]
    commutes: bool
    encode: Callable[[V], str]
    decode: Callable[[str], V]
    initial: V
    script: str = ""
    check: Callable[[V], None] = lambda value: None


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _check_amount(amount: Any) -> None:
    is_integer: bool = isinstance(amount, int)  # a value of whoever calls
    if not is_integer or not -LARGEST <= amount <= LARGEST:
        raise ValueError(f"an amount must be an integer within ±{LARGEST}, got {amount!r}")


SUM: Rule[int] = Rule(
    "SUM",
    merge=lambda earlier, later: earlier + later,
    commutes=True,
    encode=str,
    decode=int,
    initial=0,
    script="sum",
    check=_check_amount,
)
"""Integers are added up."""

LAST: Rule[Any] = Rule(
    "LAST",
    merge=lambda _, later: later,
    commutes=False,
    encode=_json,
    decode=msgspec.json.decode,
    initial=None,
    script="last",
)
"""The last value wins; anything that JSON can hold."""


def better_of(order: Callable[[Any], Any]) -> Rule[Any]:
    """The better of two wins: that with the larger `order(value)`; of equals, the earlier one.

    Redis's scripts do not know the order, so there is no live value.
    """

    def merge(earlier: Any, later: Any) -> Any:
        return later if order(later) > order(earlier) else earlier

    return Rule("better_of", merge, True, _json, msgspec.json.decode, None)


def folded(merge: Callable[[Any, Any], Any], *, commutes: bool = False) -> Rule[Any]:
    """A function of yours makes one of the earlier and the later value. There is no live value."""
    return Rule("folded", merge, commutes, _json, msgspec.json.decode, None)


@dataclass(frozen=True, kw_only=True)
class Operation(Generic[V]):
    """One kind of write that is acknowledged before it is in SQL.

    - `name` tells the write-behinds of one database apart; it is part of the Redis keys.
    - `rule`: `SUM`, `LAST`, `better_of(order)`, `folded(function)`, or a `Rule` of your own.
    - `apply(connection, changes)` writes merged values into SQL, keys sorted, inside of the
      transaction of the flusher. It returns the keys that have no row to go to: what was to be
      done to those is dropped. Whatever it raises (but that the database is away) is blamed on an
      operation.
    - `read(connection, keys)` returns SQL's values by key and field, those that there are. Without
      it there is no live value.
    - `fields` of a record: the operations on one are apart from those on the others.
    - `commutes`: the rule's, if not given; False where `apply` makes the order matter.
    - `directly`: while Redis cannot be reached, apply it to SQL at once.

    Raises `DeclarationError` for what contradicts itself.
    """

    name: str
    rule: Rule[V]
    apply: Callable[[Any, Changes[V]], Awaitable[Collection[str]]]
    read: Callable[[Any, Sequence[str]], Awaitable[Changes[V]]] | None = None
    fields: tuple[str, ...] = ("value",)
    commutes: bool | None = None
    directly: bool = False

    def __post_init__(self) -> None:
        if self.commutes is None:
            object.__setattr__(self, "commutes", self.rule.commutes)
        for wrong, why in _contradictions(self):
            if wrong:
                raise DeclarationError(f"the operation {self.name!r} {why}")

    @property
    def is_live(self) -> bool:
        """Whether its values can be read with what is not in SQL yet."""
        return self.read is not None

    def field(self, name: str | None) -> str:
        """`name`, or the only field. Raises `ValueError` for one that the operation has not."""
        if name is None and len(self.fields) == 1:
            return self.fields[0]
        if name not in self.fields:
            known = ", ".join(self.fields)
            raise ValueError(f"expected a field of {self.name!r} ({known}), got {name!r}")
        return name


def _contradictions(it: Operation[Any]) -> Iterable[tuple[bool, str]]:
    rule = it.rule.name
    yield (
        not 0 < len(it.name) <= _LONGEST_NAME or bool(set(it.name) & set("{}")),
        f"needs a name of 1 to {_LONGEST_NAME} characters without braces, which would move its "
        "Redis keys to other slots",
    )
    yield (
        not it.fields or len(set(it.fields)) < len(it.fields) or not all(it.fields),
        f"needs one field or more, each with a name of its own, got {it.fields!r}",
    )
    yield (
        "world" in it.fields,
        "has a field 'world', which is a name that live values need themselves: choose another",
    )
    yield (
        bool(it.commutes) and not it.rule.commutes,
        f"is said to commute, but by its rule {rule} the order decides: leave `commutes` out",
    )
    yield (
        it.directly and not it.commutes,
        "does not commute, but is to be applied directly while Redis is away: it would get ahead "
        "of those that wait in Redis. Leave `directly` out",
    )
    yield (
        it.is_live and not it.rule.script,
        f"has a `read`, but by its rule {rule} Redis cannot keep a live value: leave `read` out "
        "and read the database, or use SUM or LAST",
    )


@dataclass(frozen=True, slots=True)
class Entry:
    """An operation in the stream: `payload` is what the rule encoded."""

    id: str
    key: str
    field: str
    payload: str


def merged(operation: Operation[V], entries: Iterable[Entry]) -> dict[str, dict[str, V]]:
    """The operations as one for each key and field, in the order of the keys: locks, too, are
    then taken in one order. Raises what the rule's functions raise."""
    rule = operation.rule
    changes: dict[str, dict[str, V]] = {}
    for entry in entries:
        fields = changes.setdefault(entry.key, {})
        value = rule.decode(entry.payload)
        known = entry.field in fields
        fields[entry.field] = rule.merge(fields[entry.field], value) if known else value
    return dict(sorted(changes.items()))
