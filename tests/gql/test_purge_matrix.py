"""The write x purge matrix: after each mutation every query is right, and no more was purged.

Every shape of query is warmed, the mutation runs, and every shape is read again:

- its answer equals that of a worker without a cache, on the same database;
- every entry whose value did not change is still a hit, but for a stated few that depend on what
  was written without showing it (a search for "speaker" must hear of every new name).

Read on the worker that writes and on another one; on both databases. The controls: leaving out any
one tag of a purge gives a wrong answer, and purging everything costs the hits.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from cache import Cache
from cache.facts import Defect, Hit, Missed
from models.tables import OrderStatus, User
from resolvers import passwords, products
from resolvers.ids import decode_id, encode_id
from resolvers.sessions import digest_of
from tests.support.recording import Recording, Uncached
from tests.support.shapes import Shape, order_shapes, product_shapes, user_shapes
from tests.support.store import Store, Worker

Mutate = Callable[[Store, Worker], Awaitable[Any]]


class Matrix:
    """A store whose shapes are warm, and what a mutation did to them."""

    def __init__(self, store: Store, shapes: dict[str, Shape]) -> None:
        self.store, self.shapes = store, shapes
        self.reader = Worker(store.redis, store.prefix, Recording)
        self.other = Worker(store.redis, store.prefix)
        self.truth = Worker(store.redis, store.prefix, Uncached)

    async def read(self, worker: Worker) -> dict[str, Any]:
        return {
            label: await worker.post(shape.query, shape.token, **(shape.variables or {}))
            for label, shape in self.shapes.items()
        }

    async def warm(self) -> None:
        await self.read(self.reader)
        self.reader.facts.clear()
        await self.read(self.reader)
        assert not self.missed(), "the second read of everything was not all hits"
        self.values = await self.cache.values()

    async def wrong(self) -> set[str]:
        """The shapes that are answered otherwise than without a cache."""
        got, right = await self.read(self.reader), await self.read(self.truth)
        return {label for label in self.shapes if got[label] != right[label]}

    async def step(self, mutate: Mutate, writer: Worker) -> "Effect":
        """Run a mutation, read everything again and compare."""
        before = self.values
        await mutate(self.store, writer)
        self.reader.facts.clear()
        wrong = await self.wrong()
        missed = self.missed() & set(before)
        self.values = await self.cache.values()
        return Effect(
            wrong=wrong,
            changed={key for key, value in before.items() if value != self.values[key]},
            missed=missed,
            hits={fact.key for fact in self.reader.facts if isinstance(fact, Hit)},
        )

    @property
    def cache(self) -> Recording:
        cache = self.reader.services.cache
        assert isinstance(cache, Recording)
        return cache

    def missed(self) -> set[str]:
        return {fact.key for fact in self.reader.facts if isinstance(fact, Missed)}

    async def close(self) -> None:
        for worker in (self.reader, self.other, self.truth):
            await worker.close()


@dataclass
class Effect:
    """What a mutation did: shapes answered wrongly, entries that changed, missed, and hit."""

    wrong: set[str]
    changed: set[str]
    missed: set[str]
    hits: set[str]

    @property
    def unneeded(self) -> list[str]:
        """Entries that were purged though their value stayed the same."""
        return sorted(self.missed - self.changed)


async def _shapes(store: Store) -> dict[str, Shape]:
    """All shapes, over a store in which ada has an order in every state that can be left."""
    pending = await store.order("ada", {"P-1": 2, "H-1": 1})
    sold_out = await store.order("ada", {"A-1": 4})
    paid = await store.order("ada", {"P-2": 1}, OrderStatus.PAID)
    shipped = await store.order("bob", {"H-2": 1}, OrderStatus.SHIPPED)
    ids = {"pending": pending.id, "sold out": sold_out.id, "paid": paid.id, "shipped": shipped.id}
    store.orders = {label: encode_id("Order", number) for label, number in ids.items()}
    # The next of each is not there yet: what must not stay is that there is none.
    next_order = encode_id("Order", shipped.id + 1)
    next_user = encode_id("User", store.users["bob"].id + 1)
    store.tokens["ada elsewhere"] = await store.session("ada")
    hashed = await passwords.hashed(_PASSWORDS["current"])
    await User.filter(id=store.users["ada"].id).update(password_hash=hashed)
    shapes = product_shapes(store) | user_shapes(store)
    shapes |= order_shapes(store, {**store.orders, "next": next_order})
    shapes["next user"] = Shape(f'{{ user(id: "{next_user}") {{ name }} }}')
    shapes["next user as node"] = Shape(
        f'{{ node(id: "{next_user}") {{ ... on User {{ name email }} }} }}', store.tokens["staff"]
    )
    return shapes


@pytest.fixture
async def matrix(store: Store) -> AsyncIterator[Matrix]:
    """A matrix over every shape."""
    made = Matrix(store, await _shapes(store))
    yield made
    await made.close()


@pytest.fixture
def long_stock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stock lives long enough that a slow machine does not miss it for its age."""
    policy = products.stock.policy
    monkeypatch.setattr(products.stock, "policy", replace(policy, ttl=600))


def _mutation(name: str, type_name: str, selection: str) -> str:
    return (
        f"mutation($input: {type_name}!) {{ {name}(input: $input) "
        f"{{ {selection} errors {{ code message path }} }} }}"
    )


async def _run(worker: Worker, name: str, token: str | None, data: dict[str, Any]) -> Any:
    """Run a mutation that must succeed."""
    type_name, selection = _MUTATIONS[name]
    query = _mutation(name, type_name, selection)
    answer = await worker.ask(query, token, input=data)
    assert answer[name]["errors"] == []
    return answer[name]


_MUTATIONS = {
    "register": ("RegisterInput", "user { name }"),
    "login": ("LoginInput", "token"),
    "logout": ("LogoutInput", "done"),
    "changePassword": ("ChangePasswordInput", "user { name }"),
    "updateProfile": ("UpdateProfileInput", "user { name email }"),
    "updateProduct": ("UpdateProductInput", "product { name stock price { amount } }"),
    "placeOrder": ("PlaceOrderInput", "order { number }"),
    "cancelOrder": ("CancelOrderInput", "order { status }"),
    "updateOrderStatus": ("UpdateOrderStatusInput", "order { status }"),
    "recordProductView": ("RecordProductViewInput", "product { name }"),
}


def _edit(sku: str, **changes: Any) -> Mutate:
    async def mutate(store: Store, worker: Worker) -> None:
        data = {"id": store.id(sku), **changes}
        await _run(worker, "updateProduct", store.tokens["staff"], data)

    return mutate


def _order(name: str, **lines: int) -> Mutate:
    async def mutate(store: Store, worker: Worker) -> None:
        wanted = [
            {"productId": store.id(sku.replace("_", "-")), "quantity": count}
            for sku, count in lines.items()
        ]
        await _run(worker, "placeOrder", store.tokens[name], {"lines": wanted})

    return mutate


def _status(label: str, status: str) -> Mutate:
    async def mutate(store: Store, worker: Worker) -> None:
        data = {"orderId": store.orders[label], "status": status}
        await _run(worker, "updateOrderStatus", store.tokens["staff"], data)

    return mutate


def _cancel(label: str, name: str) -> Mutate:
    async def mutate(store: Store, worker: Worker) -> None:
        await _run(worker, "cancelOrder", store.tokens[name], {"orderId": store.orders[label]})

    return mutate


def _as(token: str | None, name: str, /, **data: Any) -> Mutate:
    async def mutate(store: Store, worker: Worker) -> None:
        await _run(worker, name, store.tokens[token] if token else None, data)

    return mutate


async def _change_password(store: Store, worker: Worker) -> None:
    await _run(worker, "changePassword", store.tokens["ada"], _PASSWORDS)


async def _view(store: Store, worker: Worker) -> None:
    await _run(worker, "recordProductView", None, {"productId": store.id("P-1")})


_PASSWORDS = {"current": "correct horse", "new": "battery staple"}
_NEW_USER = {"name": "Carl", "email": "carl@example.com", "password": "correct horse"}


STEPS: dict[str, tuple[Mutate, int]] = {
    "nothing": (_edit("P-1", name="Alpha Phone"), 0),
    "name": (_edit("P-1", name="Omega Phone"), 2),
    "name, case only": (_edit("P-1", name="OMEGA PHONE"), 0),
    "description": (_edit("P-1", description="New."), 0),
    "price": (_edit("P-1", price="250.00"), 1),
    "stock": (_edit("P-1", stock=8), 0),
    "sold out": (_edit("P-1", stock=0), 0),
    "in stock again": (_edit("P-1", stock=4), 0),
    "category, below": (_edit("P-1", categorySlug="smart"), 0),
    "category, beside": (_edit("P-1", categorySlug="audio"), 2),
    "category, elsewhere": (_edit("P-1", categorySlug="home"), 5),
    "no category": (_edit("P-1", categorySlug=None), 0),
    "brand": (_edit("P-1", brandSlug="globex"), 4),
    "no brand": (_edit("P-1", brandSlug=None), 0),
    "everything": (
        _edit("A-2", name="Ny", price="1.00", stock=0, categorySlug="phones", brandSlug="acme"),
        3,
    ),
    "order": (_order("ada", P_2=2, H_1=1), 1),
    "order the last": (_order("bob", S_1=3), 0),
    "paid": (_status("pending", "PAID"), 1),
    "shipped": (_status("pending", "SHIPPED"), 1),
    "cancel": (_cancel("sold out", "ada"), 1),
    "cancel a paid one": (_cancel("paid", "staff"), 1),
    "profile": (_as("ada", "updateProfile", name="Ada L."), 0),
    "avatar": (_as("ada", "updateProfile", avatarUrl="https://example.com/a.png"), 0),
    "register": (_as(None, "register", **_NEW_USER), 0),
    "login": (_as(None, "login", email="ada@example.com", password=_PASSWORDS["current"]), 0),
    "logout": (_as("bob", "logout"), 0),
    "password": (_as("ada", "changePassword", **_PASSWORDS), 0),
    "view": (_view, 0),
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
    matrix: Matrix, writer: str, long_stock: None
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
    (_edit("P-1", description="Other."), "product:{P-1}"),
    (_edit("P-1", name="Omega Phone"), "products:all:name"),
    (_edit("P-1", name="Alpha Phone"), "products:category:electronics:name"),
    (_edit("P-1", price="900.00"), "products:all:price"),
    (_edit("P-1", price="1.00"), "products:category:phones:price"),
    (_edit("H-2", price="999.00"), "products:brand:globex:price"),
    (_edit("P-1", stock=9), "stock:{P-1}"),
    (_edit("P-1", stock=0), "products:all:stock"),
    (_edit("P-1", stock=5), "products:category:electronics:stock"),
    (_edit("P-1", categorySlug="audio"), "products:category:audio:members"),
    (_edit("P-1", categorySlug="smart"), "products:category:audio:members"),
    (_edit("P-1", categorySlug="home"), "products:category:electronics:members"),
    (_edit("P-1", brandSlug="globex"), "products:brand:acme:members"),
    (_edit("P-1", brandSlug="acme"), "products:brand:globex:members"),
    (_order("ada", H_1=90), "products:all:sold"),
    (_order("ada", H_1=1), "sold:{H-1}"),
    (_order("ada", H_1=1), "stock:{H-1}"),
    (_order("ada", H_1=1), "account:{ada}"),
    (_order("ada", H_1=1), "orders:user:{ada}"),
    (_order("ada", H_1=1), "orders:user:{ada}:PENDING"),
    (_status("pending", "PAID"), "order:{pending}"),
    (_status("sold out", "PAID"), "orders:user:{ada}:PENDING"),
    (_cancel("paid", "ada"), "orders:user:{ada}:PAID"),
    (_as("ada", "updateProfile", name="Ada L."), "user:{ada}"),
    (_as("ada", "updateProfile", name="Ada"), "account:{ada}"),
    (_as(None, "register", **_NEW_USER), "user:{next user}"),
    (_as("bob", "logout"), "session:{bob}"),
]
"""Mutations, each with one tag of its purge that is left out."""


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_each_tag_of_a_purge_is_needed(matrix: Matrix, long_stock: None) -> None:
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
async def test_purging_everything_is_noticed(matrix: Matrix, long_stock: None) -> None:
    """The control: a write that purges whole namespaces leaves too few hits."""
    await matrix.warm()
    writer = Worker(matrix.store.redis, matrix.store.prefix, PurgingAll)
    effect = await matrix.step(_edit("P-1", description="Other."), writer)
    assert not effect.wrong
    assert len(effect.unneeded) > 50
    await writer.close()


class LeavingOut(Cache):
    """Purges everything but one tag."""

    tag = ""

    async def invalidate(self, tags: Iterable[str]) -> None:
        wanted = set(tags)
        assert not self.tag or self.tag in wanted, (self.tag, wanted)
        await super().invalidate(wanted - {self.tag})


class PurgingAll(Cache):
    """Purges all that there is."""

    async def invalidate(self, tags: Iterable[str]) -> None:
        await super().invalidate({*tags, "products", "orders", "users", "categories"})


async def _filled_in(store: Store, template: str) -> str:
    keys = {sku: product.id for sku, product in store.products.items()}
    keys |= {"ada": store.users["ada"].id, "next user": store.users["bob"].id + 1}
    keys |= {label: decode_id(number, "Order") for label, number in store.orders.items()}
    digests = {"bob": digest_of(store.tokens["bob"])}
    filled = template
    for name, key in {**keys, **(digests if template.startswith("session") else {})}.items():
        filled = filled.replace(f"{{{name}}}", str(key))
    return filled
