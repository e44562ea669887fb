"""A write purges what it changed: the benchmark of it in a short form, on the real schema."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from benchmarks.precision import BOUND, Measured, measure
from cache import Cache
from cache.policy import namespace_tag
from resolvers.tags import Namespace
from tests.examples.test_examples import run
from tests.support.servers import valkey


async def measured(directory: Path, writes: int, products: int) -> Measured:
    """A short run, on a database and a server of its own."""
    with valkey() as server:
        url = f"sqlite://{directory / 'store.sqlite3'}"
        return await measure(url, server.url, writes=writes, products=products, number=7)


async def test_entries_that_are_no_lists_are_hardly_ever_purged_without_need(
    tmp_path: Path,
) -> None:
    found = await measured(tmp_path, writes=40, products=40)
    others, lists = found.total(lists=False), found.total(lists=True)
    assert others.purged > 40, "every write purges something"
    assert others.share(others.unneeded) < BOUND
    assert found.compared > 400
    assert found.stale == 0
    assert others.share(others.by_kind) > BOUND, "else the bound would say nothing"
    print(f"lists: {lists.share(lists.unneeded):.2%} of the live ones, at {lists.purged} purged")


async def test_control_a_cache_that_purges_by_kind_does_not_keep_the_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Cache.publish

    async def publish(cache: Cache, identifier: str, tags: Iterable[str]) -> None:
        await original(cache, identifier, {*tags, namespace_tag(Namespace.PRODUCTS)})

    monkeypatch.setattr(Cache, "publish", publish)
    found = await measured(tmp_path, writes=15, products=30)
    others = found.total(lists=False)
    assert others.share(others.unneeded) > BOUND


def test_the_command_runs() -> None:
    assert "0 differ from SQL" in run("benchmarks.precision", "--short")
