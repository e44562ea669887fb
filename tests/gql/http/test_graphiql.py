"""The GraphiQL page: built or hosted, its assets and its headers."""

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from gql.http import graphiql_hosted
from gql.http.graphiql import graphiql_routes, page

WEB = Path(__file__).resolve().parents[3] / "web"


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """Where a build would be, beside the example operations of this repository."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "examples").symlink_to(WEB / "src" / "examples")
    return tmp_path / "dist"


def build(dist: Path) -> None:
    (dist / "assets").mkdir(parents=True)
    (dist / "index.html").write_text("<title>built</title>")
    (dist / "assets" / "index-abc.js").write_text("export {};")


class Tags(HTMLParser):
    """The start tags of a page, and the text of its inline scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inline: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] == ("script", {}) and data.strip():
            self.inline.append(data)


async def get(dist: Path, path: str, **headers: str) -> httpx.Response:
    return await request(dist, "GET", path, headers)


async def request(dist: Path, method: str, path: str, headers: dict[str, str]) -> httpx.Response:
    endpoint = Route("/graphql", PlainTextResponse("the endpoint"))
    transport = httpx.ASGITransport(Starlette(routes=[*graphiql_routes(dist), endpoint]))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.request(method, path, headers=headers)


def test_the_built_page_is_served_as_it_is(dist: Path) -> None:
    build(dist)
    response = page(dist)
    assert response.body == b"<title>built</title>"
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "http" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["vary"] == "Accept"


def test_without_a_build_the_page_says_that_it_is_hosted(dist: Path) -> None:
    text = bytes(page(dist).body).decode()
    assert "Hosted page" in text
    assert "needs the network" in text
    assert "Install Node" in text
    assert "query Products(" in text


def test_a_build_that_comes_later_is_seen(dist: Path) -> None:
    assert b"Hosted page" in page(dist).body
    build(dist)
    assert b"Hosted page" not in page(dist).body


def test_the_hosted_page_loads_only_pinned_files_with_digests(dist: Path) -> None:
    tags = Tags(bytes(page(dist).body).decode()).tags
    loaded = [attributes for _, attributes in tags if {"src", "href"} & attributes.keys()]
    assert len(loaded) == 5
    for attributes in loaded:
        address = attributes.get("src") or attributes.get("href") or ""
        assert re.fullmatch(r"https://unpkg\.com/[a-z-]+@\d+\.\d+\.\d+/\S+", address)
        assert re.fullmatch(r"sha384-[A-Za-z0-9+/]{64}", attributes["integrity"] or "")
        assert attributes["crossorigin"] == "anonymous"


def test_the_hosted_page_s_policy_allows_its_own_script(dist: Path) -> None:
    response = page(dist)
    (script,) = Tags(bytes(response.body).decode()).inline
    digest = b64encode(sha256(script.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in response.headers["content-security-policy"]
    assert (
        "'unsafe-inline'"
        not in re.findall(r"script-src [^;]*", response.headers["content-security-policy"])[0]
    )


def test_examples_cannot_leave_their_script_element() -> None:
    text = graphiql_hosted.render("/graphql", [{"query": "# </script><script>alert(1)</script>"}])
    assert "alert(1)</script>" not in text


def test_without_examples_the_hosted_page_opens_its_own_tab(tmp_path: Path) -> None:
    examples = graphiql_hosted.read_examples(tmp_path / "missing")
    assert examples == []
    assert ">null</script>" in graphiql_hosted.render("/graphql", examples)


async def test_assets_are_kept_for_good(dist: Path) -> None:
    build(dist)
    response = await get(dist, "/graphiql/assets/index-abc.js")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/javascript")
    assert "immutable" in response.headers["cache-control"]
    assert response.headers["x-content-type-options"] == "nosniff"
    again = await get(
        dist, "/graphiql/assets/index-abc.js", **{"if-none-match": response.headers["etag"]}
    )
    assert again.status_code == 304


@pytest.mark.parametrize(
    "path", ["/graphiql/assets/none.js", "/graphiql/assets/../index.html", "/graphiql/index.html"]
)
async def test_nothing_but_assets_is_there(dist: Path, path: str) -> None:
    build(dist)
    response = await get(dist, path)
    assert response.status_code == 404
    assert "cache-control" not in response.headers


async def test_assets_before_a_build_are_not_found(dist: Path) -> None:
    assert (await get(dist, "/graphiql/assets/index-abc.js")).status_code == 404


@pytest.mark.parametrize("path", ["/graphiql", "/graphiql/"])
async def test_graphiql_leads_to_graphql(dist: Path, path: str) -> None:
    response = await get(dist, path)
    assert response.status_code == 307
    assert response.headers["location"] == "/graphql"


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("method", "accept", "expected"),
    [
        ("GET", BROWSER, "<title>built</title>"),
        ("HEAD", BROWSER, ""),
        ("GET", "*/*", "the endpoint"),
        ("GET", "application/json", "the endpoint"),
        ("GET", "text/event-stream", "the endpoint"),
        ("POST", BROWSER, "the endpoint"),
        ("OPTIONS", BROWSER, "the endpoint"),
    ],
)
async def test_only_a_browser_s_get_is_taken_from_the_endpoint(
    dist: Path, method: str, accept: str, expected: str
) -> None:
    build(dist)
    response = await request(dist, method, "/graphql", {"accept": accept})
    assert response.status_code == 200
    assert response.text == expected
    assert ("content-security-policy" in response.headers) == (expected != "the endpoint")
