"""`graphql-transport-ws`: who asks, each operation by itself, and what ends a connection."""

from datetime import timedelta
from typing import Any

import pytest

from resolvers import sessions
from tests.support.sockets import Closed, Socket
from tests.support.store import Store

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

ME = "{ me { name } }"


def _data(answer: dict[str, Any]) -> Any:
    assert answer["type"] == "next", answer
    assert "errors" not in answer["payload"], answer
    return answer["payload"]["data"]


async def test_connection_init_says_who_asks(store: Store) -> None:
    async with Socket(store.worker.view) as socket:
        await socket.begin(authorization=f"Bearer {store.tokens['ada']}")
        assert _data(await socket.ask(ME)) == {"me": {"name": "Ada"}}
    async with Socket(store.worker.view) as socket:
        await socket.begin()
        assert _data(await socket.ask(ME)) == {"me": None}


async def test_connection_init_wins_over_the_header(store: Store) -> None:
    headers = {"authorization": f"Bearer {store.tokens['bob']}"}
    async with Socket(store.worker.view, headers) as socket:
        await socket.begin()
        assert _data(await socket.ask(ME)) == {"me": {"name": "Bob"}}
    async with Socket(store.worker.view, headers) as socket:
        await socket.begin(authorization=f"Bearer {store.tokens['ada']}")
        assert _data(await socket.ask(ME)) == {"me": {"name": "Ada"}}


async def test_a_session_that_ended_does_not_speak_on(store: Store) -> None:
    async with Socket(store.worker.view) as socket:
        await socket.begin(authorization=f"Bearer {store.tokens['ada']}")
        assert _data(await socket.ask(ME)) == {"me": {"name": "Ada"}}
        async with store.other.context(store.tokens["ada"]) as ctx:
            await sessions.logout(ctx, everywhere=False)
        assert _data(await socket.ask(ME)) == {"me": None}


async def test_each_operation_reads_anew(store: Store) -> None:
    """Loaders remember for one operation, not for as long as the connection is open."""
    query = f'{{ product(id: "{store.id("P-1")}") {{ name stock }} }}'
    edit = (
        f'mutation {{ updateProduct(input: {{ id: "{store.id("P-1")}", name: "New", stock: 3 }}) '
        "{ product { name stock } errors { code } } }"
    )
    async with Socket(store.worker.view) as socket:
        await socket.begin()
        assert _data(await socket.ask(query))["product"] == {"name": "Alpha Phone", "stock": 10}
        await store.other.ask(edit, store.tokens["staff"])
        assert _data(await socket.ask(query))["product"] == {"name": "New", "stock": 3}


async def test_mutations_run_here_too(store: Store) -> None:
    edit = 'mutation { updateProfile(input: { name: "Ada L." }) { user { name email } } }'
    async with Socket(store.worker.view) as socket:
        await socket.begin(authorization=f"Bearer {store.tokens['ada']}")
        data = _data(await socket.ask(edit))
        assert data["updateProfile"]["user"] == {"name": "Ada L.", "email": "ada@example.com"}


async def test_errors_are_presented_here_too(store: Store) -> None:
    async with Socket(store.worker.view) as socket:
        await socket.begin()
        answer = await socket.ask("{ nothing }")
        assert answer["type"] == "error"
        assert answer["payload"][0]["extensions"]["code"] == "BAD_USER_INPUT"
        answer = await socket.ask("{ products(first: 0) { totalCount } }", "2")
        [error] = answer["payload"]["errors"]
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        assert error["message"].startswith("first: expected a number from 1 to 100")


async def test_a_database_that_is_away_ends_the_operation_only(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any) -> None:
        raise ConnectionRefusedError

    async with Socket(store.worker.view) as socket:
        await socket.begin(authorization=f"Bearer {store.tokens['ada']}")
        with monkeypatch.context() as patch:
            patch.setattr(sessions, "sessions_by_digest", fail)
            answer = await socket.ask(ME)
        assert answer["type"] == "error"
        assert answer["payload"][0]["extensions"] == {"code": "UNAVAILABLE"}
        assert _data(await socket.ask(ME, "2")) == {"me": {"name": "Ada"}}


async def test_nothing_before_the_beginning(store: Store) -> None:
    async with Socket(store.worker.view) as socket:
        await socket.tell({"id": "1", "type": "subscribe", "payload": {"query": ME}})
        with pytest.raises(Closed) as closed:
            await socket.hear()
        assert closed.value.code == 4401


async def test_who_says_nothing_is_let_go(store: Store) -> None:
    assert store.worker.view.connection_init_wait_timeout == timedelta(seconds=10)
    store.worker.view.connection_init_wait_timeout = timedelta(milliseconds=20)
    async with Socket(store.worker.view) as socket:
        with pytest.raises(Closed) as closed:
            await socket.hear()
        assert closed.value.code == 4408


async def test_the_old_protocol_is_not_spoken(store: Store) -> None:
    async with Socket(store.worker.view, protocol="graphql-ws") as socket:
        with pytest.raises(Closed) as closed:
            await socket.hear()
        assert closed.value.code == 4406


@pytest.mark.parametrize("text", ["nonsense", "[" * 100_000, '"' + "x" * 1_100_000 + '"'])
async def test_messages_that_are_none(store: Store, text: str) -> None:
    async with Socket(store.worker.view) as socket:
        await socket.begin()
        await socket.tell(text)
        with pytest.raises(Closed) as closed:
            await socket.hear()
        assert closed.value.code == 4400


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "5",
        "null",
        '{"id": "1", "type": "subscribe"}',
        '{"id": 1, "type": "subscribe", "payload": {"query": "{ me { id } }"}}',
        '{"id": "1", "type": "subscribe", "payload": []}',
        '{"id": "1", "type": "subscribe", "payload": {"query": null}}',
        '{"id": "1", "type": "subscribe", "payload": {"query": 5}}',
        '{"id": "1", "type": "subscribe", "payload": {"query": "{ me { id } }", "variables": 5}}',
        '{"id": "1", "type": "subscribe", "payload": {"query": "{ me { id } }",'
        ' "operationName": 5}}',
    ],
)
async def test_messages_of_another_form(store: Store, text: str) -> None:
    async with Socket(store.worker.view) as socket:
        await socket.begin()
        await socket.tell(text)
        with pytest.raises(Closed) as closed:
            await socket.hear()
        assert closed.value.code == 4400


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{ me { id", "GRAPHQL_PARSE_FAILED"),
        ("subscription {", "GRAPHQL_PARSE_FAILED"),
        ("", "GRAPHQL_PARSE_FAILED"),
        ("fragment f on User { id }", "BAD_USER_INPUT"),
        ("query A { me { id } } query B { me { id } }", "BAD_USER_INPUT"),
    ],
)
async def test_a_document_that_cannot_run_is_an_error_of_its_own(
    store: Store, query: str, code: str
) -> None:
    """The client hears why, and the connection's other operations go on."""
    async with Socket(store.worker.view) as socket:
        await socket.begin()
        answer = await socket.ask(query)
        assert answer["type"] == "error"
        assert [it["extensions"]["code"] for it in answer["payload"]] == [code]
        assert _data(await socket.ask(ME, "2")) == {"me": None}


async def test_another_origin_does_not_connect(store: Store) -> None:
    socket = Socket(store.worker.view, {"origin": "https://elsewhere.example"})
    async with socket:
        assert socket.accepted["type"] == "websocket.close"
    socket = Socket(store.worker.view, {"origin": "http://store"})
    async with socket:
        assert socket.accepted["type"] == "websocket.accept"
