"""The simulator's own checks can fail: each promise beside the rules, once broken by hand."""

import pytest

from cache.relay import Relay
from cache.testing.simulator import Scenario, Script, Violation, World

SMALL = Scenario(items=1, categories="A", clients=2, separate=True)


def write_while_cut_off(script: Script) -> None:
    """1. Both workers remember item 0, and A is cut off from the servers. 2. A client writes it
    there, and is acknowledged with an outbox id. 3. More than Δ later somebody reads it at B."""
    script.make_current("A", "B")
    script.ask("anyone", "B", ("item", 0))
    script.fault("cut", "A")
    script.calmly(11)
    script.ask("anyone", "B", ("item", 0))
    script.ask("c0", "A", ("update", 0))
    script.calmly(1.01)
    script.ask("anyone", "B", ("item", 0))


def test_the_others_see_the_writes_of_who_is_cut_off() -> None:
    world = World(SMALL)
    try:
        write_while_cut_off(Script(world))
    finally:
        world.close()


def test_with_a_slow_relay_they_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Relay.__init__

    def make(self: Relay, *arguments: object, **named: object) -> None:
        slow(self, *arguments, **named)  # type: ignore[arg-type]
        self._patience = 1.5

    monkeypatch.setattr(Relay, "__init__", make)
    world = World(SMALL)
    with pytest.raises(Violation, match="acknowledged more than Δ before"):
        write_while_cut_off(Script(world))
    world.close()
