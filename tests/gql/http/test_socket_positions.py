"""Position tokens over `graphql-transport-ws`, on a worker that lags. Controls: no token, no socket
that remembers one."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from cache.facts import TokenIgnored
from cache.protocol import Token
from tests.support.clients import HEADER, Client, lagging, without_redis
from tests.support.polling import eventually
from tests.support.sockets import Closed, Socket
from tests.support.store import Store, Worker

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

EDIT = (
    "mutation ($id: ID!, $name: String!) { updateProduct(input: { id: $id, name: $name })"
    " { product { name } errors { code } } }"
)
PRODUCT = "query ($id: ID!) { product(id: $id) { name } }"


@pytest.fixture
async def behind(store: Store) -> AsyncIterator[Worker]:
    """A worker that goes on answering from its memory."""
    async with lagging(store) as worker:
        yield worker


async def ask(socket: Socket, query: str, position: str | None = None, **variables: Any) -> Any:
    """The payload of the answer; with a token in the question, if there is one."""
    payload: dict[str, Any] = {"query": query, "variables": variables}
    if position is not None:
        payload["extensions"] = {"position": position}
    await socket.tell({"id": "q", "type": "subscribe", "payload": payload})
    answer = await socket.hear()
    assert answer["type"] == "next", answer
    assert await socket.hear() == {"id": "q", "type": "complete"}
    return answer["payload"]


async def name_at(socket: Socket, product: str, position: str | None = None) -> str:
    name: str = (await ask(socket, PRODUCT, position, id=product))["data"]["product"]["name"]
    return name


async def renamed(store: Store, at: Worker, *skus: str) -> str:
    """The token of who renamed these products over a socket, once the other worker knows them."""
    async with Socket(at.view) as socket:
        await socket.begin(authorization=f"Bearer {store.tokens['staff']}")
        for sku in skus:
            answer = await ask(socket, EDIT, id=store.id(sku), name="New")
            assert answer["data"]["updateProduct"]["errors"] == []
        token: str = answer["extensions"]["position"]
        return token


async def know(worker: Worker, store: Store, *skus: str) -> None:
    for sku in skus:
        await Client().ask(worker, PRODUCT, id=store.id(sku))


async def test_a_mutation_says_its_position_and_another_worker_heeds_it(
    store: Store, behind: Worker
) -> None:
    """And from then on so does the connection, without being told."""
    await know(behind, store, "P-1", "P-2")
    token = await renamed(store, store.worker, "P-1", "P-2")
    async with Socket(behind.view) as socket:
        await socket.begin()
        assert await name_at(socket, store.id("P-1")) == "Alpha Phone", "the control"
        assert await name_at(socket, store.id("P-1"), token) == "New"
        async with Socket(behind.view) as another:
            await another.begin()
            assert await name_at(another, store.id("P-2")) == "Beta Phone", "the control"
        assert await name_at(socket, store.id("P-2")) == "New"


async def test_the_token_of_a_socket_is_good_over_http_and_the_other_way_round(
    store: Store, behind: Worker
) -> None:
    await know(behind, store, "P-1", "P-2")
    over_http = Client(header=True)
    over_http.kept.add([await renamed(store, store.worker, "P-1")])
    answer = await over_http.post(behind, PRODUCT, id=store.id("P-1"))
    assert answer.json()["data"]["product"]["name"] == "New"

    writer = Client(store.tokens["staff"], header=True)
    await writer.ask(store.worker, EDIT, id=store.id("P-2"), name="New")
    async with Socket(behind.view) as socket:
        await socket.begin()
        assert await name_at(socket, store.id("P-2")) == "Beta Phone", "the control"
        assert await name_at(socket, store.id("P-2"), ",".join(writer.kept.tokens)) == "New"


@pytest.mark.parametrize("how", ["header", "cookie"])
async def test_a_handshake_brings_what_a_request_would(
    store: Store, behind: Worker, how: str
) -> None:
    await know(behind, store, "P-1")
    me = Client(store.tokens["staff"], header=True)
    await me.ask(store.worker, EDIT, id=store.id("P-1"), name="New")
    [token] = me.kept.tokens
    headers = {"header": {HEADER: token}, "cookie": {"cookie": f"freshql-position-x={token}"}}[how]
    lower = {name.lower(): value for name, value in headers.items()}
    async with Socket(behind.view) as without, Socket(behind.view, lower) as socket:
        await without.begin()
        await socket.begin()
        assert await name_at(without, store.id("P-1")) == "Alpha Phone", "the control"
        assert await name_at(socket, store.id("P-1")) == "New"


async def test_a_write_that_could_not_be_published(store: Store, behind: Worker) -> None:
    await know(behind, store, "P-1")
    async with without_redis(store) as cut_off:
        token = await renamed(store, cut_off, "P-1")
    decoded = Token.decode(token)
    assert decoded is not None
    assert len(decoded.outbox) == 1
    async with Socket(behind.view) as socket:
        await socket.begin()
        assert await name_at(socket, store.id("P-1")) == "Alpha Phone", "the control"
        assert await name_at(socket, store.id("P-1"), token) == "New"


# ---- subscriptions ----

FOLLOW = (
    'subscription { leaderboard(slug: "dash", maxHz: 60) { ... on LeaderboardSnapshot'
    " { size entries { user { name } } } } }"
)
SUBMIT = (
    'mutation ($player: ID!, $score: SafeInt!) { submitScore(input: { leaderboard: "dash",'
    " player: $player, score: $score }) { errors { message } } }"
)
CREATE = 'mutation { createLeaderboard(input: { slug: "dash", name: "D" }) { errors { code } } }'
RENAME = 'mutation { updateProfile(input: { name: "Countess" }) { errors { code } } }'
FRESHNESS = '{ leaderboard(slug: "dash") { window { freshness } } }'


async def test_an_event_is_not_behind_what_the_connection_was_told_meanwhile(store: Store) -> None:
    """1. a subscription shows a name  2. its user changes it elsewhere  3. an event shows the old
    name (the control)  4. another operation of the connection brings the token  5. the next event
    shows the new one."""
    staff, ada = Client(store.tokens["staff"]), Client(store.tokens["ada"], header=True)
    await staff.ask(store.worker, CREATE)
    await staff.ask(store.worker, SUBMIT, player=store.user_id("ada"), score=90)
    async with lagging(store) as behind, Socket(behind.view) as socket:

        async def is_live() -> bool:
            answer = await Client().ask(behind, FRESHNESS)
            return bool(answer["leaderboard"]["window"]["freshness"] == "LIVE")

        async def event() -> tuple[str, str]:
            """The name that it shows, and its token."""
            message = await socket.hear()
            assert message["type"] == "next", message
            assert message["id"] == "s"
            payload = message["payload"]
            [entry, *_] = payload["data"]["leaderboard"]["entries"]
            return entry["user"]["name"], payload["extensions"]["position"]

        await eventually(is_live)
        await socket.begin()
        await socket.tell({"id": "s", "type": "subscribe", "payload": {"query": FOLLOW}})
        assert (await event())[0] == "Ada"
        await ada.ask(store.worker, RENAME)
        await staff.ask(store.worker, SUBMIT, player="one", score=1)
        assert (await event())[0] == "Ada"

        await ask(socket, "{ __typename }", ada.kept.tokens[0])
        await staff.ask(store.worker, SUBMIT, player="two", score=2)
        name, token = await event()
        assert name == "Countess"
        seen, written = Token.decode(token), Token.decode(ada.kept.tokens[0])
        assert seen is not None
        assert written is not None
        assert seen.merged(written) == seen, "its token says so"


async def test_a_subscription_trusts_the_cache_again_when_redis_is_back(store: Store) -> None:
    """A request that could not ask Redis goes on without it to its end; a subscription lives for
    hours, so each of its events is a request of its own."""
    async with store.worker.context() as ctx:
        first = ctx.session
        first.barrier.give_up()
        ctx.become(ctx.viewer)
        assert ctx.session is first, "a login does not begin another request"
        ctx.renew()
        assert not ctx.session.barrier.alone


# ---- what is malformed ----


async def test_a_token_that_is_none_is_ignored_and_counted(store: Store) -> None:
    async with Socket(store.worker.view) as socket:
        await socket.begin()
        assert await name_at(socket, store.id("P-1"), "nonsense") == "Alpha Phone"
        assert store.worker.facts.count(TokenIgnored) == 1
        assert await name_at(socket, store.id("P-1")) == "Alpha Phone"
        assert store.worker.facts.count(TokenIgnored) == 1, "it is not kept"


@pytest.mark.parametrize("extensions", [5, [], "x"])
async def test_extensions_are_an_object(store: Store, extensions: object) -> None:
    async with Socket(store.worker.view) as socket:
        await socket.begin()
        payload = {"query": "{ me { id } }", "extensions": extensions}
        await socket.tell({"id": "1", "type": "subscribe", "payload": payload})
        with pytest.raises(Closed) as closed:
            await socket.hear()
        assert closed.value.code == 4400


async def test_an_error_before_the_operation_says_nothing(store: Store) -> None:
    async with Socket(store.worker.view) as socket:
        await socket.begin()
        payload = {"query": "{ nothing }", "extensions": {"position": "x"}}
        await socket.tell({"id": "1", "type": "subscribe", "payload": payload})
        answer = await socket.hear()
        assert answer["type"] == "error"
        assert "position" not in str(answer)


async def test_an_operation_that_failed_says_its_position(store: Store) -> None:
    async with Socket(store.worker.view) as socket:
        await socket.begin(authorization=f"Bearer {store.tokens['ada']}")
        answer = await ask(socket, "{ products(first: 0) { totalCount } }")
        assert answer["errors"]
        assert answer["extensions"]["position"]
