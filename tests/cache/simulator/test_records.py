"""Worlds of records: random ones break nothing, a seed is a run, without a rule one is broken."""

import random

import pytest

from cache.testing.simulator import Violation
from cache.testing.simulator.__main__ import main
from cache.testing.simulator.records import (
    ALL_KEPT,
    RecordDriver,
    RecordWorld,
    any_record_scenario,
)
from cache.testing.simulator.records.controls import (
    COVERED,
    SCENARIOS,
    follow,
    search,
    uncontrolled,
)
from cache.testing.simulator.records.interleavings import INTERLEAVINGS
from cache.testing.simulator.records.rules import rule_names
from cache.testing.simulator.shrink import repeat, shrunk


def run(seed: int, steps: int) -> RecordWorld:
    world = RecordWorld(any_record_scenario(random.Random(seed)), seed)
    try:
        RecordDriver(world, seed).run(steps)
    finally:
        world.close()
    return world


@pytest.mark.parametrize("seed", range(20))
def test_no_promise_is_broken(seed: int) -> None:
    world = run(seed, 1_500)

    assert world.statistics.rests
    assert world.statistics.reads > world.statistics.rests


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_promise_is_broken_where_the_controls_look(name: str) -> None:
    for seed in range(2):
        world = RecordWorld(SCENARIOS[name], seed)
        try:
            RecordDriver(world, seed).run(1_000)
        finally:
            world.close()


def test_a_seed_is_a_run() -> None:
    once, again = (run(5, 800) for _ in range(2))

    assert once.choices == again.choices
    assert once.steps() == again.steps()


def test_choices_are_a_run() -> None:
    world = run(7, 500)
    again = RecordWorld(world.scenario, 7)
    for choice in world.choices:
        assert again.do(choice), choice
    again.close()

    assert again.steps() == world.steps()


@pytest.mark.parametrize("name", [name for name in rule_names() if name not in COVERED])
def test_without_a_rule_a_promise_is_broken(name: str) -> None:
    found = search(name)

    assert found is not None, f"nothing shows what {name} is for"
    assert found.violation.what


def test_the_revision_covers_for_the_incarnation() -> None:
    assert list(COVERED) == ["incarnation"]
    assert search("incarnation", seeds=20) is None
    assert search("incarnation", others=["fence_revises"]) is not None


def test_every_rule_has_a_control() -> None:
    assert uncontrolled() == []


@pytest.mark.parametrize("name", INTERLEAVINGS)
def test_a_scripted_interleaving_breaks_nothing_with_all_rules(name: str) -> None:
    follow(name)


def test_what_breaks_a_promise_is_made_short() -> None:
    broken = any_record_scenario(random.Random(22), ALL_KEPT.without("token"))
    world = RecordWorld(broken, 22)
    with pytest.raises(Violation):
        RecordDriver(world, 22).run(3_000)
    world.close()
    choices = shrunk(broken, 22, world.choices, RecordWorld)

    assert len(choices) < len(world.choices) / 2
    assert repeat(broken, 22, choices, RecordWorld) is not None


def test_a_record_that_there_is_not_is_not_asked_for() -> None:
    world = RecordWorld(any_record_scenario(random.Random(1)), 1)

    assert not world.do(("begin", "c0", "A", ("add", "r99", "a")))
    world.close()


def test_the_command_runs_worlds_of_records(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--records", "--steps", "3000", "--seed", "3"]) == 0

    said = capsys.readouterr().out
    assert "seed 3" in said
    assert "3,000 steps" in said
    assert "reads checked" in said


def test_the_command_shows_an_interleaving_of_records(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--records", "--steps", "20000", "--seed", "3", "--without", "one_look"]
    assert main(arguments) == 1

    said = capsys.readouterr().out
    assert "violated: " in said
    assert "again: python -m cache.testing.simulator --records --world 3/" in said
    assert "--without one_look" in said
