"""Every cached function of the store under the auditor: nothing stale; a lost tag is found."""

import math
from collections.abc import Iterable, Sequence

import pytest

from cache import Cache, CacheSettings
from cache.auditor import Auditor
from cache.facts import Audited, Defect
from tests.support.matrix import Mutate, edit, matrix_shapes, move, order, run_as, view
from tests.support.shapes import Shape
from tests.support.store import Store, Worker

PROMISED = 0.3
"""Seconds."""


class Forgetful(Cache):
    """Purges nothing of products."""

    async def publish(self, identifier: str, tags: Iterable[str]) -> None:
        await super().publish(identifier, [tag for tag in tags if not tag.startswith("product")])

    async def invalidate(self, tags: Iterable[str]) -> None:
        await super().invalidate([tag for tag in tags if not tag.startswith("product")])


class Watched:
    """A worker of which everything is audited, and every shape of query."""

    def __init__(self, store: Store, shapes: dict[str, Shape], cache: type[Cache]) -> None:
        settings = CacheSettings(max_staleness=PROMISED)
        self.shapes = shapes
        self.worker = Worker(store.redis, store.prefix, settings=settings)
        self.writer = Worker(store.redis, store.prefix, cache)
        self.auditor = Auditor(
            self.worker.services.cache,
            rate=0.4,
            observers=[self.worker.facts],
            per_second=math.inf,
            most_running=400,
        )

    async def read(self) -> None:
        for shape in self.shapes.values():
            await self.worker.post(shape.query, shape.token, **(shape.variables or {}))

    async def run(self, store: Store, mutations: Sequence[Mutate]) -> None:
        """Read everything, change something, read everything again; then let all audits end."""
        await self.read()
        self.worker.services.cache.audit(self.auditor.served)
        for mutate in mutations:
            await mutate(store, self.writer)
        await self.read()
        await self.auditor.idle()

    def found(self) -> list[Defect]:
        return [fact for fact in self.worker.facts if isinstance(fact, Defect)]

    async def close(self) -> None:
        await self.auditor.aclose()
        await self.worker.close()
        await self.writer.close()


MUTATIONS = [
    edit("P-1", name="Omega Phone", price="250.00", stock=8),
    edit("P-1", categorySlug="audio", brandSlug="globex"),
    order("ada", P_2=2, H_1=1),
    move("pending", "PAID"),
    run_as("ada", "updateProfile", name="Ada L."),
    run_as("bob", "logout"),
    view,
]


@pytest.fixture
async def shapes(store: Store) -> dict[str, Shape]:
    return await matrix_shapes(store)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_no_function_of_the_store_is_found(store: Store, shapes: dict[str, Shape]) -> None:
    audited = Watched(store, shapes, Cache)
    await audited.run(store, MUTATIONS)
    assert [(defect.name, defect.history) for defect in audited.found()] == []
    names = {fact.name for fact in audited.worker.facts if isinstance(fact, Audited)}
    assert len(names) > 10, names
    assert audited.auditor.report.failed == 0
    assert audited.auditor.report.audited > 100, audited.auditor.report
    await audited.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_control_tags_that_are_left_out_are_found(
    store: Store, shapes: dict[str, Shape]
) -> None:
    audited = Watched(store, shapes, Forgetful)
    await audited.run(store, MUTATIONS[:2])
    names = {defect.name for defect in audited.found()}
    assert {name.split(".")[1] for name in names} >= {"products", "product_lists"}, names
    await audited.close()
