"""The simulator driven by hypothesis: it shrinks what breaks a promise to a short interleaving."""

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from cache.protocol import ALL, Rules
from cache.testing.simulator import Scenario, Violation, World
from cache.testing.simulator.script import FOLLOWING

ITEMS, CATEGORIES, WORKERS, CLIENTS = 2, "AB", "AB", ("c0", "c1", "anyone")

workers = st.sampled_from(WORKERS)
items = st.integers(0, ITEMS - 1)
categories = st.sampled_from(CATEGORIES)
reads = st.one_of(
    st.tuples(st.sampled_from(["item", "strict", "lax", "outer", "holder", "neighbours"]), items),
    st.tuples(st.sampled_from(["listing", "found", "counted", "page"]), categories),
    st.tuples(st.just("mine")),
)
writes = st.one_of(
    st.tuples(st.sampled_from(["update", "remove", "order", "undo"]), items),
    st.tuples(st.just("move"), items, categories),
    st.tuples(st.just("replay")),
)
faults = st.one_of(
    st.tuples(st.sampled_from(["cut", "pause", "crash", "split", "leave"]), workers),
    st.tuples(st.sampled_from(["lose_log", "replicate", "failover", "server_down"])),
    st.tuples(st.just("evict_watermark"), st.sampled_from(["item:0", "category:A"])),
    st.tuples(st.just("trim"), st.integers(0, 1)),
    st.tuples(st.just("restart"), st.booleans()),
    st.tuples(st.just("disconnect"), st.sampled_from(CLIENTS)),
)


class Machine(RuleBasedStateMachine):
    """Each rule lets one thing happen; what cannot happen now does not."""

    kept: Rules = ALL
    world: World

    @initialize(dense=st.booleans(), separate=st.booleans(), lags=st.booleans())
    def make(self, dense: bool, separate: bool, lags: bool) -> None:
        scenario = Scenario(
            items=ITEMS,
            categories=CATEGORIES,
            workers=len(WORKERS),
            clients=2,
            rules=self.kept,
            dense=dense,
            separate=separate,
            lags=lags,
        )
        self.world = World(scenario)
        self.world.do(("settle",))

    @rule(numbers=st.lists(st.integers(0, 7), min_size=1, max_size=12))
    def go_on(self, numbers: list[int]) -> None:
        """Steps that wait: the oldest one, or another."""
        for number in numbers:
            gates = self.world.openable()
            if gates:
                gate = gates[number % len(gates)]
                self.world.do(("open", gate.name, self.world.gates.number_of(gate)))

    @rule(worker=workers)
    def finish(self, worker: str) -> None:
        """A worker finishes what it serves, while its log is not followed."""
        served = self.world.workers[worker]
        for _ in range(100):
            mine = [
                gate
                for gate in self.world.openable()
                if gate.owner == served.owner and not any(word in gate.label for word in FOLLOWING)
            ]
            if served.is_quiet or not mine:
                return
            self.world.do(("open", mine[0].name, self.world.gates.number_of(mine[0])))

    @rule(
        client=st.sampled_from(CLIENTS),
        worker=workers,
        operations=st.lists(reads, min_size=1, max_size=2),
    )
    def read(self, client: str, worker: str, operations: list[tuple[object, ...]]) -> None:
        self.world.do(("begin", client, worker, *operations))

    @rule(client=st.sampled_from(CLIENTS), worker=workers, operation=writes)
    def write(self, client: str, worker: str, operation: tuple[object, ...]) -> None:
        self.world.do(("begin", client, worker, operation))

    @rule(seconds=st.sampled_from([0.01, 0.06, 0.13, 0.3, 1.2, 10.0]))
    def wait(self, seconds: float) -> None:
        self.world.do(("wait", seconds))

    @rule(fault=faults)
    def strike(self, fault: tuple[object, ...]) -> None:
        self.world.do(("fault", *fault))

    @rule()
    def settle(self) -> None:
        self.world.do(("settle",))

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.close()


def run(rules: Rules, examples: int, steps: int, *, shrinks: bool = True) -> None:
    class Chosen(Machine):
        pass

    Chosen.kept = rules
    run_state_machine_as_test(
        Chosen,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            phases=[Phase.explicit, Phase.generate, *([Phase.shrink] if shrinks else [])],
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.timeout(300)
def test_no_promise_is_broken() -> None:
    run(ALL, examples=200, steps=60)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("off", ["j3_mark", "j7_purged"])
def test_without_a_rule_one_is(off: str) -> None:
    with pytest.raises(Violation):
        run(ALL.without(off), examples=500, steps=60, shrinks=False)


@pytest.mark.timeout(300)
def test_what_breaks_one_is_made_short() -> None:
    with pytest.raises(Violation) as found:
        run(ALL.without("clean_since"), examples=500, steps=60)

    assert len(found.value.steps) < 40, str(found.value)
