"""The write x purge matrix: after each mutation every query is right, and no more was purged.

Every shape of query is warmed, the mutation runs, and every shape is read again:

- its answer equals that of a worker without a cache, on the same database;
- every entry whose value did not change is still a hit, but for a stated few that depend on what
  was written without showing it (a search for "speaker" must hear of every new name).

Read on the worker that writes and on another one; on both databases. The controls: leaving out any
one tag of a purge gives a wrong answer, and purging everything costs the hits.
"""

from collections.abc import AsyncIterator, Iterable
from dataclasses import replace

import pytest

from cache import Cache, CachedFunction
from cache.facts import Defect
from cache.policy import namespace_tag
from resolvers import catalogue, leaderboards, orders, product_lists, products, sessions, users
from resolvers.ids import decode_id
from resolvers.sessions import digest_of
from resolvers.tags import Namespace
from tests.support.matrix import (
    NEW_USER,
    PASSWORDS,
    Matrix,
    Mutate,
    cancel,
    create,
    delete,
    edit,
    matrix_shapes,
    move,
    order,
    run_as,
    view,
)
from tests.support.store import Store, Worker


@pytest.fixture
async def matrix(store: Store) -> AsyncIterator[Matrix]:
    """A matrix over every shape."""
    made = Matrix(store, await matrix_shapes(store))
    yield made
    await made.close()


CACHED = (catalogue, leaderboards, orders, product_lists, products, sessions, users)
"""The modules of cached functions."""


@pytest.fixture
def long_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything lives long enough that a slow machine does not miss it for its age."""
    for module in CACHED:
        for function in vars(module).values():
            if isinstance(function, CachedFunction):
                policy = replace(function.policy, ttl=3_600, negative_ttl=3_600)
                monkeypatch.setattr(function, "declared", replace(function.declared, policy=policy))
    # Nor does a session slide, which purges it, when the test takes longer than a minute.
    monkeypatch.setattr(sessions, "STEP", sessions.LIFETIME)


STEPS: dict[str, tuple[Mutate, int]] = {
    "nothing": (edit("P-1", name="Alpha Phone"), 0),
    "name": (edit("P-1", name="Omega Phone"), 2),
    "name, case only": (edit("P-1", name="OMEGA PHONE"), 0),
    "description": (edit("P-1", description="New."), 0),
    "price": (edit("P-1", price="250.00"), 1),
    "stock": (edit("P-1", stock=8), 0),
    "sold out": (edit("P-1", stock=0), 0),
    "in stock again": (edit("P-1", stock=4), 0),
    "category, below": (edit("P-1", categorySlug="smart"), 0),
    "category, beside": (edit("P-1", categorySlug="audio"), 2),
    "category, elsewhere": (edit("P-1", categorySlug="home"), 5),
    "no category": (edit("P-1", categorySlug=None), 0),
    "brand": (edit("P-1", brandSlug="globex"), 4),
    "no brand": (edit("P-1", brandSlug=None), 0),
    "everything": (
        edit("A-2", name="Ny", price="1.00", stock=0, categorySlug="phones", brandSlug="acme"),
        3,
    ),
    "order": (order("ada", P_2=2, H_1=1), 1),
    "order the last": (order("bob", S_1=3), 0),
    "paid": (move("pending", "PAID"), 1),
    "shipped": (move("pending", "SHIPPED"), 1),
    "cancel": (cancel("sold out", "ada"), 1),
    "cancel a paid one": (cancel("paid", "staff"), 1),
    "profile": (run_as("ada", "updateProfile", name="Ada L."), 0),
    "avatar": (run_as("ada", "updateProfile", avatarUrl="https://example.com/a.png"), 0),
    "register": (run_as(None, "register", **NEW_USER), 0),
    "login": (run_as(None, "login", email="ada@example.com", password=PASSWORDS["current"]), 0),
    "logout": (run_as("bob", "logout"), 0),
    "password": (run_as("ada", "changePassword", **PASSWORDS), 0),
    "view": (view, 0),
    "create": (create("N-1", stock=2), 3),
    "create beside": (create("N-2", categorySlug=None, brandSlug=None), 2),
    "delete": (delete("P-2"), 10),
    "delete in no category": (delete("X-1"), 6),
    "by hand": (run_as("admin", "invalidateTags", tags=["products:all:members"]), 15),
}
"""Mutations, each with how many entries it may purge whose value stays.

Those are lists and counts that had to hear of the change and came out the same (a search that
does not find the new name either), and the order as it is not shown to others.
"""


@pytest.mark.parametrize(
    ("database_url", "writer"),
    [("sqlite", "same worker"), ("sqlite", "other worker"), ("postgres", "other worker")],
    indirect=["database_url"],
)
async def test_every_read_is_right_after_every_write(
    matrix: Matrix, writer: str, long_lives: None
) -> None:
    await matrix.warm()
    worker = matrix.reader if writer == "same worker" else matrix.other
    for label, (mutate, most) in STEPS.items():
        effect = await matrix.step(mutate, worker)
        assert not effect.wrong, f"stale after {label}"
        assert not matrix.reader.facts.count(Defect), label
        assert len(effect.unneeded) <= most, f"purged by {label} without need"
        untouched = set(matrix.values) - effect.changed - set(effect.unneeded)
        assert len(untouched & effect.hits) > 100, f"hits after {label}"


LEFT_OUT: list[tuple[Mutate, str]] = [
    (edit("P-1", description="Other."), "product:{P-1}"),
    (edit("P-1", name="Omega Phone"), "products:all:name"),
    (edit("P-1", name="Alpha Phone"), "products:category:electronics:name"),
    (edit("P-1", price="900.00"), "products:all:price"),
    (edit("P-1", price="1.00"), "products:category:phones:price"),
    (edit("H-2", price="999.00"), "products:brand:globex:price"),
    (edit("P-1", stock=9), "stock:{P-1}"),
    (edit("P-1", stock=0), "products:all:stock"),
    (edit("P-1", stock=5), "products:category:electronics:stock"),
    (edit("P-1", categorySlug="audio"), "products:category:audio:members"),
    (edit("P-1", categorySlug="smart"), "products:category:audio:members"),
    (edit("P-1", categorySlug="home"), "products:category:electronics:members"),
    (edit("P-1", brandSlug="globex"), "products:brand:acme:members"),
    (edit("P-1", brandSlug="acme"), "products:brand:globex:members"),
    (order("ada", H_1=90), "products:all:sold"),
    (order("ada", H_1=1), "sold:{H-1}"),
    (order("ada", H_1=1), "stock:{H-1}"),
    (order("ada", H_1=1), "account:{ada}"),
    (order("ada", H_1=1), "orders:user:{ada}"),
    (order("ada", H_1=1), "orders:user:{ada}:PENDING"),
    (move("pending", "PAID"), "order:{pending}"),
    (move("sold out", "PAID"), "orders:user:{ada}:PENDING"),
    (cancel("paid", "ada"), "orders:user:{ada}:PAID"),
    (run_as("ada", "updateProfile", name="Ada L."), "user:{ada}"),
    (run_as("ada", "updateProfile", name="Ada"), "account:{ada}"),
    (run_as(None, "register", **NEW_USER), "user:{next user}"),
    (run_as("bob", "logout"), "session:{bob}"),
    (create("N-1"), "product:{next product}"),
    (create("N-2"), "sku:N-2"),
    (create("N-3"), "products:all:members"),
    (create("N-4"), "products:category:smart:members"),
    (create("N-5"), "products:category:electronics:members"),
    (create("N-6"), "products:brand:acme:members"),
    (delete("H-2"), "product:{H-2}"),
    (delete("A-2"), "products:all:members"),
    (delete("S-1"), "products:category:phones:members"),
    (delete("P-2"), "products:brand:globex:members"),
]
"""Mutations, each with one tag of its purge that is left out."""


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_each_tag_of_a_purge_is_needed(matrix: Matrix, long_lives: None) -> None:
    """The control: without the tag something is stale, and right again once it is purged."""
    await matrix.warm()
    writer = Worker(matrix.store.redis, matrix.store.prefix, LeavingOut)
    for mutate, template in LEFT_OUT:
        tag = await _filled_in(matrix.store, template)
        LeavingOut.tag = tag
        await mutate(matrix.store, writer)
        assert await matrix.wrong(), f"nothing is stale without {template}"
        LeavingOut.tag = ""
        await writer.services.cache.invalidate([tag])
        assert not await matrix.wrong(), f"{template} is not all that was left out"
    await writer.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_purging_everything_is_noticed(matrix: Matrix, long_lives: None) -> None:
    """The control: a write that purges whole namespaces leaves too few hits."""
    await matrix.warm()
    writer = Worker(matrix.store.redis, matrix.store.prefix, PurgingAll)
    effect = await matrix.step(edit("P-1", description="Other."), writer)
    assert not effect.wrong
    assert len(effect.unneeded) > 50
    await writer.close()


class LeavingOut(Cache):
    """Purges everything but one tag."""

    tag = ""

    async def publish(self, identifier: str, tags: Iterable[str]) -> None:
        wanted = set(tags)
        assert not self.tag or self.tag in wanted, (self.tag, wanted)
        await super().publish(identifier, wanted - {self.tag})


class PurgingAll(Cache):
    """Purges all that there is."""

    async def publish(self, identifier: str, tags: Iterable[str]) -> None:
        wanted = {*tags, *map(namespace_tag, Namespace)}
        await super().publish(identifier, wanted)


async def _filled_in(store: Store, template: str) -> str:
    keys = {sku: product.id for sku, product in store.products.items()}
    keys |= {"ada": store.users["ada"].id, "next user": store.users["bob"].id + 1}
    keys["next product"] = max(product.id for product in store.products.values()) + 1
    keys |= {label: decode_id(number, "Order") for label, number in store.orders.items()}
    digests = {"bob": digest_of(store.tokens["bob"])}
    filled = template
    for name, key in {**keys, **(digests if template.startswith("session") else {})}.items():
        filled = filled.replace(f"{{{name}}}", str(key))
    return filled
