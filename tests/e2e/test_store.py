"""The main job on the real command: asked, changed, and never answered stale."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import Client, Subscription
from tests.support.processes import until
from tests.support.serving import Serving

READS = 10
"""Reads after each write, on connections of their own: with two processes both answer some."""

PRODUCT = "query ($sku: String!) { product(sku: $sku) { id name version stock price { amount } } }"
ORDER = (
    "mutation ($id: ID!) { placeOrder(input: {lines: [{productId: $id, quantity: 1}]})"
    " { order { id number status total { amount } } errors { code message } } }"
)
BOARD = (
    "query ($player: ID!) { leaderboard(slug: $slug) { window { size"
    " top(first: 10) { edges { node { rank player score } } }"
    " entry(player: $player) { rank score }"
    " around(player: $player, above: 1, below: 1) { rank player } } } }"
).replace("$slug", '"parcel-dash"')


def some_sku(client: Client, number: int) -> str:
    """The SKU of one sample product."""
    data = client.ask("{ products(first: 20) { edges { node { sku } } } }")
    sku: str = data["products"]["edges"][number]["node"]["sku"]
    return sku


def test_the_catalogue(client: Client) -> None:
    data = client.ask(
        "{ products(first: 20) { totalCount edges { node { sku name category { name } "
        "brand { name } } } } }"
    )
    products = [edge["node"] for edge in data["products"]["edges"]]
    assert len(products) == 20
    assert data["products"]["totalCount"] > 50
    assert all(product["category"]["name"] for product in products)

    found = client.ask(PRODUCT, sku=products[3]["sku"])["product"]
    assert found["name"] == products[3]["name"]


def test_a_customer_and_their_orders(client: Client) -> None:
    customer = client.login("customer")
    me = customer.ask("{ me { email orders(status: DELIVERED) { edges { node { status } } } } }")

    assert me["me"]["email"] == "customer@example.com"
    statuses = {edge["node"]["status"] for edge in me["me"]["orders"]["edges"]}
    assert statuses == {"DELIVERED"}
    assert client.ask("{ me { email } }") == {"me": None}


def test_an_order_is_seen_at_once_everywhere(client: Client) -> None:
    customer = client.login("customer")
    sku = some_sku(client, 5)
    count = "{ me { orders { totalCount } loyaltyPoints } }"
    for _ in range(3):
        before = client.ask(PRODUCT, sku=sku)["product"]
        orders = customer.ask(count)["me"]["orders"]["totalCount"]
        placed = customer.ask(ORDER, id=before["id"])["placeOrder"]
        assert placed["errors"] == []

        for _ in range(READS):
            assert client.ask(PRODUCT, sku=sku)["product"]["stock"] == before["stock"] - 1
            assert customer.ask(count)["me"]["orders"]["totalCount"] == orders + 1


def test_a_new_price_is_seen_at_once_everywhere(client: Client) -> None:
    staff = client.login("staff")
    sku = some_sku(client, 7)
    listed = "{ products(first: 100) { edges { node { sku price { amount } } } } }"
    for cents in ("11.01", "11.02", "11.03"):
        product = client.ask(PRODUCT, sku=sku)["product"]
        client.ask(listed)
        answer = staff.ask(
            "mutation ($id: ID!, $price: Decimal!, $version: Int!) { updateProduct(input:"
            " {id: $id, price: $price, version: $version})"
            " { product { price { amount } } errors { code } } }",
            id=product["id"],
            price=cents,
            version=product["version"],
        )["updateProduct"]
        assert answer == {"product": {"price": {"amount": cents}}, "errors": []}

        for _ in range(READS):
            assert client.ask(PRODUCT, sku=sku)["product"]["price"]["amount"] == cents
            rows = {e["node"]["sku"]: e["node"] for e in client.ask(listed)["products"]["edges"]}
            assert rows[sku]["price"]["amount"] == cents


def test_stock_is_never_sold_twice(client: Client) -> None:
    """Ten orders at once for a product of which there are three."""
    staff, customer = client.login("staff"), client.login("customer")
    product = client.ask(PRODUCT, sku=some_sku(client, 9))["product"]
    staff.ask(
        "mutation ($id: ID!) { updateProduct(input: {id: $id, stock: 3}) { errors { code } } }",
        id=product["id"],
    )

    with ThreadPoolExecutor(10) as pool:
        orders = [pool.submit(customer.ask, ORDER, id=product["id"]) for _ in range(10)]
    codes = [error["code"] for order in orders for error in order.result()["placeOrder"]["errors"]]

    assert codes == ["OUT_OF_STOCK"] * 7
    stock = "query ($id: ID!) { product(id: $id) { stock } }"
    assert client.ask(stock, id=product["id"]) == {"product": {"stock": 0}}


def test_a_logout_is_a_logout_everywhere(client: Client) -> None:
    customer = client.login("customer")
    for _ in range(READS):
        assert customer.ask("{ me { email } }")["me"]
    customer.ask("mutation { logout(input: {}) { errors { code } } }")

    for _ in range(READS):
        assert customer.ask("{ me { email } }") == {"me": None}


def test_views_are_counted_and_seen_at_once_everywhere(client: Client) -> None:
    product = client.ask(PRODUCT, sku=some_sku(client, 11))["product"]
    views = "query ($id: ID!) { product(id: $id) { stats { views } } }"
    view = "mutation ($id: ID!) { recordProductView(input: {productId: $id}) { errors { code } } }"
    before = client.ask(views, id=product["id"])["product"]["stats"]["views"]
    for seen in range(1, READS):
        assert client.ask(view, id=product["id"]) == {"recordProductView": {"errors": []}}
        assert client.ask(views, id=product["id"])["product"]["stats"]["views"] == before + seen


async def test_a_board_is_read_and_pushed(server: Serving, client: Client) -> None:
    staff = client.login("staff")
    submit = (
        'mutation ($score: SafeInt!) { submitScore(input: {leaderboard: "parcel-dash",'
        ' player: "somebody", score: $score}) { accepted errors { message }'
        " windows { key previousRank rank newBest } } }"
    )
    watch = (
        'subscription { leaderboard(slug: "parcel-dash", first: 3, maxHz: 50) {'
        " ... on LeaderboardSnapshot { reason size entries { rank player score } } } }"
    )
    best = client.ask(BOARD, player="somebody")["leaderboard"]["window"]["top"]["edges"][0]
    async with Subscription(server.url, watch) as events:
        first = (await events.next())["leaderboard"]
        assert first["reason"] == "INITIAL"
        assert first["entries"][0]["score"] == best["node"]["score"]
        score = best["node"]["score"] + 10
        answer = staff.ask(submit, score=score)["submitScore"]
        assert answer["errors"] == []
        assert answer["windows"][0]["rank"] == 1

        entries: list[dict[str, object]] = []
        while not entries or entries[0]["player"] != "somebody":
            entries = (await events.next())["leaderboard"]["entries"]
        assert entries[0] == {"rank": 1, "player": "somebody", "score": score}

    for _ in range(READS):
        window = client.ask(BOARD, player="somebody")["leaderboard"]["window"]
        assert window["entry"] == {"rank": 1, "score": score}
        # The window slides at the edge: three, though nobody is above.
        assert [entry["rank"] for entry in window["around"]] == [1, 2, 3]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_redis_may_die_and_come_back(server: Serving, client: Client, how: int) -> None:
    """Reads are right all the time, and a session outlives it. `freshql serve` starts it again."""
    customer = client.login("customer")
    expected = customer.ask("{ me { email } }")
    listing = "{ products(first: 5) { totalCount edges { node { sku stock } } } }"
    before = client.ask(listing)
    os.kill(valkey_of(server), how)

    for _ in range(READS):
        assert client.ask(listing) == before
        assert customer.ask("{ me { email } }") == expected

    until(lambda: ready(client) == "ready", 30)
    assert client.ask(listing) == before
    assert customer.ask("{ me { email } }") == expected


def valkey_of(server: Serving) -> int:
    """The process id of the server's own Valkey."""
    data = (server.output.parent / ".freshql" / "valkey").resolve()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            program, directory = (process / "exe").readlink(), (process / "cwd").readlink()
        except OSError:
            continue  # it ended, or is another user's
        if program.name == "valkey-server" and directory == data:
            return int(process.name)
    raise AssertionError(f"no Valkey of {data} runs")


def ready(client: Client) -> str:
    """What `/readyz` says."""
    status: str = httpx.get(f"{client.url}/readyz", timeout=10).json()["status"]
    return status
