"""No stale fill, on any path: a load that began before a write never serves who came after it.

1. A load reads the old row, by one of the paths  2. W commits, purges, is acknowledged  3. what
the test is named for  4. the load ends and fills  5. S reads, at every worker, in every tier.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from cache.protocol import ALL, Rules
from tests.cache.races.conftest import LOOSE, TOPOLOGIES, MakeTopology, MakeWorld
from tests.cache.races.paths import PATHS, Path
from tests.cache.races.race import FOLLOWING, STORED
from tests.cache.races.writing import marks
from tests.support.world import Reads, World
from tests.support.worlds.naive import naive


async def purged(world: World, path: Path) -> tuple[Any, Any]:
    """Nothing more."""
    begun = await path.begin(world)
    await world.write(1, "new")
    await world.settle()
    await begun.end()
    return await world.see(by=begun.by), {begun.shows("new")}


async def reader_arrives(world: World, path: Path) -> tuple[Any, Any]:
    """S arrives before the load ends, and finds it under way."""
    begun = await path.begin(world)
    await world.write(1, "new")
    await world.settle()
    answered = world.a.link.answered["get"]
    reader = world.task(world.get(at=world.a, by=begun.by))
    await world.until(lambda: world.a.link.answered["get"] > answered)
    await world.turns()
    await begun.end()
    return {await reader} | await world.see(by=begun.by), {begun.shows("new")}


async def watermark_evicted(world: World, path: Path) -> tuple[Any, Any]:
    """The watermark is evicted; S reads at a worker that starts late, too."""
    begun = await path.begin(world)
    await world.write(1, "new")
    await marks(world)
    await world.topology.evict_watermark("row:1")
    await begun.end()
    late = await world.joins()
    workers = [late, world.a, world.b]  # who knows of the purge comes last: it would load anew
    return await world.see(by=begun.by, at=workers), {begun.shows("new")}


async def another_epoch(world: World, path: Path) -> tuple[Any, Any]:
    """The state server restarts empty, so that a new epoch begins."""
    begun = await path.begin(world)
    await world.write(1, "new")
    await world.topology.empty()
    await begun.end()
    return await world.see(by=begun.by), {begun.shows("new")}


EVENTS = [purged, reader_arrives, watermark_evicted, another_epoch]


def applies(event: Any, path: Path, reads: Reads) -> bool:
    if event is reader_arrives and not path.joinable:
        return False
    return reads in path.reads and (event is not watermark_evicted or reads in STORED)


def lost_without(event: Any, path: Path, reads: Reads) -> tuple[str, ...]:
    """The rules without which readers get the old row."""
    if event is reader_arrives:
        return ("l4_clean",) if reads in FOLLOWING else ()
    if event is watermark_evicted:
        return ("l3_at_head",)
    if event is another_epoch and path.name == "joined flight" and reads is Reads.MEMORY:
        return ()  # who joined sees another epoch, loads anew, and stores that
    return path.two_epochs if event is another_epoch else (path.lost_without,)


def cases(*, controls: bool = False) -> Iterator[Any]:
    for event in EVENTS:
        for path in PATHS:
            for reads in Reads:
                off = lost_without(event, path, reads)
                if applies(event, path, reads) and (off or not controls):
                    yield pytest.param(
                        event, path, reads, id=f"{event.__name__}-{path.name}-{reads.value}"
                    )


@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize(("event", "path", "reads"), list(cases()))
async def test_a_fill_is_as_old_as_its_first_read(
    event: Any,
    path: Path,
    reads: Reads,
    topology: str,
    make_topology: MakeTopology,
    make_world: MakeWorld,
) -> None:
    world = await make_world(make_topology(topology), reads=reads)

    got, expected = await event(world, path)

    assert got == expected


@pytest.mark.parametrize("topology", LOOSE)
@pytest.mark.parametrize(("event", "path", "reads"), list(cases(controls=True)))
async def test_without_its_rule_it_is_served(
    event: Any,
    path: Path,
    reads: Reads,
    topology: str,
    make_topology: MakeTopology,
    make_world: MakeWorld,
) -> None:
    rules: Rules = ALL.without(*lost_without(event, path, reads))
    world = await make_world(make_topology(topology, rules), reads=reads, rules=rules)

    got, expected = await event(world, path)

    assert got != expected


@pytest.mark.parametrize("event", [purged, reader_arrives], ids=lambda event: event.__name__)
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
async def test_a_naive_cache_serves_it(event: Any, path: Path, make_world: MakeWorld) -> None:
    world = await make_world(make=naive)
    play = event if path.joinable else purged

    got, expected = await play(world, path)

    assert got != expected
