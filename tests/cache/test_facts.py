"""Facts are frozen and plain, and whoever observes them can harm nobody."""

import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
from redis.asyncio import Redis

from cache import Cache, CachePolicy, CacheScope, RedisStore, cached, facts
from cache.facts import Defect, Fact, Hit, ObserverFailed, Tier, TokenIgnored
from cache.observers import Observers, log_defects
from cache.protocol import Position

KINDS = get_args(Fact)
HIT = Hit("key", "name", Tier.MEMORY, 1.5)


class Broken:
    """An observer that always raises."""

    def __call__(self, fact: Fact) -> None:
        raise RuntimeError("this observer is broken")


class BrokenToo(Broken):
    pass


# ---- facts ----


def test_every_fact_is_in_the_union() -> None:
    declared = {kind for kind in vars(facts).values() if dataclasses.is_dataclass(kind)}
    assert declared - {Position} == set(KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_facts_are_frozen_small_and_described(kind: type) -> None:
    assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert set(kind.__slots__) == {field.name for field in dataclasses.fields(kind)}  # type: ignore[attr-defined]
    assert kind.__doc__
    assert not kind.__doc__.startswith(f"{kind.__name__}("), "the generated docstring says nothing"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_fact_is_in_the_documentation(kind: type) -> None:
    page = (Path(__file__).parents[2] / "docs" / "observability.md").read_text()
    assert f"\n| `{kind.__name__}` | " in page


# ---- observers ----


def test_each_observer_is_told_each_fact_in_order() -> None:
    told: list[tuple[str, Fact]] = []

    def first(fact: Fact) -> None:
        told.append(("first", fact))

    def second(fact: Fact) -> None:
        told.append(("second", fact))

    Observers([first, second])(HIT)
    assert told == [("first", HIT), ("second", HIT)]


def test_nobody_observing_is_false() -> None:
    assert not Observers()
    assert Observers([log_defects])
    Observers()(HIT)


def test_an_observer_that_raises_is_logged_once_for_each_kind_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: list[Fact] = []
    observers = Observers([Broken(), told.append])
    for _ in range(3):
        observers(HIT)
    observers(TokenIgnored("malformed"))

    name = f"{__name__}.Broken"
    assert observers.failures == {(name, "Hit"): 3, (name, "TokenIgnored"): 1}
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2
    assert all(record.exc_info for record in caplog.records)
    assert told.count(HIT) == 3, "an observer was not told because another is broken"
    assert told.count(ObserverFailed(name, "Hit")) == 3


def test_two_broken_observers_do_not_tell_each_other_for_ever() -> None:
    observers = Observers([Broken(), BrokenToo()])
    observers(HIT)
    kinds = {kind for _, kind in observers.failures}
    assert kinds == {"Hit", "ObserverFailed"}
    assert sum(observers.failures.values()) == 4


def test_a_function_is_named_by_itself() -> None:
    def broken(fact: Fact) -> None:
        raise ValueError(fact)

    observers = Observers([broken])
    observers(HIT)
    [(name, _)] = observers.failures
    assert name.endswith("test_a_function_is_named_by_itself.<locals>.broken")


@pytest.mark.parametrize("observer", [Broken(), None], ids=["broken", "none"])
async def test_no_request_fails_because_of_an_observer(
    observer: Callable[[Fact], None] | None, redis: Redis, key_prefix: str
) -> None:
    observers = [] if observer is None else [observer]
    store = RedisStore(redis, key_prefix, observers=observers)
    cache = Cache(store, observers=observers)

    @cached(CachePolicy(ttl=60, scope=CacheScope.PUBLIC), tags=lambda row: [f"row:{row}"])
    async def row(row: int) -> str:
        return f"row {row}"

    with cache.activate("anonymous"):
        assert [await row(1), await row(1)] == ["row 1", "row 1"]
        await cache.invalidate(["row:1"])
        assert await row(1) == "row 1"
    await cache.close()


# ---- defects ----


def test_defects_are_errors_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    log_defects(HIT)
    assert caplog.records == []
    log_defects(Defect("key 1", "price", "a public load read the viewer", {"epoch": "e"}))
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert "price: a public load read the viewer (key key 1) {'epoch': 'e'}" in record.getMessage()
