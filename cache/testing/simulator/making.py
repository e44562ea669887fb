"""What a world is made of at its beginning."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from ...call import Call
from ...stores.memory import MemoryServer
from .application import FUNCTIONS, OF_CATEGORIES, OF_ITEMS
from .database import item_of, list_of, orders_of
from .network import Server
from .scenario import Scenario

if TYPE_CHECKING:
    from .world import World

VIEWERS = "uv"


class Known(NamedTuple):
    """What a key is the key of."""

    name: str
    arguments: tuple[Any, ...]
    call: Call


def cells(scenario: Scenario) -> dict[str, str | None]:
    """The rows: every other item is there, and all lists, and orders."""
    categories = scenario.categories
    values = {
        item_of(number): categories[number % len(categories)] if number % 2 == 0 else None
        for number in range(scenario.items)
    }
    lists = {
        list_of(category): ",".join(
            cell.partition(":")[2] for cell, value in values.items() if value == category
        )
        for category in categories
    }
    return {**values, **lists, **{orders_of(viewer): "0" for viewer in VIEWERS}}


def calls(scenario: Scenario) -> Iterator[tuple[str, Known]]:
    """Every key that there can be."""
    context: Any = None
    for name, function in FUNCTIONS.items():
        for viewer in VIEWERS:
            for arguments in _arguments(name, scenario):
                call = function.call(viewer, context, *arguments)
                yield call.key, Known(name, arguments, call)


def _arguments(name: str, scenario: Scenario) -> list[tuple[Any, ...]]:
    if name in OF_ITEMS:
        return [(number,) for number in range(scenario.items)]
    return [(category,) for category in scenario.categories] if name in OF_CATEGORIES else [()]


def in_memory(world: World) -> tuple[Server, Server]:
    """The state server and that of the entries."""
    scenario = world.scenario

    def make() -> MemoryServer:
        server = MemoryServer(
            world.server_time, new_name=world.name, rules=scenario.rules, dense=scenario.dense
        )
        server.most_told = scenario.told
        return server

    state = make()
    return state, make() if scenario.separate else state
