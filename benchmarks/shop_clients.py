"""Clients of a shop, who read and write at random."""

import random
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.shop import STAFF, Rows, Shop, popular

PRODUCT = "name price { amount } stock stats { unitsSold } category { name } brand { name }"
PAGE = "{ totalCount edges { node { name price { amount } } } }"
BY_ID = f"query($id: ID!) {{ product(id: $id) {{ {PRODUCT} }} }}"
BY_SKU = "query($sku: String!) { product(sku: $sku) { name price { amount } } }"
LIST = (
    "query($filter: ProductFilter, $order: ProductOrder!) "
    f"{{ products(filter: $filter, orderBy: $order, first: 20) {PAGE} }}"
)
ME = (
    "{ me { name loyaltyPoints orders(first: 10) { totalCount edges { node { id status "
    "total { amount } lines { quantity product { name } } } } } } }"
)
ORDERS = ("NAME_ASC", "PRICE_ASC", "NEWEST", "BEST_SELLING")
NEXT = {"PENDING": "PAID", "PAID": "SHIPPED", "SHIPPED": "DELIVERED"}

Action = Callable[[], Awaitable[None]]


class Clients:
    """Who reads and writes, at random."""

    def __init__(self, shop: Shop, chance: random.Random) -> None:
        self._shop, self._chance = shop, chance
        self._customers = [name for name in shop.rows.tokens if name != STAFF]
        self._number = 0

    @property
    def _rows(self) -> Rows:
        return self._shop.rows

    async def read(self) -> None:
        """One question, asked twice: what the first answer filled, the second is served from."""
        question, who, variables = self._question()
        for _ in range(2):
            await self._shop.ask(question, who, **variables)

    async def write(self) -> None:
        """One write that changes something."""
        weighted: dict[Action, int] = {
            self._order: 40, self._price: 12, self._stock: 10, self._name: 8, self._place: 4,
            self._text: 4, self._profile: 8, self._status: 10, self._create: 2, self._delete: 2,
        }  # fmt: skip
        [action] = self._chance.choices(list(weighted), list(weighted.values()))
        await action()

    def _question(self) -> tuple[str, str | None, dict[str, Any]]:
        kind = self._chance.random()
        if kind < 0.45:
            return BY_ID, None, {"id": popular(self._chance, self._rows.products)}
        if kind < 0.55:
            return BY_SKU, None, {"sku": popular(self._chance, self._rows.skus)}
        if kind < 0.75:
            return ME, self._chance.choice(self._customers), {}
        return LIST, None, {"filter": self._filter(), "order": self._chance.choice(ORDERS)}

    def _filter(self) -> dict[str, Any]:
        category = {"categorySlug": self._chance.choice(self._rows.categories)}
        brand = {"brandSlug": self._chance.choice(self._rows.brands)}
        return self._chance.choice([{}, category, category, brand, {**category, **brand}])

    async def _run(self, mutation: str, who: str, **given: Any) -> None:
        type_name = f"{mutation[0].upper()}{mutation[1:]}Input"
        field_asked = f"{mutation}(input: $input) {{ errors {{ code }} }}"
        query = f"mutation($input: {type_name}!) {{ {field_asked} }}"
        data = await self._shop.ask(query, who, input=given)
        if any(error["code"] != "OUT_OF_STOCK" for error in data[mutation]["errors"]):
            raise RuntimeError(f"{mutation} of {given} came to {data}")

    async def _edit(self, **changes: Any) -> None:
        product = popular(self._chance, self._rows.products)
        await self._run("updateProduct", STAFF, id=product, **changes)

    def _next(self) -> int:
        self._number += 1
        return self._number

    async def _order(self) -> None:
        products = {popular(self._chance, self._rows.products) for _ in range(3)}
        lines = [{"productId": product, "quantity": 1} for product in products]
        await self._run("placeOrder", self._chance.choice(self._customers), lines=lines)

    async def _price(self) -> None:
        await self._edit(price=f"{self._chance.randrange(1, 1_000)}.{self._next() % 100:02d}")

    async def _stock(self) -> None:
        await self._edit(stock=self._chance.choice([0, 9_000 + self._next()]))

    async def _name(self) -> None:
        await self._edit(name=f"Renamed {self._next()}")

    async def _text(self) -> None:
        await self._edit(description=f"Described {self._next()}")

    async def _place(self) -> None:
        await self._edit(categorySlug=self._chance.choice(self._rows.categories))

    async def _profile(self) -> None:
        who = self._chance.choice(self._customers)
        await self._run("updateProfile", who, name=f"Somebody {self._next()}")

    async def _status(self) -> None:
        data = await self._shop.ask(ME, self._chance.choice(self._customers))
        for edge in data["me"]["orders"]["edges"]:
            order = edge["node"]
            if order["status"] in NEXT:
                given = {"orderId": order["id"], "status": NEXT[order["status"]]}
                await self._run("updateOrderStatus", STAFF, **given)
                return
        await self._order()

    async def _create(self) -> None:
        sku = f"N-{self._next()}"
        query = (
            "mutation($input: CreateProductInput!) { createProduct(input: $input) "
            "{ product { id } errors { code } } }"
        )
        given = {"sku": sku, "name": f"New {sku}", "price": "9.00", "stock": 5}
        given |= {"categorySlug": self._rows.categories[0], "brandSlug": self._rows.brands[0]}
        data = await self._shop.ask(query, STAFF, input=given)
        self._rows.products.append(data["createProduct"]["product"]["id"])
        self._rows.skus.append(sku)

    async def _delete(self) -> None:
        await self._run("deleteProduct", STAFF, id=self._rows.products.pop())
