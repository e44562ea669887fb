"""GraphiQL in a real Chromium against the real server, and nothing else to talk to."""

import json

import pytest
from playwright.async_api import Page, expect

from tests.support.browser import Explorer, Network
from tests.support.graphiql import example, examples, login, problems, send

pytestmark = pytest.mark.browser

Visit = tuple[Page, Network]

ADMIN = {"email": "admin@example.com", "password": "admin"}
BOARD = """
query Board($slug: String!) {
  leaderboard(slug: $slug) { window { top(first: 1) { edges { node { player score } } } } }
}
"""


@pytest.fixture
async def explorer(visit: Visit, origin: str) -> Explorer:
    """GraphiQL, opened."""
    opened = Explorer(visit[0])
    await opened.open(origin)
    return opened


async def test_a_query_shows_its_result(explorer: Explorer, origin: str) -> None:
    await expect(explorer.page).to_have_title("FreshQL")
    await explorer.tab("Product")
    product = (await explorer.run())["data"]["product"]
    await expect(explorer.result).to_contain_text(f'"sku": "{product["sku"]}"')
    await expect(explorer.result).to_contain_text(f'"amount": "{product["price"]["amount"]}"')

    query = "query($sku: String!) { product(sku: $sku) { name } }"
    same = send(origin, query, {"sku": product["sku"]})["data"]["product"]
    assert same["name"] == product["name"]


async def test_every_example_works(explorer: Explorer) -> None:
    await explorer.tab("Login")
    await explorer.write("Variables", json.dumps(ADMIN))
    await explorer.run()
    names = await explorer.tabs()
    assert len(names) == len(examples())
    for name in names:
        if name not in {"Login", "Live"}:  # those have tests of their own
            await explorer.tab(name)
            assert problems(await explorer.run()) == [], name


async def test_the_page_keeps_the_login_until_it_is_told_to_forget(explorer: Explorer) -> None:
    await explorer.tab("Login")
    await explorer.run()
    await expect(explorer.account).to_be_visible()
    await explorer.tab("MyOrders")
    assert (await explorer.run())["data"]["me"]["email"] == "customer@example.com"
    await expect(explorer.result).to_contain_text("customer@example.com")

    await explorer.account.click()
    await expect(explorer.account).to_have_count(0)
    assert (await explorer.run())["data"]["me"] is None


async def test_the_headers_editor_s_token_is_sent(explorer: Explorer, origin: str) -> None:
    token = login(origin, "staff")
    await explorer.tab("MyOrders")
    await explorer.write("Headers", json.dumps({"Authorization": f"Bearer {token}"}))
    assert (await explorer.run())["data"]["me"]["email"] == "staff@example.com"


async def test_a_subscription_shows_a_second_snapshot_after_a_change(
    visit: Visit, explorer: Explorer, origin: str
) -> None:
    token = login(origin, "staff")
    bearer = {"Authorization": f"Bearer {token}"}
    await explorer.tab("Live")
    await explorer.write("Headers", json.dumps(bearer))
    await explorer.start()
    await expect(explorer.result).to_contain_text('"reason": "INITIAL"')

    slug = example("09-live").variables["slug"]
    (first,) = send(origin, BOARD, {"slug": slug})["data"]["leaderboard"]["window"]["top"]["edges"]
    better = first["node"]["score"] + 1
    answer = send(
        origin,
        example("10-submit-score").query,
        {"leaderboard": slug, "player": first["node"]["player"], "score": better},
        token,
    )
    assert problems(answer) == []
    await expect(explorer.result).to_contain_text(f'"score": {better}')

    (socket,) = visit[1].sockets
    assert socket.url == f"{origin.replace('http', 'ws')}/graphql"
    opening = json.loads(visit[1].sent_frames[0])
    assert opening == {
        "type": "connection_init",
        "payload": {"authorization": bearer["Authorization"]},
    }
    await explorer.start()  # the same button stops it


async def test_the_language_worker_marks_an_unknown_field(explorer: Explorer) -> None:
    await explorer.tab("Product")
    marks = explorer.page.locator(".graphiql-query-editor .squiggly-error")
    await expect(marks).to_have_count(0)
    await explorer.write("Operation", "query Product { noSuchField }")
    await expect(marks).not_to_have_count(0)
    assert any("graphql.worker" in worker.url for worker in explorer.page.workers)


async def test_the_login_survives_a_reload(explorer: Explorer, origin: str) -> None:
    await explorer.tab("Login")
    await explorer.run()
    await explorer.open(origin)
    await expect(explorer.account).to_be_visible()
    await explorer.tab("MyOrders")
    assert (await explorer.run())["data"]["me"]["email"] == "customer@example.com"
