"""The purge matrix: warm shapes, mutations that must succeed, and what each did to the cache."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from cache.facts import Hit, Missed
from models.tables import OrderStatus, User
from resolvers import passwords
from resolvers.ids import encode_id
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


async def matrix_shapes(store: Store) -> dict[str, Shape]:
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
    hashed = await passwords.hashed(PASSWORDS["current"])
    await User.filter(id=store.users["ada"].id).update(password_hash=hashed)
    shapes = product_shapes(store) | user_shapes(store)
    shapes |= order_shapes(store, {**store.orders, "next": next_order})
    next_product = encode_id("Product", max(it.id for it in store.products.values()) + 1)
    shapes["next product"] = Shape(
        f'{{ product(id: "{next_product}") {{ name }} node(id: "{next_product}") {{ id }} }}'
    )
    for sku in ("N-1", "N-2"):
        shapes[f"new product {sku}"] = Shape(f'{{ product(sku: "{sku}") {{ name stock }} }}')
    shapes["next user"] = Shape(f'{{ user(id: "{next_user}") {{ name }} }}')
    shapes["next user as node"] = Shape(
        f'{{ node(id: "{next_user}") {{ ... on User {{ name email }} }} }}', store.tokens["staff"]
    )
    return shapes


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
    "createProduct": ("CreateProductInput", "product { name stock stats { unitsSold } }"),
    "deleteProduct": ("DeleteProductInput", "product { name }"),
    "invalidateTags": ("InvalidateTagsInput", "tags"),
    "invalidateNamespace": ("InvalidateNamespaceInput", "namespace"),
}


def edit(sku: str, **changes: Any) -> Mutate:
    async def mutate(store: Store, worker: Worker) -> None:
        data = {"id": store.id(sku), **changes}
        await _run(worker, "updateProduct", store.tokens["staff"], data)

    return mutate


def create(sku: str, **values: Any) -> Mutate:
    return run_as("staff", "createProduct", **{**NEW_PRODUCT, "sku": sku, **values})


def delete(sku: str) -> Mutate:
    async def mutate(store: Store, worker: Worker) -> None:
        await _run(worker, "deleteProduct", store.tokens["staff"], {"id": store.id(sku)})

    return mutate


def order(name: str, **lines: int) -> Mutate:
    async def mutate(store: Store, worker: Worker) -> None:
        wanted = [
            {"productId": store.id(sku.replace("_", "-")), "quantity": count}
            for sku, count in lines.items()
        ]
        await _run(worker, "placeOrder", store.tokens[name], {"lines": wanted})

    return mutate


def move(label: str, status: str) -> Mutate:
    async def mutate(store: Store, worker: Worker) -> None:
        data = {"orderId": store.orders[label], "status": status}
        await _run(worker, "updateOrderStatus", store.tokens["staff"], data)

    return mutate


def cancel(label: str, name: str) -> Mutate:
    async def mutate(store: Store, worker: Worker) -> None:
        await _run(worker, "cancelOrder", store.tokens[name], {"orderId": store.orders[label]})

    return mutate


def run_as(token: str | None, name: str, /, **data: Any) -> Mutate:
    async def mutate(store: Store, worker: Worker) -> None:
        await _run(worker, name, store.tokens[token] if token else None, data)

    return mutate


async def view(store: Store, worker: Worker) -> None:
    await _run(worker, "recordProductView", None, {"productId": store.id("P-1")})


PASSWORDS = {"current": "correct horse", "new": "battery staple"}
NEW_PRODUCT = {"name": "Nu Phone", "price": "450.00", "categorySlug": "smart", "brandSlug": "acme"}
NEW_USER = {"name": "Carl", "email": "carl@example.com", "password": "correct horse"}
