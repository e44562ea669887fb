"""With a rule off the simulator finds a broken promise, or says what covers for that rule."""

import pytest

from cache.testing.simulator import Scenario, Script, Violation, World
from cache.testing.simulator.controls import COVERED, SCENARIOS, follow, names, search
from cache.testing.simulator.interleavings import INTERLEAVINGS


@pytest.mark.parametrize("name", [name for name in names() if name not in COVERED])
def test_without_a_rule_a_promise_is_broken(name: str) -> None:
    found = search(name)

    assert found is not None, f"nothing shows what {name} is for"
    assert found.violation.what


@pytest.mark.parametrize("name", COVERED)
def test_others_cover_for_a_rule(name: str) -> None:
    assert search(name, seeds=20) is None, f"{name} is needed after all: take it off COVERED"


@pytest.mark.parametrize("name", INTERLEAVINGS)
def test_a_scripted_interleaving_breaks_nothing_with_all_rules(name: str) -> None:
    follow(name)


def test_every_rule_has_a_control() -> None:
    assert set(names()) == {*SCENARIOS, *INTERLEAVINGS}


def test_a_script_that_cannot_go_on_says_what_is_waited_for() -> None:
    world = World(Scenario())
    with pytest.raises(AssertionError, match="cannot happen now"):
        Script(world).open("A", "commits is served")
    world.close()


def test_a_violation_tells_its_steps() -> None:
    found = search("clean_since")

    assert found is not None
    assert isinstance(found.violation, Violation)
    said = str(found.violation).splitlines()
    assert said[0].strip().startswith("1.")
    assert said[-1].startswith("violated: ")
