"""A small store on a real database and a real Valkey, with workers that share both.

Each worker has a cache of its own, as each process of a server has; `facts` collects what it does.
"""

import asyncio
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from redis.asyncio import Redis

from cache import Cache, CacheSettings, RedisStore
from cache.integrations.tortoise import TortoiseOutbox
from cache.leaderboard import Leaderboards
from cache.records import Records
from cache.tasks import end
from cache.writes import WriteBehind
from gql.http.connection import open_context
from gql.http.view import GraphQLView
from gql.schema import schema
from models.database import is_unavailable
from models.tables import (
    Brand,
    Category,
    Order,
    OrderLine,
    OrderStatus,
    Outbox,
    Product,
    Role,
    Session,
    User,
)
from models.text import folded
from resolvers.context import Context, Services, Viewer
from resolvers.ids import encode_id
from resolvers.score_source import SqlScores
from resolvers.sessions import LIFETIME, digest_of
from resolvers.stats import view_progress
from tests.support.world import Facts

LONG_AGO = datetime(2026, 1, 1, 12, tzinfo=UTC)

Answer = dict[str, Any]


class Worker:
    """One process of the server, as far as caches are concerned."""

    def __init__(
        self,
        redis: Redis,
        prefix: str,
        cache: type[Cache] = Cache,
        settings: CacheSettings | None = None,
    ) -> None:
        self.facts = Facts()
        store = RedisStore(redis, prefix, observers=[self.facts])
        self._following: asyncio.Task[None] | None = None
        outbox = TortoiseOutbox(Outbox)
        engine = cache(
            store,
            outbox=outbox,
            observers=[self.facts],
            settings=settings,
            is_unavailable=is_unavailable,
        )
        self.services = Services(
            cache=engine,
            records=Records(redis, prefix, "session", LIFETIME.total_seconds()),
            views=WriteBehind(view_progress(outbox), redis, prefix, cache=engine),
            leaderboards=Leaderboards(redis, SqlScores(), prefix),
            currency="EUR",
        )
        self.view = GraphQLView(schema, self.services)
        transport = httpx.ASGITransport(self.view)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://store")

    async def post(self, query: str, token: str | None = None, **variables: Any) -> Answer:
        """The whole answer to one operation; `token` says who asks."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        body = {"query": query, "variables": variables}
        response = await self.http.post("/graphql", json=body, headers=headers)
        answer: Answer = json.loads(response.text)
        return answer

    async def ask(self, query: str, token: str | None = None, **variables: Any) -> Answer:
        """The data of an answer that must have no errors."""
        answer = await self.post(query, token, **variables)
        assert "errors" not in answer, answer["errors"]
        data: Answer = answer["data"]
        return data

    def context(self, token: str | None = None) -> Any:
        """A resolvers' context, to enter with `async with`."""
        return open_context(self.services, f"Bearer {token}" if token else None)

    async def follow(self) -> None:
        """Follow the log from here on, as a server's worker does; without it every read asks Redis.

        The relay does not run: its looks at the outbox would be among the statements that tests
        count.
        """
        cache = self.services.cache
        self._following = asyncio.create_task(cache.follower.run())
        assert await cache.catch_up(10.0)

    async def settle(self) -> None:
        """Write what goes to the database after answers, so that no test counts it."""
        relay = self.services.cache.relay
        assert relay is not None
        await relay.flush()

    async def close(self) -> None:
        if self._following is not None:
            await end([self._following])
        await self.http.aclose()
        await self.services.background.close()
        await self.services.leaderboards.aclose()
        await self.services.cache.close()


@dataclass
class People:
    """Users with a token each."""

    admin: User
    staff: User
    ada: User
    bob: User


class Store:
    """The store with its rows; `worker` and `other` are two workers."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self.redis, self.prefix = redis, prefix
        self.worker = Worker(redis, prefix)
        self.other = Worker(redis, prefix)
        self.categories: dict[str, Category] = {}
        self.brands: dict[str, Brand] = {}
        self.products: dict[str, Product] = {}
        self.users: dict[str, User] = {}
        self.tokens: dict[str, str] = {}
        self.orders: dict[str, str] = {}

    async def seed(self) -> None:
        await self._catalogue()
        for index, (sku, name, price, category, brand, stock) in enumerate(_PRODUCTS):
            self.products[sku] = await Product.create(
                sku=sku,
                name=name,
                name_key=folded(name),
                description=f"The {name}.",
                price_minor=price,
                category=self.categories.get(category or ""),
                brand=self.brands.get(brand or ""),
                stock=stock,
                units_sold=10 - index,
                created_at=LONG_AGO + timedelta(hours=index),
                updated_at=LONG_AGO + timedelta(hours=index),
            )
        for name, role in _USERS.items():
            self.users[name] = await User.create(
                name=name.title(),
                email=f"{name}@example.com",
                role=role,
                created_at=LONG_AGO,
            )
            self.tokens[name] = await self.session(name)

    async def session(self, name: str, age: timedelta = timedelta()) -> str:
        """A token for this user, whose session began `age` ago."""
        token, now = secrets.token_urlsafe(32), datetime.now(UTC) - age
        await Session.create(
            digest=digest_of(token), user=self.users[name], created_at=now, ends_at=now + LIFETIME
        )
        return token

    async def order(
        self, name: str, lines: Mapping[str, int], status: OrderStatus = OrderStatus.PENDING
    ) -> Order:
        """An order that is there already, counted into stock, units and points by nobody."""
        total = sum(self.products[sku].price_minor * count for sku, count in lines.items())
        order = await Order.create(
            number=secrets.token_hex(8),
            user=self.users[name],
            status=status,
            placed_at=LONG_AGO + timedelta(minutes=await Order.all().count()),
            total_minor=total,
        )
        for number, (sku, count) in enumerate(lines.items(), start=1):
            product = self.products[sku]
            await OrderLine.create(
                order=order,
                line_no=number,
                product=product,
                quantity=count,
                unit_price_minor=product.price_minor,
            )
        return order

    async def close(self) -> None:
        """Close both workers."""
        await self.worker.close()
        await self.other.close()

    def id(self, sku: str) -> str:
        """The global id of a product."""
        return encode_id("Product", self.products[sku].id)

    def user_id(self, name: str) -> str:
        """The global id of a user."""
        return encode_id("User", self.users[name].id)

    async def stock_of(self, sku: str) -> int:
        """A product's stock, read from the database."""
        found = await Product.get(id=self.products[sku].id)
        return found.stock

    async def _catalogue(self) -> None:
        for slug, parent in _CATEGORIES.items():
            above = self.categories.get(parent or "")
            category = await Category.create(slug=slug, name=slug.title(), parent=above)
            category.path = f"{above.path if above else '/'}{category.id}/"
            await category.save()
            self.categories[slug] = category
        for slug in ("acme", "globex"):
            self.brands[slug] = await Brand.create(slug=slug, name=slug.title())


def context_of(worker: Worker, viewer: Viewer) -> Context:
    """A resolvers' context for a viewer without a session, to enter with `with`."""
    return Context(worker.services, viewer)


_CATEGORIES = {
    "electronics": None,
    "phones": "electronics",
    "smart": "phones",
    "audio": "electronics",
    "home": None,
}
_USERS = {"admin": Role.ADMIN, "staff": Role.STAFF, "ada": Role.CUSTOMER, "bob": Role.CUSTOMER}
_PRODUCTS = [
    ("P-1", "Alpha Phone", 50_000, "phones", "acme", 10),
    ("P-2", "Beta Phone", 40_000, "phones", "globex", 5),
    ("S-1", "Gamma Smart", 90_000, "smart", "acme", 3),
    ("A-1", "Delta Speaker", 20_050, "audio", "acme", 0),
    ("A-2", "Épsilon Speaker", 30_000, "audio", "globex", 7),
    ("H-1", "Zeta Lamp", 1_999, "home", None, 100),
    ("H-2", "Eta Chair", 10_000, "home", "globex", 20),
    ("X-1", "Theta Gift", 500, None, None, 1),
]
