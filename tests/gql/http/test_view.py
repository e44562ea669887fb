"""The endpoint over HTTP: what it takes, what it refuses, what its errors tell."""

import json
import logging
from typing import Any

import httpx
import pytest

from gql.http.limits import MAX_BODY
from gql.schema import query as queries
from resolvers import sessions
from tests.support.store import Store

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def _post(store: Store, body: Any, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    said = {"content-type": "application/json", **headers}
    return await store.worker.http.post("/graphql", content=content, headers=said)


async def test_an_answer_is_json(store: Store) -> None:
    response = await _post(store, {"query": "{ me { id } }"})
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {"data": {"me": None}}


async def test_who_asks_is_in_the_header(store: Store) -> None:
    body = {"query": "{ me { name } }"}
    for said, name in (
        (f"Bearer {store.tokens['ada']}", {"name": "Ada"}),
        (f"bearer  {store.tokens['ada']} ", {"name": "Ada"}),
        (f"Basic {store.tokens['ada']}", None),
        ("Bearer nonsense", None),
        ("Bearer", None),
    ):
        response = await _post(store, body, authorization=said)
        assert response.json() == {"data": {"me": name}}, said


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
async def test_only_post_asks(store: Store, method: str) -> None:
    params = {"query": "{ me { id } }"}
    response = await store.worker.http.request(method, "/graphql", params=params)
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 400, "JSON"),
        (b"{", 400, "JSON"),
        (b"5", 400, "one JSON object"),
        (b'"x"', 400, "one JSON object"),
        (b"[]", 400, "one JSON object"),
        (b"null", 400, "one JSON object"),
        (b"\xff\xfe", 400, "JSON"),
        (b"[" * 100_000, 400, "JSON"),
        (b"{}", 400, "No GraphQL query"),
        (b'{"query": 5}', 400, "query"),
        (b'{"query": "{ me { id } }", "variables": []}', 400, "variables"),
        (b'{"query": "{ me { id } }", "operationName": 5}', 400, "operationName"),
        (b'{"query": "query A { me { id } }", "operationName": "B"}', 400, "B"),
        (b'{"query": "' + b"#" * MAX_BODY + b'"}', 413, "1048576 bytes"),
    ],
)
async def test_bodies_that_are_none(store: Store, body: bytes, status: int, words: str) -> None:
    response = await _post(store, body)
    assert response.status_code == status, response.text
    [error] = response.json()["errors"]
    assert words in error["message"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"


async def test_a_body_that_is_not_announced_is_bounded_too(store: Store) -> None:
    async def chunks() -> Any:
        for _ in range(20):
            yield b" " * 100_000

    headers = {"content-type": "application/json"}
    response = await store.worker.http.post("/graphql", content=chunks(), headers=headers)
    assert response.status_code == 413


async def test_forms_do_not_ask(store: Store) -> None:
    """What a page of another origin can send without asking first must not be a request."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        response = await _post(store, {"query": "{ me { id } }"}, **{"content-type": kind})
        assert response.status_code == 400


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{ me { id }", "GRAPHQL_PARSE_FAILED"),
        ("{ me }", "BAD_USER_INPUT"),
        ("{ nothing }", "BAD_USER_INPUT"),
        ("query($x: Int!) { products(first: $x) { totalCount } }", "BAD_USER_INPUT"),
        ("{ products(first: 0) { totalCount } }", "BAD_USER_INPUT"),
    ],
)
async def test_errors_have_a_code(store: Store, query: str, code: str) -> None:
    for _ in range(2):  # a second time, out of the cache of documents
        [error] = (await store.worker.post(query))["errors"]
        assert error["extensions"]["code"] == code
        assert "Internal" not in error["message"]


async def test_our_mistakes_are_masked_and_logged_with_an_id(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*_: Any) -> None:
        raise RuntimeError("the password is hunter2")

    monkeypatch.setattr(queries.products, "product_by_sku", fail)
    with caplog.at_level(logging.ERROR, "gql.http.errors"):
        answer = await store.worker.post('{ product(sku: "P-1") { name } categories { slug } }')
    [error] = answer["errors"]
    assert error["message"] == "Internal error"
    assert error["extensions"]["code"] == "INTERNAL"
    assert error["path"] == ["product"]
    assert "hunter2" not in json.dumps(answer)
    assert answer["data"]["product"] is None
    assert answer["data"]["categories"], "the rest is answered"
    [record] = [it for it in caplog.records if it.name == "gql.http.errors"]
    assert error["extensions"]["id"] in record.getMessage()
    assert record.exc_info is not None
    assert "hunter2" in str(record.exc_info[1])


@pytest.mark.parametrize("failure", [TimeoutError("database is locked"), ConnectionResetError()])
async def test_a_database_that_is_away_is_said_so(
    store: Store, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    async def fail(*_: Any) -> None:
        raise failure

    monkeypatch.setattr(queries.products, "product_by_sku", fail)
    [error] = (await store.worker.post('{ product(sku: "P-1") { name } }'))["errors"]
    assert error["extensions"] == {"code": "UNAVAILABLE"}
    assert "locked" not in error["message"]


async def test_who_cannot_be_authenticated_is_not_taken_for_somebody(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session that is not cached, with the database away: an error, and not anonymous."""

    async def fail(*_: Any) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(sessions, "sessions_by_digest", fail)
    response = await _post(
        store, {"query": "{ me { id } }"}, authorization=f"Bearer {store.tokens['ada']}"
    )
    assert response.status_code == 503
    [error] = response.json()["errors"]
    assert error["extensions"] == {"code": "UNAVAILABLE"}


async def test_introspection_works(store: Store) -> None:
    data = await store.worker.ask(
        '{ __schema { queryType { name } } __type(name: "Money") { name } }'
    )
    assert data["__type"] == {"name": "Money"}


async def test_mutations_run_one_after_another(store: Store) -> None:
    line = f'placeOrder(input: {{ lines: [{{ productId: "{store.id("S-1")}", quantity: 2 }}] }})'
    selection = "{ order { lines { product { stock } } } errors { code } }"
    data = await store.worker.ask(
        f"mutation {{ a: {line} {selection} b: {line} {selection} }}", store.tokens["ada"]
    )
    assert data["a"]["order"]["lines"] == [{"product": {"stock": 1}}]
    assert data["b"] == {"order": None, "errors": [{"code": "OUT_OF_STOCK"}]}
