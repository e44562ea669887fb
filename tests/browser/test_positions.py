"""A browser echoes its mutations unasked; and the code in `docs/positions.md`, as it stands."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from tests.support.browser import Network

pytestmark = pytest.mark.browser

PREFIX = "freshql-position-"
PAGE = (Path(__file__).parents[2] / "docs" / "positions.md").read_text()
FETCH_FRESH = re.findall(r"```js\n(const kept.*?)```", PAGE, flags=re.DOTALL)[0]

ASK = """
let authorization = "";
async function ask(query, how = fetch) {
  const headers = { "Content-Type": "application/json", authorization };
  const body = JSON.stringify({ query });
  return (await how("/graphql", { method: "POST", headers, body })).json();
}
async function login() {
  const answer = await ask(`mutation { login(input: { email: "staff@example.com",
    password: "staff" }) { token errors { message } } }`);
  authorization = "Bearer " + answer.data.login.token;
}
async function some(count) {
  const answer = await ask(`{ products(first: ${count}) { edges { node { id } } } }`);
  return answer.data.products.edges.map((edge) => edge.node.id);
}
const rename = (id, name) => `mutation { updateProduct(input: { id: "${id}", name: "${name}" })
  { product { name } errors { message } } }`;
const named = (id) => `{ product(id: "${id}") { name } }`;
"""


@pytest.fixture
async def page(visit: tuple[Page, Network], origin: str) -> Page:
    """A page of the server's."""
    found, _ = visit
    await found.goto(f"{origin}/graphql")
    return found


async def run(page: Page, script: str) -> Any:
    """What a script of the page's own returns."""
    return await page.evaluate(f"async () => {{ {ASK} {script} }}")


async def kept(page: Page, origin: str) -> set[str]:
    cookies = await page.context.cookies(f"{origin}/graphql")
    mine = [cookie for cookie in cookies if cookie["name"].startswith(PREFIX)]
    assert all(it["httpOnly"] and it["sameSite"] == "Lax" and not it["secure"] for it in mine)
    return {cookie["name"] for cookie in mine}


async def test_cookies_come_and_go_unasked(page: Page, origin: str) -> None:
    await run(page, "await login();")
    [of_login] = await kept(page, origin)

    at_once = """
        await login();
        const ids = await some(3);
        await Promise.all(ids.map((id) => ask(rename(id, "At once"))));
        return Promise.all(ids.map((id) => ask(named(id))));
    """
    async with page.expect_request(
        lambda request: "At once" in (request.post_data or "")
    ) as waiting:
        shown = await run(page, at_once)
    assert [answer["data"]["product"]["name"] for answer in shown] == ["At once"] * 3
    sent = (await (await waiting.value).all_headers())["cookie"]
    assert sent.count(PREFIX) == 1
    assert of_login not in sent, "the second login has seen it"
    assert 1 <= len(await kept(page, origin)) <= 3, "of three that came at once, none is lost"

    await run(page, "await login();")
    assert len(await kept(page, origin)) == 1, "it has seen them all"
    assert PREFIX not in await page.evaluate("document.cookie")


async def test_the_code_of_the_page_keeps_what_came_at_once(page: Page) -> None:
    script = f"""
        {FETCH_FRESH}
        const sent = [];
        const noting = (url, options) => {{ sent.push([...kept].length);
          return fetchFresh(url, options); }};
        await login();
        const ids = await some(3);
        await Promise.all(ids.map((id) => ask(rename(id, "By header"), noting)));
        const after = kept.size;
        const shown = await ask(named(ids[0]), noting);
        return {{ sent, after, last: kept.size, name: shown.data.product.name }};
    """
    found = await run(page, script)
    assert found["sent"][:3] == [0, 0, 0]
    assert 1 <= found["after"] <= 3, "answers with the same token count once"
    assert found["sent"][3] == found["after"]
    assert found["last"] == 1
    assert found["name"] == "By header"
