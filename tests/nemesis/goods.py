"""What the store holds before a run, and what the checker knows of it.

- `edited` products get new names, descriptions and prices: one label in all three, so that a row
  of two edits is seen;
- `moved` ones go from category to category;
- `sold` ones have a fixed price, and are ordered: stock, units sold, points and the lengths of
  lists are counters;
- all but the sold are viewed.
"""

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from models.database import connect, disconnect
from models.tables import Category, Leaderboard, Operator, Product, Role, Session, User
from models.text import folded
from resolvers.ids import encode_id
from resolvers.sessions import LIFETIME, digest_of
from tests.history.records import Counter, History

BOARD = "nemesis"
LARGEST_SCORE = 9
"""What one submission adds at most."""
PRICE = 10
"""What a piece that is ordered costs, in whole units: so many points it brings."""
STOCK = 10_000_000
STAFF = "staff"


@dataclass(frozen=True)
class Person:
    """Somebody with a session."""

    id: str
    email: str
    token: str


@dataclass
class Goods:
    """Global ids of what there is."""

    edited: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    sold: list[str] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    customers: list[Person] = field(default_factory=list)
    staff: list[Person] = field(default_factory=list)
    players: list[str] = field(default_factory=list)

    @property
    def viewed(self) -> list[str]:
        return [*self.edited, *self.moved]


def label(number: int) -> str:
    """The name that an edit gives; its price is `number` cents."""
    return f"w{number}"


def price(number: int) -> str:
    """The price that goes with it."""
    return f"{number // 100}.{number % 100:02}"


async def seeded(url: str, *, customers: int = 6, products: int = 8) -> tuple[Goods, History]:
    """Fill the migrated database behind a URL."""
    await connect(url)
    try:
        return await filled(customers=customers, products=products)
    finally:
        await disconnect()


async def filled(*, customers: int = 6, products: int = 8) -> tuple[Goods, History]:
    """Fill the connected database; what is there, and the history that begins with it."""
    goods, history = Goods(), History()
    await _products(goods, history, products)
    await _people(goods, history, customers)
    await Leaderboard.create(
        slug=BOARD,
        name="Nemesis",
        operator=Operator.INCREMENT,
        order="DESC",
        created_at=datetime.now(UTC),
    )
    goods.players = [f"player-{number}" for number in range(6)]
    for player in goods.players:
        history.counters[f"score:{player}"] = Counter(0, live=True)
    return goods, history


async def _products(goods: Goods, history: History, number: int) -> None:
    categories = []
    for slug in ("red", "green", "blue"):
        category = await Category.create(slug=slug, name=slug.title())
        category.path = f"/{category.id}/"
        await category.save()
        categories.append(category)
        goods.categories.append(slug)
    for kind, place, count in (("edited", 0, number), ("moved", 1, 4), ("sold", 2, 6)):
        for _ in range(count):
            product = await _product(kind, categories[place])
            identifier = encode_id("Product", product.id)
            getattr(goods, kind).append(identifier)
            if kind == "edited":
                history.initial[f"product:{identifier}"] = (product.name, 1)
            elif kind == "moved":
                history.initial[f"place:{identifier}"] = (categories[place].slug, 1)
            else:
                history.counters[f"stock:{identifier}"] = Counter(STOCK, direction=-1)
                history.counters[f"sold:{identifier}"] = Counter(0)
    for identifier in goods.viewed:
        history.counters[f"views:{identifier}"] = Counter(0, live=True)


async def _product(kind: str, category: Category) -> Product:
    number = 1 + secrets.randbelow(10_000_000)
    name = label(number)
    return await Product.create(
        sku=f"{kind}-{secrets.token_hex(6)}",
        name=name,
        name_key=folded(name),
        description=name,
        price_minor=PRICE * 100 if kind == "sold" else number,
        category=category,
        stock=STOCK,
        created_at=datetime.now(UTC),
        updated_at=datetime.now(UTC),
    )


async def _people(goods: Goods, history: History, customers: int) -> None:
    for number in range(customers + 2):
        is_staff = number >= customers
        role = Role.STAFF if is_staff else Role.CUSTOMER
        person = await _person(f"person-{number}", role)
        (goods.staff if is_staff else goods.customers).append(person)
        history.initial[f"user:{person.id}"] = (f"person-{number}", 1)
        history.initial[f"account:{person.id}"] = (person.email, 1)
        history.counters[f"points:{person.id}"] = Counter(0)
        history.counters[f"orders:{person.id}"] = Counter(0)
        for kind in ("account", "points", "orders"):
            history.owners[f"{kind}:{person.id}"] = frozenset([person.id, STAFF])


async def _person(name: str, role: Role) -> Person:
    user = await User.create(
        name=name, email=f"{name}@example.com", role=role, created_at=datetime.now(UTC)
    )
    token, now = secrets.token_urlsafe(32), datetime.now(UTC)
    # Its end is not moved during a run: that would be a write at a moment of its own choosing.
    await Session.create(
        digest=digest_of(token), user=user, created_at=now, ends_at=now + LIFETIME + timedelta(1)
    )
    return Person(encode_id("User", user.id), f"{name}@example.com", token)
