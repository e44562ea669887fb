"""Two versions of a program on one store, of which one names more tags."""

from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import pytest

from cache import CachePolicy, CacheScope, cached
from cache.facts import Missed
from cache.protocol import Verdict
from tests.support.world import PUBLIC, Reads, World


@pytest.fixture(params=[Reads.LOG, Reads.SERVER, Reads.TIERED], ids=lambda reads: reads.value)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    world = World(reads=request.param)
    await world.start()
    yield world
    await world.close()


def version(
    world: World,
    tags: Callable[[int], Iterable[str]],
    result_tags: Callable[[Any], Iterable[str]] | None = None,
    policy: CachePolicy = PUBLIC,
) -> Any:
    """The same function, as one version of the program declares it."""

    async def row(row: int) -> str:
        return str(await world.rows.read(row))

    return cached(policy, tags=tags, result_tags=result_tags)(row)


def first(row: int) -> list[str]:
    return [f"row:{row}"]


def second(row: int) -> list[str]:
    return [f"row:{row}", "shelf:1"]


MORE: dict[str, dict[str, Any]] = {
    "of its arguments": {"tags": second},
    "of its result": {"tags": first, "result_tags": lambda result: ["shelf:1"]},
    "of its policy": {
        "tags": first,
        "policy": CachePolicy(ttl=600, scope=CacheScope.PUBLIC, tags=("shelf:1",)),
    },
}


@pytest.mark.parametrize("more", MORE)
async def test_an_entry_without_a_tag_that_is_named_by_now_is_a_miss(
    world: World, more: str
) -> None:
    """1. V1 stores a row  2. V2, which names one more tag, changes it, purges that tag, is
    acknowledged  3. a reader comes to V2: V1's entry depends on nothing that was purged."""
    old, new = version(world, first), version(world, **MORE[more])
    assert await world.get(at=world.a, by=old) == "old"
    world.rows.values[1] = "new"
    await world.b.cache.invalidate(["shelf:1"])
    await world.settle()

    assert await world.get(at=world.b, by=new) == "new"
    assert world.facts.of(Missed)[-1].reason is Verdict.OTHER_TAGS


async def test_an_entry_with_more_tags_than_are_named_is_a_hit(world: World) -> None:
    old, new = version(world, first), version(world, second)
    assert await world.get(at=world.a, by=new) == "old"
    assert await world.get(at=world.b, by=old) == "old"
    assert world.rows.reads == 1
