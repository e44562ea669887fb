"""What clients do all the time: each one thing after the other, at random."""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import httpx

from tests.history.records import Outcome
from tests.nemesis import documents
from tests.nemesis.clients import PATIENCE, Client, Exchange, Log
from tests.nemesis.goods import BOARD, LARGEST_SCORE, PRICE, STAFF, label, price
from tests.nemesis.recording import RANKS, Recorder
from tests.nemesis.shop import Server

Action = Callable[[], Awaitable[None]]

_NEXT = {"PENDING": "PAID", "PAID": "SHIPPED", "SHIPPED": "DELIVERED"}
_labels = itertools.count(20_000_000)


class Lane:
    """One client with what it may do."""

    def __init__(self, client: Client, http: httpx.AsyncClient, servers: Sequence[Server]) -> None:
        self._client, self._http, self._servers = client, http, servers
        self._goods = client.log.goods
        self._random = random.Random(client.number)
        self._record = Recorder(client)
        everybody = [(self.catalogue, 5), (self.list, 4), (self.person, 1), (self.board, 1)]
        mine: list[tuple[Action, int]] = [*everybody, (self.view, 2)]
        if client.viewer == STAFF:
            mine += [(self.edit, 6), (self.move, 2), (self.score, 2), (self.status, 3)]
        elif client.viewer:
            mine += [(self.me, 4), (self.order, 5), (self.profile, 3), (self.others_order, 1)]
        self._actions = [action for action, _ in mine]
        self._weights = [weight for _, weight in mine]

    async def run(self, done: asyncio.Event) -> None:
        """Go on until `done`."""
        while not done.is_set():
            action = self._random.choices(self._actions, self._weights)[0]
            begun = self._client.log.errors.total()
            await action()
            if self._client.log.errors.total() > begun:
                await asyncio.sleep(0.05)  # whoever is refused at once would do nothing else

    async def _ask(self, document: str, **variables: Any) -> Exchange:
        server = self._random.choice(self._servers)
        return await self._client.ask(self._http, server, document, **variables)

    # ---- reads ----

    async def catalogue(self) -> None:
        names = self._random.sample(self._goods.viewed, 2) + self._random.sample(
            self._goods.sold, 2
        )
        exchange = await self._ask(documents.CATALOGUE, **dict(zip("abcd", names, strict=True)))
        for name, identifier in zip("abcd", names, strict=True):
            row = exchange.part(name)
            self._record.product(exchange, row)
            if row is None and exchange.is_whole:
                self._record.missing(exchange, "product", identifier)

    async def list(self) -> None:
        slug = self._random.choice(self._goods.categories)
        self._record.listed(await self._ask(documents.LIST, slug=slug), slug)

    async def me(self) -> None:
        exchange = await self._ask(documents.ME)
        me = exchange.part("me")
        self._record.person(exchange, me)
        if me is None and exchange.is_whole:
            self._record.missing(exchange, "account", self._client.viewer)

    async def person(self) -> None:
        whose = self._random.choice(self._goods.customers)
        exchange = await self._ask(documents.PERSON, id=whose.id)
        self._record.person(exchange, exchange.part("user"))

    async def others_order(self) -> None:
        orders = [key for key in self._client.log.history.initial if key.startswith("order:")]
        if orders:
            identifier = self._random.choice(orders[-50:]).partition(":")[2]
            exchange = await self._ask(documents.ORDER, id=identifier)
            self._record.order(exchange, exchange.part("order"))

    async def board(self) -> None:
        exchange = await self._ask(documents.BOARD, slug=BOARD, players=self._goods.players)
        self._record.scores(exchange)

    # ---- writes ----

    async def edit(self) -> None:
        asked = {}
        for name, identifier in zip(
            "abcd", self._random.sample(self._goods.edited, 4), strict=True
        ):
            number = next(_labels)
            asked[name] = {
                "id": identifier,
                "name": label(number),
                "description": label(number),
                "price": price(number),
            }
        exchange = await self._ask(documents.EDIT, **asked)
        for name, given in asked.items():
            row = (exchange.part(name) or {}).get("product")
            version = row["version"] if row and row["name"] == given["name"] else None
            outcome = self._record.write(
                exchange,
                name,
                f"product:{given['id']}",
                value=given["name"],
                version=version,
                fields=3,
            )
            own = given["name"] if outcome is Outcome.OK else None
            self._record.product(exchange, row, own)

    async def move(self) -> None:
        """On condition of the version: so the one that it makes is known."""
        identifier = self._random.choice(self._goods.moved)
        names = {"a": identifier, "b": identifier}
        sold = dict(zip("cd", self._random.sample(self._goods.sold, 2), strict=True))
        exchange = await self._ask(documents.CATALOGUE, **names, **sold)
        row = exchange.part("a")
        if row is None:
            return
        self._record.product(exchange, row)
        slug, version = self._random.choice(self._goods.categories), row["version"]
        if slug == row["category"]["slug"]:
            return  # no change, no version
        given = {"id": identifier, "categorySlug": slug, "version": version}
        exchange = await self._ask(documents.MOVE, a=given)
        self._record.write(exchange, "a", f"place:{identifier}", value=slug, version=version + 1)
        self._record.product(exchange, (exchange.part("a") or {}).get("product"))

    async def order(self) -> None:
        first, second = self._random.sample(self._goods.sold, 2)
        lines = [{"productId": first, "quantity": 1}, {"productId": second, "quantity": 2}]
        exchange = await self._ask(documents.PLACE, a={"lines": lines})
        for identifier, quantity in ((first, 1), (second, 2)):
            for kind in ("stock", "sold"):
                self._record.write(exchange, "a", f"{kind}:{identifier}", amount=quantity)
        viewer = self._client.viewer
        self._record.write(exchange, "a", f"orders:{viewer}", amount=1)
        self._record.write(exchange, "a", f"points:{viewer}", amount=3 * PRICE)
        self._record.order(exchange, (exchange.part("a") or {}).get("order"))

    async def status(self) -> None:
        whose = self._random.choice(self._goods.customers)
        exchange = await self._ask(documents.PERSON, id=whose.id)
        self._record.person(exchange, exchange.part("user"))
        shown = ((exchange.part("user") or {}).get("orders") or {}).get("edges") or ()
        for edge in shown:
            order = edge["node"]
            status = _NEXT.get(order["status"])
            if status is not None:
                exchange = await self._ask(
                    documents.STATUS, a={"orderId": order["id"], "status": status}
                )
                key, rank = f"order:{order['id']}", RANKS[status]
                self._record.write(exchange, "a", key, value=status, version=rank)
                self._record.order(exchange, (exchange.part("a") or {}).get("order"))
                return

    async def profile(self) -> None:
        """On condition of the version, as a move."""
        name, viewer = f"n{next(_labels)}", self._client.viewer
        exchange = await self._ask(documents.ME)
        me = exchange.part("me")
        self._record.person(exchange, me)
        if me is None or me["version"] is None:
            return
        version = me["version"]
        exchange = await self._ask(documents.PROFILE, a={"name": name, "version": version})
        outcome = self._record.write(
            exchange, "a", f"user:{viewer}", value=name, version=version + 1
        )
        own = name if outcome is Outcome.OK else None
        self._record.person(exchange, (exchange.part("a") or {}).get("user"), own)

    async def view(self) -> None:
        products = [self._random.choice(self._goods.viewed) for _ in "abc"]
        asked = {name: {"productId": it} for name, it in zip("abc", products, strict=True)}
        exchange = await self._ask(documents.VIEW, **asked)
        for name, identifier in zip("abc", products, strict=True):
            self._record.write(exchange, name, f"views:{identifier}", amount=1)
            self._record.product_counts(exchange, (exchange.part(name) or {}).get("product"))

    async def score(self) -> None:
        players = self._random.sample(self._goods.players, 2)
        amounts = [self._random.randint(1, LARGEST_SCORE) for _ in players]
        asked = {
            name: {"leaderboard": BOARD, "player": player, "score": amount}
            for name, player, amount in zip("ab", players, amounts, strict=True)
        }
        exchange = await self._ask(documents.SCORE, **asked)
        for name, player, amount in zip("ab", players, amounts, strict=True):
            self._record.write(exchange, name, f"score:{player}", amount=amount)
            entry = (exchange.part(name) or {}).get("entry")
            if entry is not None:
                self._record.read(exchange, f"score:{player}", count=entry["score"])


class Workload:
    """Many clients at once: staff, customers, and people without a session."""

    def __init__(self, log: Log, servers: Sequence[Server], clients: int) -> None:
        self._done = asyncio.Event()
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(PATIENCE),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=None),
            trust_env=False,
            verify=False,
        )
        self._lanes = [Lane(_client(number, log), self._http, servers) for number in range(clients)]
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Workload":
        self._tasks = [asyncio.create_task(lane.run(self._done)) for lane in self._lanes]
        return self

    async def __aexit__(self, *error: object) -> None:
        self._done.set()
        try:
            await asyncio.gather(*self._tasks)
        finally:
            await self._http.aclose()

    def check(self) -> None:
        """Raise what a client died of."""
        for task in self._tasks:
            if task.done():
                task.result()


def _client(number: int, log: Log) -> Client:
    """Of four one is of the staff and two are customers; a third of all never sends a token."""
    goods, echoes = log.goods, number % 3 != 2
    if number % 4 == 0:
        person = goods.staff[number // 4 % len(goods.staff)]
        return Client(number, log, viewer=STAFF, token=person.token, echoes=echoes)
    if number % 4 == 3:
        return Client(number, log, echoes=echoes)
    person = goods.customers[number // 2 % len(goods.customers)]
    return Client(number, log, viewer=person.id, token=person.token, echoes=echoes)
