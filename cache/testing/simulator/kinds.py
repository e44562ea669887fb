"""The kinds of worlds that the command runs."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...protocol import ALL
from . import controls
from .driver import Driver
from .driving import RandomDriver
from .records import ALL_KEPT, RecordDriver, RecordWorld, any_record_scenario
from .records import controls as record_controls
from .records.rules import rule_names
from .scenario import HABITS, Scenario, any_scenario
from .searching import Found
from .shrink import Make
from .world import World


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: `scenario` makes one of a name and the rules that are off, `make` a world of it,
    `driver` what chooses its steps, `covered` says why a rule has no control. `option` is that of
    the command."""

    option: str
    scenario: Callable[[str, Sequence[str]], Any]
    make: Make
    driver: Callable[[Any, int], RandomDriver]
    names: Callable[[], Sequence[str]]
    search: Callable[[str], Found | None]
    covered: Mapping[str, str]


def _of_caches(name: str, off: Sequence[str]) -> Scenario:
    broken = HABITS.intersection(off)
    rules = ALL.without(*set(off) - broken)
    chance = random.Random(name)  # noqa: S311 - not for secrets
    return replace(any_scenario(chance, rules), broken=broken)


def _of_records(name: str, off: Sequence[str]) -> Any:
    chance = random.Random(name)  # noqa: S311 - not for secrets
    return any_record_scenario(chance, ALL_KEPT.without(*off))


CACHES = Kind(
    option="",
    scenario=_of_caches,
    make=World,
    driver=Driver,
    names=controls.names,
    search=controls.search,
    covered=controls.COVERED,
)
RECORDS = Kind(
    option="--records ",
    scenario=_of_records,
    make=RecordWorld,
    driver=RecordDriver,
    names=rule_names,
    search=record_controls.search,
    covered=record_controls.COVERED,
)
