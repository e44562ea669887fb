"""The application of a simulated world: cached functions of every kind, and what they return."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ...context import current_frame, current_viewer, depend_on
from ...decorator import CachedFunction, cached
from ...loader import Loader
from ...policy import CachePolicy, CacheScope, Consistency
from ...protocol import Position
from .database import UNKNOWN, Database, Part, Transaction, item_of, list_of, orders_of, tag_of


class Seen(msgspec.Struct, frozen=True):
    """What a function returns: the cells that it read, for whom, and the number of its load."""

    load: int
    parts: tuple[Part, ...]
    viewer: str | None = None


@dataclass(slots=True, eq=False)
class Context:
    """What a request hands to the functions. `loads` has the position at which each load began.

    `memory` is only used with W4 broken: what a writer holds in memory, read instead of the rows.
    """

    database: Database
    owner: str
    loads: list[Position | None]
    transaction: Transaction | None = None
    memory: dict[str, Part] = field(default_factory=dict)
    loader: Loader[str, Part] = field(init=False)

    def __post_init__(self) -> None:
        self.loader = Loader(self._batch, lambda cell: [tag_of(cell)])

    async def _batch(self, cells: Sequence[str]) -> Mapping[str, Part]:
        return {part.cell: part for part in await self.database.read(self.owner, cells)}

    def begins(self) -> int:
        """The number of the load that begins here."""
        frame = current_frame()
        self.loads.append(None if frame is None else frame.position)
        return len(self.loads) - 1

    async def read(self, *cells: str) -> tuple[Part, ...]:
        if self.transaction is not None:
            return tuple([await self.transaction.read(cell) for cell in cells])
        if self.memory:
            return tuple(self.memory.get(cell) or self.database.now(cell) for cell in cells)
        return tuple(await self.database.read(self.owner, cells))


def _items(ctx: Context, number: int) -> Iterable[str]:
    return [tag_of(item_of(number))]


def _category(ctx: Context, category: str) -> Iterable[str]:
    return [tag_of(list_of(category))]


async def _item(ctx: Context, number: int) -> Seen | None:
    load = ctx.begins()
    parts = await ctx.read(item_of(number))
    return None if parts[0].value is None else Seen(load, parts)


_ITEM = CachePolicy(
    ttl=8,
    stale_while_revalidate=4,
    negative_ttl=3,
    jitter=0.2,
    early=1.0,
    namespace="items",
    scope=CacheScope.PUBLIC,
)


@cached(_ITEM, tags=_items)
async def item(ctx: Context, number: int) -> Seen | None:
    """One row; None is a value."""
    return await _item(ctx, number)


@cached(CachePolicy(ttl=10, consistency=Consistency.STRICT, scope=CacheScope.PUBLIC), tags=_items)
async def strict(ctx: Context, number: int) -> Seen | None:
    """The same, never behind what was published."""
    return await _item(ctx, number)


_LAX = CachePolicy(
    ttl=2,
    stale_while_revalidate=2,
    stale_if_error=30,
    load_timeout=0.2,
    scope=CacheScope.PUBLIC,
)


@cached(_LAX, tags=_items)
async def lax(ctx: Context, number: int) -> Seen | None:
    """The same, though stale while the database is slow or away."""
    return await _item(ctx, number)


@cached(CachePolicy(ttl=6, lease=1.0, scope=CacheScope.PUBLIC), tags=_items)
async def leased(ctx: Context, number: int) -> Seen | None:
    """The same, loaded by one process at a time."""
    return await _item(ctx, number)


@cached(CachePolicy(ttl=10, scope=CacheScope.PUBLIC), tags=_category)
async def listing(ctx: Context, category: str) -> Seen:
    """A list and its rows: several tags, and rows that the request's loader remembers."""
    load = ctx.begins()
    [found] = await ctx.read(list_of(category))
    rows = await ctx.loader.load_many([item_of(number) for number in _numbers(found)])
    return Seen(load, (found, *(row for row in rows if row is not None)))


@cached(
    CachePolicy(ttl=10, scope=CacheScope.PUBLIC),
    tags=_category,
    result_tags=lambda seen: [tag_of(part.cell) for part in seen.parts],
)
async def found(ctx: Context, category: str) -> Seen:
    """The same by one statement, with tags that only the result can tell."""
    load = ctx.begins()
    [members] = await ctx.read(list_of(category))
    rows = await ctx.read(*(item_of(number) for number in _numbers(members)))
    return Seen(load, (members, *rows))


@cached(CachePolicy(ttl=10, scope=CacheScope.PUBLIC), tags=_category)
async def counted(ctx: Context, category: str) -> Seen:
    """A list without its rows."""
    return Seen(ctx.begins(), await ctx.read(list_of(category)))


@cached(CachePolicy(ttl=10, scope=CacheScope.PUBLIC), tags=_items)
async def neighbours(ctx: Context, number: int) -> Seen:
    """The category of an item: a tag that only the load finds out."""
    load = ctx.begins()
    [row] = await ctx.read(item_of(number))
    if row.value is None:
        return Seen(load, (row,))
    depend_on(tag_of(list_of(row.value)))
    return Seen(load, (row, *await ctx.read(list_of(row.value))))


@cached(CachePolicy(ttl=12, stale_while_revalidate=3, scope=CacheScope.PUBLIC), tags=_category)
async def page(ctx: Context, category: str) -> Seen:
    """Made of other cached values."""
    load = ctx.begins()
    members = await listing(ctx, category)
    numbers = _numbers(members.parts[0])
    rows = await asyncio.gather(*(item(ctx, number) for number in numbers))
    return Seen(load, (*members.parts, *_parts(numbers, rows)))


@cached(CachePolicy(ttl=12, scope=CacheScope.PUBLIC))
async def holder(ctx: Context, number: int) -> Seen:
    """A bounded value around a strict one, with no tag of its own: strict as a whole."""
    load = ctx.begins()
    return Seen(load, _parts([number], [await strict(ctx, number)]))


@cached(CachePolicy(ttl=12, consistency=Consistency.STRICT, scope=CacheScope.PUBLIC), tags=_items)
async def outer(ctx: Context, number: int) -> Seen:
    """A strict value around a bounded one: its barrier goes down with the load."""
    load = ctx.begins()
    return Seen(load, _parts([number], [await item(ctx, number)]))


@cached(CachePolicy(ttl=10), tags=lambda ctx: [tag_of(orders_of(current_viewer()))])
async def mine(ctx: Context) -> Seen:
    """One viewer's own."""
    load, viewer = ctx.begins(), current_viewer()
    return Seen(load, await ctx.read(orders_of(viewer)), viewer)


def _numbers(members: Part) -> list[int]:
    return [int(number) for number in members.value.split(",")] if members.value else []


def _parts(numbers: Sequence[int], rows: Sequence[Seen | None]) -> tuple[Part, ...]:
    return tuple(
        Part(item_of(number), UNKNOWN, None) if row is None else row.parts[0]
        for number, row in zip(numbers, rows, strict=True)
    )


OF_ITEMS: Mapping[str, CachedFunction[..., Any]] = {
    "item": item,
    "strict": strict,
    "lax": lax,
    "leased": leased,
    "neighbours": neighbours,
    "holder": holder,
    "outer": outer,
}
OF_CATEGORIES: Mapping[str, CachedFunction[..., Any]] = {
    "listing": listing,
    "found": found,
    "counted": counted,
    "page": page,
}
FUNCTIONS: Mapping[str, CachedFunction[..., Any]] = {**OF_ITEMS, **OF_CATEGORIES, "mine": mine}
LEAVES = frozenset({"item", "strict", "lax", "neighbours", "found", "counted", "mine"})
"""Functions that look up nothing but themselves."""

STRICT = frozenset({"strict", "outer", "holder"})
"""Functions whose values are strict, or have a strict part."""


def parts_of(name: str, arguments: Sequence[object], value: Seen | None) -> tuple[Part, ...]:
    """The cells in an answer of the function `name`; for None the one that is not there."""
    if value is None:
        return (Part(item_of(int(str(arguments[0]))), UNKNOWN, None),)
    return value.parts
