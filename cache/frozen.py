"""Which result types a cached function may have: memory shares values, so none may change.

What memory hands out is one object for all readers, what Redis holds is decoded for each: they
are alike only if nobody can change the one, and if decoding gives back what was encoded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_origin

from msgspec import inspect

from .errors import DeclarationError

_INSTEAD: dict[type[inspect.Type], tuple[str, str]] = {
    inspect.ListType: ("a list", "a tuple, such as tuple[Row, ...]"),
    inspect.SetType: ("a set", "a frozenset"),
    inspect.DictType: ("a dict", "a frozen struct, or a tuple of pairs"),
    inspect.TypedDictType: ("a dict", "a frozen struct"),
    inspect.ByteArrayType: ("a bytearray", "bytes"),
    inspect.MemoryViewType: ("a memoryview", "bytes"),
    inspect.AnyType: ("Any, whose parts are decoded as lists and dicts", "the types it can have"),
    inspect.RawType: ("msgspec.Raw", "bytes, or a Fragment"),
    inspect.ExtType: ("msgspec.msgpack.Ext", "bytes"),
    inspect.CustomType: ("a type that cannot be decoded", "a frozen struct"),
}


def check_frozen(result: Any) -> None:
    """Raise `DeclarationError` if values of this type could be changed by those who read them."""
    for place, node in _walk(inspect.type_info(result), "the result", set()):
        if type(node) in _INSTEAD:
            is_, instead = _INSTEAD[type(node)]
            raise DeclarationError(
                f"a cached function must return frozen values, since all readers share them: "
                f"expected {instead}, got {is_} at {place} of {result!r}"
            )
        if isinstance(node, inspect.StructType | inspect.DataclassType) and not _is_frozen(node):
            raise DeclarationError(
                f"a cached function must return frozen values, since all readers share them: "
                f"{_plain(node).__qualname__} at {place} of {result!r} is not frozen, "
                f"declare it with frozen=True"
            )


def shape_of(result: Any) -> tuple[tuple[str, ...], ...]:
    """How each part of a type is decoded: its kind, and the order of fields without names.

    JSON schemas leave both out: a string may be a time, and two fields of a tuple that change
    places look the same, while their bytes decode as each other.
    """
    return tuple(
        (type(node).__name__, *_positions(node))
        for _, node in _walk(inspect.type_info(result), "", set())
    )


def _positions(node: inspect.Type) -> Iterator[str]:
    if isinstance(node, inspect.NamedTupleType) or (
        isinstance(node, inspect.StructType) and node.array_like
    ):
        yield from (field.name for field in node.fields)


def _is_frozen(node: inspect.StructType | inspect.DataclassType) -> bool:
    plain = _plain(node)
    if isinstance(node, inspect.StructType):
        return bool(plain.__struct_config__.frozen)
    parameters = getattr(plain, "__dataclass_params__", None)  # classes of attrs have none
    return parameters is not None and bool(parameters.frozen)


def _plain(node: inspect.StructType | inspect.DataclassType | inspect.NamedTupleType) -> Any:
    """The class itself, where the type is a generic one with its arguments."""
    return get_origin(node.cls) or node.cls


def _walk(node: inspect.Type, place: str, seen: set[int]) -> Iterator[tuple[str, inspect.Type]]:
    """Every type within a type, itself included, with where it is; recursive ones once."""
    if id(node) in seen:
        return
    seen.add(id(node))
    yield place, node
    for name, part in _parts(node):
        yield from _walk(part, name or place, seen)


def _parts(node: inspect.Type) -> Iterator[tuple[str | None, inspect.Type]]:
    if isinstance(node, inspect.StructType | inspect.DataclassType | inspect.NamedTupleType):
        for field in node.fields:
            yield f"{_plain(node).__qualname__}.{field.name}", field.type
    elif isinstance(node, inspect.Metadata):
        yield None, node.type
    elif isinstance(node, inspect.UnionType):
        yield from ((None, part) for part in node.types)
    elif isinstance(node, inspect.TupleType):
        yield from ((None, part) for part in node.item_types)
    elif isinstance(node, inspect.VarTupleType | inspect.FrozenSetType):
        yield None, node.item_type
