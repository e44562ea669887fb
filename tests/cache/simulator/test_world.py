"""Worlds: the same seed is the same run, steps are readable, and random ones break nothing."""

import random

import pytest

from cache.protocol import ALL
from cache.testing.simulator import Driver, Scenario, Violation, World, any_scenario
from cache.testing.simulator.__main__ import main
from cache.testing.simulator.shrink import repeat, shrunk


def run(scenario: Scenario, seed: int, steps: int) -> World:
    world = World(scenario, seed)
    try:
        Driver(world, seed).run(steps)
    finally:
        world.close()
    return world


@pytest.mark.parametrize("seed", range(12))
def test_no_promise_is_broken(seed: int) -> None:
    world = run(any_scenario(random.Random(seed)), seed, 1_500)

    assert world.statistics.rests


def test_a_seed_is_a_run() -> None:
    once, again = (run(any_scenario(random.Random(5)), 5, 800) for _ in range(2))

    assert once.choices == again.choices
    assert once.steps() == again.steps()


def test_choices_are_a_run() -> None:
    scenario = any_scenario(random.Random(7))
    world = run(scenario, 7, 500)
    again = World(scenario, 7)
    for choice in world.choices:
        assert again.do(choice), choice
    again.close()

    assert again.steps() == world.steps()


def test_what_cannot_happen_does_not() -> None:
    world = World(Scenario())
    before = len(world.choices)

    assert not world.do(("open", "A commits is served", 0))
    assert not world.do(("fault", "failover"))
    assert len(world.choices) == before
    world.close()


def test_an_interleaving_is_made_short() -> None:
    scenario = Scenario(items=1, categories="A", rules=ALL.without("clean_since"), faults={})
    world = World(scenario, 1)
    with pytest.raises(Violation):
        Driver(world, 1).run(3_000)
    world.close()
    choices = shrunk(scenario, 1, world.choices)

    assert len(choices) < 80
    assert repeat(scenario, 1, choices) is not None


def test_the_command_says_what_it_did(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--steps", "3000", "--seed", "3"]) == 0

    said = capsys.readouterr().out
    assert "seed 3" in said
    assert "3,000 steps" in said
    assert "reads checked" in said


def test_the_command_shows_an_interleaving(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--steps", "20000", "--seed", "3", "--without", "clean_since"]) == 1

    said = capsys.readouterr().out
    assert "violated: " in said
    assert "again: " in said


def test_the_command_runs_on_a_real_server(
    redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--steps", "4000", "--seed", "4", "--store", redis_url]) == 0

    assert "reads checked" in capsys.readouterr().out
