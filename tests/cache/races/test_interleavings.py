"""Every interleaving that forced a rule, played in every topology and tier; and lost without it.

With all rules readers get what they must. With the rule switched off, or with a naive cache, they
do not: a race whose control passes would test nothing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Any

import pytest

from cache.protocol import ALL, Rules
from tests.cache.races import following, judging, loading, writing
from tests.cache.races.conftest import LOOSE, TOPOLOGIES, MakeTopology, MakeWorld
from tests.cache.races.naive import lost_by_a_naive_cache
from tests.cache.races.race import ALL_RACES, Control, Race
from tests.support.world import Reads
from tests.support.worlds.naive import naive_with_memory

assert [writing, following, loading, judging]  # imported for their races

RULES = {field.name for field in fields(Rules)}


def played() -> Iterator[Any]:
    for race in ALL_RACES:
        for reads in Reads:
            if reads in race.reads:
                yield pytest.param(race, reads, id=f"{race.name}-{reads.value}")


def controls() -> Iterator[Any]:
    for race in ALL_RACES:
        for control in race.controls:
            for reads in Reads:
                if reads in control.reads:
                    name = f"{race.name} without {' and '.join(control.off)}-{reads.value}"
                    yield pytest.param(race, control, reads, id=name)


@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize(("race", "reads"), list(played()))
async def test_the_engine_wins(
    race: Race, reads: Reads, topology: str, make_topology: MakeTopology, make_world: MakeWorld
) -> None:
    world = await make_world(make_topology(topology), reads=reads)

    got, expected = await race.play(world)

    assert got == expected


@pytest.mark.parametrize("topology", LOOSE)
@pytest.mark.parametrize(("race", "control", "reads"), list(controls()))
async def test_without_its_rule_it_loses(
    race: Race,
    control: Control,
    reads: Reads,
    topology: str,
    make_topology: MakeTopology,
    make_world: MakeWorld,
) -> None:
    rules = ALL.without(*[name for name in control.off if name in RULES])
    broken = [name for name in control.off if name not in RULES]
    world = await make_world(
        make_topology(topology, rules), reads=reads, rules=rules, broken=broken
    )

    got, expected = await race.play(world)

    assert got != expected


@pytest.mark.parametrize("race", lost_by_a_naive_cache(), ids=lambda race: race.name)
async def test_a_naive_cache_loses(race: Race, make_world: MakeWorld) -> None:
    """Get, load, set, sets of keys for tags, and a memory of each worker's own."""
    world = await make_world(make=naive_with_memory)

    got, expected = await race.play(world)

    assert got != expected


COVERED = {
    "f3_behind": "every look that finds no log begins an epoch by itself (f3_no_log)",
    "l5_began": "see test_paths.py",
}
"""Rules without which alone nothing is lost, or that are switched off elsewhere."""


def switched_off(races: Iterable[Race]) -> set[str]:
    return {name for race in races for control in race.controls for name in control.off}


def test_every_rule_has_a_race_that_is_lost_without_it() -> None:
    assert RULES - switched_off(ALL_RACES) - set(COVERED) == set()
