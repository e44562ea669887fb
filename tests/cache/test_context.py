"""What a running task knows: who asks, and what asking means inside of a load."""

import asyncio

import pytest

from cache import Cache, CachePolicy, CacheScope, NoActiveCacheError, cached, current_viewer
from cache.facts import Defect, Fact
from cache.stores.memory import MemoryStore

SHARED = CachePolicy(ttl=60, scope=CacheScope.PUBLIC)


@cached(SHARED, tags=lambda: ["greeting"])
async def greeting() -> str:
    """A mistake: what it says depends on who asks, and it is declared to be everybody's."""
    await asyncio.sleep(0)
    return f"hello {current_viewer()}"


@cached(CachePolicy(ttl=60), tags=lambda: ["greeting"])
async def own_greeting() -> str:
    """The same, declared as it is."""
    return f"hello {current_viewer()}"


async def ask(cache: Cache, viewer: str) -> tuple[str, str]:
    """Both greetings, for this viewer."""
    with cache.activate(viewer):
        return await greeting(), await own_greeting()


async def test_a_public_load_that_asks_who_asks_is_a_defect_and_reaches_nobody_else() -> None:
    facts: list[Fact] = []
    cache = Cache(MemoryStore(), observers=[facts.append])
    together = await asyncio.gather(ask(cache, "ann"), ask(cache, "bob"))
    later = await ask(cache, "cleo")
    assert [*together, later] == [(f"hello {name}",) * 2 for name in ("ann", "bob", "cleo")]
    defects = [fact.name for fact in facts if isinstance(fact, Defect)]
    assert set(defects) == {greeting.name}
    await cache.close()


def test_without_a_request_nobody_asks() -> None:
    with pytest.raises(NoActiveCacheError):
        current_viewer()
