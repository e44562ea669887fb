"""The end of a run: once all is well, what each worker serves is compared with the rows in SQL."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import httpx

from models.database import connect, disconnect
from models.tables import Order, Product, ProductStats, Score, User
from resolvers.ids import encode_id
from tests.history.records import Final
from tests.nemesis import documents
from tests.nemesis.clients import Asked, Client, Exchange, Log
from tests.nemesis.goods import BOARD, STAFF
from tests.nemesis.recording import RANKS, label_of
from tests.nemesis.shop import Server, Shop

PATIENCE = 40.0
"""Seconds in which everything written behind has to be in SQL, and every worker well."""


async def heal(shop: Shop) -> None:
    """Wait until every worker says that all of it works, and nothing waits to be flushed."""
    ends = time.monotonic() + PATIENCE
    async with httpx.AsyncClient(trust_env=False, verify=False, timeout=5) as http:
        for server in shop.servers:
            while not await _is_ready(http, server):
                if time.monotonic() > ends:
                    raise RuntimeError(f"{server.name} is not ready: {await _said(http, server)}")
                await asyncio.sleep(0.1)
    while backlog := await shop.backlog():
        if time.monotonic() > ends:
            raise RuntimeError(f"{backlog} views and scores wait to be flushed")
        await asyncio.sleep(0.1)


async def _is_ready(http: httpx.AsyncClient, server: Server) -> bool:
    try:
        response = await http.get(f"{server.url}/readyz")
    except httpx.HTTPError:
        return False
    return response.status_code == 200 and response.json()["status"] == "ready"


async def _said(http: httpx.AsyncClient, server: Server) -> str:
    try:
        return (await http.get(f"{server.url}/readyz")).text
    except httpx.HTTPError as error:
        return f"{type(error).__name__}: {error}\n{server.output[-2000:]}"


async def compare(shop: Shop, log: Log) -> None:
    """Write down, for every key, the database's value and what each worker serves."""
    await connect(shop.database_url)
    try:
        true = await truth(log)
    finally:
        await disconnect()
    async with httpx.AsyncClient(trust_env=False, verify=False, timeout=20) as http:
        note(log, true, {server.name: await served(http, server, log) for server in shop.servers})


def note(log: Log, true: Mapping[str, Final], shown: Mapping[str, Sequence["Served"]]) -> None:
    """Put into the history what is true, and what each worker has shown."""
    by_key: dict[str, dict[str, str]] = defaultdict(dict)
    for worker, values in shown.items():
        for key, who, value in values:
            by_key[key][f"{worker} to {who}"] = value
    for key, final in true.items():
        log.history.finals.append(replace(final, served=by_key[key]))


# ---- what is true ----


async def truth(log: Log) -> Mapping[str, Final]:
    """The rows of the connected database."""
    found = [*await _products(), *await _people(), *await _orders(log), *await _scores(log)]
    lists: dict[str, list[str]] = {f"list:{slug}": [] for slug in log.goods.categories}
    for final in found:
        if final.key.removeprefix("place:") in log.goods.moved:
            lists[f"list:{final.truth}"].append(final.key.partition(":")[2])
    # Products that are edited and sold stay where they are.
    known = log.history.initial.keys() | log.history.counters.keys()
    wanted = {final.key: final for final in found if final.key in known}
    listed = {key: Final(key, " ".join(sorted(ids)), {}) for key, ids in lists.items()}
    return wanted | listed


async def _products() -> list[Final]:
    finals = []
    views = {row.product_id: row.views for row in await ProductStats.all()}
    for row in await Product.all().prefetch_related("category"):
        identifier = encode_id("Product", row.id)
        slug = row.category.slug if row.category else ""
        finals += [
            Final(f"product:{identifier}", row.name, {}, version=row.version),
            Final(f"place:{identifier}", slug, {}, version=row.version),
            _count(f"stock:{identifier}", row.stock),
            _count(f"sold:{identifier}", row.units_sold),
            _count(f"views:{identifier}", views.get(row.id, 0)),
        ]
    return finals


async def _people() -> list[Final]:
    finals = []
    for row in await User.all():
        identifier = encode_id("User", row.id)
        finals += [
            Final(f"user:{identifier}", row.name, {}, version=row.version),
            Final(f"account:{identifier}", row.email or "", {}),
            _count(f"points:{identifier}", row.loyalty_points),
            _count(f"orders:{identifier}", await Order.filter(user_id=row.id).count()),
        ]
    return finals


async def _orders(log: Log) -> list[Final]:
    """Also whose each is: those who read them could be shown somebody else's."""
    finals = []
    for row in await Order.all():
        key, rank = f"order:{encode_id('Order', row.id)}", RANKS[row.status.value]
        log.history.owners[key] = frozenset([encode_id("User", row.user_id), STAFF])
        finals.append(Final(key, row.status.value, {}, version=rank))
    return finals


async def _scores(log: Log) -> list[Final]:
    found = {row.player: row.score for row in await Score.filter(leaderboard__slug=BOARD)}
    return [_count(f"score:{player}", found.get(player, 0)) for player in log.goods.players]


def _count(key: str, number: int) -> Final:
    return Final(key, str(number), {}, count=number)


# ---- what is served ----

Served = tuple[str, str, str]
"""A key, to whom, and the value."""


async def served(http: httpx.AsyncClient, server: Asked, log: Log) -> Sequence[Served]:
    """Everything that a worker shows, to whoever may see it."""
    goods = log.goods
    staff = Client(-1, log, viewer=STAFF, token=goods.staff[0].token, echoes=False)
    anybody = Client(-2, log, echoes=False)
    found: list[Served] = []
    for identifier in [*goods.edited, *goods.moved, *goods.sold]:
        exchange = await anybody.ask(
            http, server, documents.CATALOGUE, **dict.fromkeys("abcd", identifier)
        )
        found += _shown_product(exchange.part("a"))
    for slug in goods.categories:
        found += _shown_list(await anybody.ask(http, server, documents.LIST, slug=slug), slug, log)
    for person in [*goods.customers, *goods.staff]:
        exchange = await staff.ask(http, server, documents.PERSON, id=person.id)
        found += _shown_person(exchange.part("user"), "staff")
        own = Client(-3, log, viewer=person.id, token=person.token, echoes=False)
        exchange = await own.ask(http, server, documents.ME)
        found += _shown_person(exchange.part("me"), "the owner")
    board = await anybody.ask(http, server, documents.BOARD, slug=BOARD, players=goods.players)
    entries = ((board.part("leaderboard") or {}).get("window") or {}).get("entries", ())
    for player, entry in zip(goods.players, entries, strict=True):
        found.append((f"score:{player}", "anybody", str(entry["score"] if entry else 0)))
    return found


def _shown_product(row: Any) -> list[Served]:
    identifier, who = row["id"], "anybody"
    return [
        (f"product:{identifier}", who, label_of(row)),
        (f"place:{identifier}", who, row["category"]["slug"]),
        (f"stock:{identifier}", who, str(row["stock"])),
        (f"sold:{identifier}", who, str(row["stats"]["unitsSold"])),
        (f"views:{identifier}", who, str(row["stats"]["views"])),
    ]


def _shown_list(exchange: Exchange, slug: str, log: Log) -> list[Served]:
    rows = [edge["node"] for edge in exchange.part("products")["edges"]]
    moved = sorted(row["id"] for row in rows if row["id"] in log.goods.moved)
    shown: list[Served] = [(f"list:{slug}", "anybody", " ".join(moved))]
    edited = (row for row in rows if row["id"] in log.goods.edited)
    return shown + [(f"product:{row['id']}", "a list", label_of(row)) for row in edited]


def _shown_person(shown: Any, who: str) -> list[Served]:
    identifier = shown["id"]
    return [
        (f"user:{identifier}", who, shown["name"]),
        (f"account:{identifier}", who, shown["email"]),
        (f"points:{identifier}", who, str(shown["loyaltyPoints"])),
        (f"orders:{identifier}", who, str(shown["orders"]["totalCount"])),
        *(
            (f"order:{edge['node']['id']}", who, edge["node"]["status"])
            for edge in shown["orders"]["edges"]
        ),
    ]
