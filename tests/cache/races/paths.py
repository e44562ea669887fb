"""Every way in which a load that began before a write can end after it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from cache import CachePolicy, CacheScope
from tests.cache.races.following import looked_up
from tests.cache.races.race import EVERYWHERE, STORED
from tests.support.world import Gate, Reads, World


@dataclass(frozen=True)
class Begun:
    """A load under way at A that has read the old row. `end` lets it end, and fill.

    `by` is the function whose value it is, `shows` what that returns for a row.
    """

    by: Any
    end: Callable[[], Awaitable[Any]]
    shows: Callable[[str], Any] = lambda row: row


@dataclass(frozen=True)
class Path:
    """`lost_without`: the rule that keeps its fill from being taken for a newer one; `two_epochs`:
    the rules that do so where a new epoch begins meanwhile."""

    name: str
    begin: Callable[[World], Awaitable[Begun]]
    lost_without: str
    two_epochs: tuple[str, ...] = ("l1_epoch",)
    reads: frozenset[Reads] = field(default=EVERYWHERE)
    joinable: bool = True


def public(**options: Any) -> CachePolicy:
    return CachePolicy(scope=CacheScope.PUBLIC, **options)


# ---- a reader waits for it ----


async def foreground(world: World) -> Begun:
    load = world.rows.hold_next()
    reader = world.task(world.get(at=world.a))
    await load.reached.wait()
    return Begun(world.row, lambda: _ends(load, reader))


async def joined(world: World) -> Begun:
    begun = await foreground(world)
    second = world.task(world.get(at=world.a))
    await looked_up(world, 2)

    async def end() -> None:
        await begun.end()
        await second

    return Begun(world.row, end)


async def refill(world: World) -> Begun:
    """A mutation's own answer reads what it wrote, and a newer writer comes in between."""
    world.rows.values[1] = "before"
    await world.see()
    writer = world.client()
    await writer.write(1, "old", at=world.a)
    load = world.rows.hold_next()
    reader = world.task(writer.read(at=world.a))
    await load.reached.wait()
    return Begun(world.row, lambda: _ends(load, reader))


async def nested(world: World) -> Begun:
    await world.get(by=world.outer)  # or its own watermark, made by its first fill, would save it
    await world.a.cache.invalidate(["outer:1"])
    await world.settle()
    load = world.rows.hold_outer()
    reader = world.task(world.get(at=world.a, by=world.outer))
    await load.reached.wait()
    return Begun(world.outer, lambda: _ends(load, reader), lambda row: ("outer", row))


async def leased(world: World) -> Begun:
    """A's load holds the lease for which another worker's waits."""
    other = await world.joins()
    by = world.declare(public(ttl=600, lease=5))
    load = world.rows.hold_next()
    first = world.task(world.get(at=world.a, by=by))
    await load.reached.wait()
    second = world.task(world.get(at=other, by=by))
    await looked_up(world, 1, at=other)

    async def end() -> None:
        await _ends(load, first)
        await second

    return Begun(by, end)


async def loader(world: World) -> Begun:
    """The rows that a request's loader remembers are older than its later fields."""
    rows = world.loader()
    first, second = world.by_loader(rows), world.by_loader(rows)
    await world.get(by=first)

    async def end() -> None:
        await world.get(by=second)
        rows.clear()

    return Begun(second, end)


async def _ends(load: Gate, reader: Awaitable[Any]) -> None:
    load.open()
    await reader


# ---- nobody waits for it ----


async def refresh(world: World) -> Begun:
    by = world.declare(public(ttl=10, stale_while_revalidate=600))
    await _grows_old(world, by, 20)
    load = world.rows.hold_next()
    assert await world.get(at=world.a, by=by) == "old"
    await load.reached.wait()
    return Begun(by, lambda: _ends_by_itself(world, load))


async def early(world: World) -> Begun:
    by = world.declare(public(ttl=10, early=1.0))
    slow = world.rows.hold_next()
    first = world.task(world.get(at=world.a, by=by))
    await slow.reached.wait()
    await world.passes(1)  # what the load costs
    await world.settle()
    slow.open()
    await first
    await _grows_old(world, by, 5)
    world.chance = 0.999
    load = world.rows.hold_next()
    assert await world.get(at=world.a, by=by) == "old"
    world.chance = 0.0
    await load.reached.wait()
    return Begun(by, lambda: _ends_by_itself(world, load))


async def late(world: World) -> Begun:
    by = world.declare(public(ttl=10, stale_if_error=600, load_timeout=1))
    await _grows_old(world, by, 20)
    load = world.rows.hold_next()
    reader = world.task(world.get(at=world.a, by=by))
    await load.reached.wait()
    await world.turns()
    await world.passes(1)
    assert await reader == "old"
    await world.settle()
    return Begun(by, lambda: _ends_by_itself(world, load))


async def _grows_old(world: World, by: Any, seconds: float) -> None:
    await world.see(by=by)
    await world.passes(seconds)
    await world.settle()


async def _ends_by_itself(world: World, load: Gate) -> None:
    filled = world.facts.fills
    load.open()
    await world.until(lambda: world.is_naive or world.facts.fills > filled)
    await world.turns()


PATHS = [
    Path("foreground", foreground, "l1_stamp"),
    Path("joined flight", joined, "l1_stamp"),
    Path("write-through refill", refill, "l1_stamp"),
    Path("nested fill", nested, "l2_nested", two_epochs=("l1_epoch", "l2_nested")),
    Path("lease", leased, "l1_stamp"),
    Path("data loader", loader, "l2_memory", two_epochs=("l2_epochs",), joinable=False),
    Path("refresh", refresh, "l5_began"),
    Path("early refresh", early, "l5_began"),
    Path("late load", late, "l1_stamp", reads=STORED),
]
