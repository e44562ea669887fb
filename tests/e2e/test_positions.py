"""Read your writes over the real command: two servers on one database and one Redis, which hangs.

Both go on trusting what they remember, as their staleness bound is a minute here. So what a client
without a token is shown is old for certain: the control.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from tests.e2e.conftest import Client
from tests.support.servers import ValkeyServer, valkey
from tests.support.serving import Serving, serving

HEADER = "FreshQL-Position"
PRODUCT = "query ($id: ID!) { product(id: $id) { name } }"
RENAME = (
    "mutation ($id: ID!, $name: String!) { updateProduct(input: { id: $id, name: $name })"
    " { product { name } errors { code message } } }"
)


@dataclass
class Shop:
    """Two servers, and their Redis."""

    one: Serving
    two: Serving
    redis: ValkeyServer


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, where: dict[str, str]) -> Iterator[Shop]:
    one, two = (tmp_path_factory.mktemp(name) for name in ("one", "two"))
    variables = {"DATABASE_URL": f"sqlite://{one / 'shared.sqlite3'}", **where}
    variables["FRESHQL_MAX_STALENESS"] = "60"
    with (
        valkey() as redis,
        serving(one, REDIS_URL=redis.url, **variables) as first,
        serving(two, REDIS_URL=redis.url, **variables) as second,
    ):
        assert first.url != second.url
        yield Shop(first, second, redis)


def test_a_write_while_redis_hangs(shop: Shop) -> None:
    writer, anybody = Client(shop.one.url).login("staff"), Client(shop.two.url)
    found = anybody.ask("{ products(first: 1) { edges { node { id name } } } }")
    product = found["products"]["edges"][0]["node"]
    anybody.ask(PRODUCT, id=product["id"])

    shop.redis.pause()
    try:
        assert writer.ask(RENAME, id=product["id"], name="New")["updateProduct"]["errors"] == []
        old = {"product": {"name": product["name"]}}
        assert anybody.ask(PRODUCT, id=product["id"]) == old, "the control"
        # A browser's cookies are a host's, on whatever port.
        me = Client(shop.two.url, jar=writer.jar)
        assert me.ask(PRODUCT, id=product["id"]) == {"product": {"name": "New"}}

        # The same by hand: the header of one answer in the next question.
        with httpx.Client(timeout=30) as http:
            body = {"query": RENAME, "variables": {"id": product["id"], "name": "Newer"}}
            headers = {"authorization": f"Bearer {writer.token}"}
            answer = http.post(f"{shop.one.url}/graphql", json=body, headers=headers)
        with httpx.Client(timeout=30) as http:
            body = {"query": PRODUCT, "variables": {"id": product["id"]}}
            headers = {HEADER: answer.headers[HEADER]}
            for name, sent in ((product["name"], {}), ("Newer", headers)):
                shown = http.post(f"{shop.two.url}/graphql", json=body, headers=sent).json()
                assert shown == {"data": {"product": {"name": name}}}
    finally:
        shop.redis.resume()


def test_two_processes_at_one_address(server: Serving, client: Client) -> None:
    """Whoever answers, a browser sees what it wrote, and so does a client with a single header."""
    staff = client.login("staff")
    product = client.ask("{ products(first: 1) { edges { node { id } } } }")
    identifier = product["products"]["edges"][0]["node"]["id"]
    for number in range(10):
        staff.ask(RENAME, id=identifier, name=f"By cookie {number}")
        for _ in range(5):
            shown = client.ask(PRODUCT, id=identifier)
            assert shown == {"product": {"name": f"By cookie {number}"}}

    headers = {"authorization": f"Bearer {staff.token}"}
    for number in range(10):
        for query, name in ((RENAME, f"By header {number}"), *[(PRODUCT, "")] * 5):
            body = {"query": query, "variables": {"id": identifier, "name": name}}
            with httpx.Client(verify=False, timeout=30) as http:
                answer = http.post(f"{server.url}/graphql", json=body, headers=headers)
            headers[HEADER] = answer.headers[HEADER]
            data = answer.json()["data"]
            shown = data.get("updateProduct", data)["product"]
            assert shown == {"name": f"By header {number}"}
