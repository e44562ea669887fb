"""A store to measure: rows in the database, and the whole API to ask."""

import json
import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from gql.http.view import GraphQLView
from gql.schema import schema
from models.tables import Brand, Category, Product, Role, Session, User
from models.text import folded
from resolvers.context import Services
from resolvers.ids import encode_id
from resolvers.sessions import LIFETIME, digest_of

ADJECTIVES = ("Red", "Blue", "Small", "Large", "Light", "Plain", "Old", "New", "Fine", "Round")
NOUNS = ("Lamp", "Chair", "Phone", "Desk", "Clock", "Shelf", "Cup", "Kettle", "Radio", "Mirror")
STAFF = "staff"
ENOUGH = 10_000


@dataclass
class Rows:
    """What there is: ids as clients know them, slugs, and a token for each user."""

    products: list[str] = field(default_factory=list)
    skus: list[str] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    brands: list[str] = field(default_factory=list)
    tokens: dict[str, str] = field(default_factory=dict)


async def seed(products: int, customers: int, chance: random.Random) -> Rows:
    """Three categories with three below each, eight brands, products in them, and users."""
    rows, now = Rows(), datetime.now(UTC)
    categories = [child for slug in ("home", "work", "play") for child in await _below(slug)]
    brands = [await Brand.create(slug=f"brand-{it}", name=f"Brand {it}") for it in range(8)]
    rows.categories = [category.slug for category in categories]
    rows.brands = [brand.slug for brand in brands]
    for number in range(products):
        name = f"{chance.choice(ADJECTIVES)} {chance.choice(NOUNS)} {number}"
        made = await Product.create(
            sku=f"P-{number}",
            name=name,
            name_key=folded(name),
            price_minor=chance.randrange(100, 100_000),
            stock=ENOUGH,
            category=chance.choice(categories),
            brand=chance.choice(brands),
            units_sold=chance.randrange(1_000),
            created_at=now - timedelta(minutes=number),
            updated_at=now,
        )
        rows.products.append(encode_id("Product", made.id))
        rows.skus.append(made.sku)
    for name in (STAFF, *(f"customer-{number}" for number in range(customers))):
        rows.tokens[name] = await _token(name, now)
    return rows


async def _below(slug: str) -> list[Category]:
    above = await Category.create(slug=slug, name=slug.title())
    above.path = f"/{above.id}/"
    await above.save()
    below = []
    for number in range(3):
        made = await Category.create(slug=f"{slug}-{number}", name=f"{slug} {number}", parent=above)
        made.path = f"{above.path}{made.id}/"
        await made.save()
        below.append(made)
    return [above, *below]


async def _token(name: str, now: datetime) -> str:
    user = await User.create(
        name=name,
        email=f"{name}@example.com",
        role=Role.STAFF if name == STAFF else Role.CUSTOMER,
        created_at=now,
    )
    token = secrets.token_urlsafe(32)
    await Session.create(digest=digest_of(token), user=user, created_at=now, ends_at=now + LIFETIME)
    return token


class Shop:
    """The API of an application, asked as clients ask it."""

    def __init__(self, services: Services, rows: Rows) -> None:
        self.rows = rows
        transport = httpx.ASGITransport(GraphQLView(schema, services))
        self._http = httpx.AsyncClient(transport=transport, base_url="http://store")

    async def ask(self, query: str, who: str | None = None, **variables: Any) -> dict[str, Any]:
        """The data of an answer. Raises `RuntimeError` for one with errors."""
        headers = {"authorization": f"Bearer {self.rows.tokens[who]}"} if who else {}
        body = {"query": query, "variables": variables}
        response = await self._http.post("/graphql", json=body, headers=headers)
        answer = json.loads(response.text)
        if "errors" in answer:
            raise RuntimeError(f"{query} came to {answer['errors']}")
        data: dict[str, Any] = answer["data"]
        return data

    async def aclose(self) -> None:
        """End."""
        await self._http.aclose()


def popular(chance: random.Random, items: Sequence[str]) -> str:
    """One of `items`; the first are asked for more often, as in a shop (Zipf's law, roughly)."""
    return items[min(int(chance.paretovariate(0.6)) - 1, len(items) - 1)]
