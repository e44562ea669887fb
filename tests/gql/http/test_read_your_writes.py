"""Promises 2 and 3 over HTTP, with workers that lag or cannot reach Redis.

Each test has its control: the same client without its token, which is served what the lagging
worker remembers.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from cache import StoreUnavailable
from cache.facts import TokenIgnored
from cache.protocol import ALL, Position, Token
from resolvers import stats
from tests.support.clients import HEADER, Client, catch_up, lagging, reconnect, without_redis
from tests.support.servers import ValkeyServer, valkey
from tests.support.store import Store, Worker

EDIT = (
    "mutation ($id: ID!, $name: String!) { updateProduct(input: { id: $id, name: $name })"
    " { product { name } errors { code } } }"
)
STOCK = (
    "mutation ($id: ID!, $stock: Int!) { updateProduct(input: { id: $id, stock: $stock })"
    " { product { stock } errors { code } } }"
)
PRODUCT = "query ($id: ID!) { product(id: $id) { name stock } }"
ME = "{ me { name } }"

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
CLIENTS = pytest.mark.parametrize("client", ["header", "cookies"])


@pytest.fixture
async def behind(store: Store) -> AsyncIterator[Worker]:
    """A worker that goes on answering from its memory."""
    async with lagging(store) as worker:
        yield worker


def staff(store: Store, client: str) -> Client:
    return Client(store.tokens["staff"], **{client: True})


async def name_at(client: Client, worker: Worker, product: str) -> str:
    found: str = (await client.ask(worker, PRODUCT, id=product))["product"]["name"]
    return found


@CLIENTS
async def test_an_own_write_is_seen_by_a_worker_that_is_behind(
    store: Store, behind: Worker, client: str
) -> None:
    product, me, other = store.id("P-1"), staff(store, client), Client()
    assert await name_at(other, behind, product) == "Alpha Phone"
    await me.ask(store.worker, EDIT, id=product, name="New")

    assert await name_at(other, behind, product) == "Alpha Phone", "the control: it is behind"
    assert await name_at(me, behind, product) == "New"


@CLIENTS
async def test_lists_and_what_was_not_there(store: Store, behind: Worker, client: str) -> None:
    query = '{ leaderboard(slug: "new") { name } leaderboards { edges { node { slug } } } }'
    create = (
        'mutation { createLeaderboard(input: { slug: "new", name: "New", operator: BEST,'
        " order: DESC, selfReported: false }) { errors { message } } }"
    )
    me, other = staff(store, client), Client()
    before = {"leaderboard": None, "leaderboards": {"edges": []}}
    assert await other.ask(behind, query) == before
    assert (await me.ask(store.worker, create))["createLeaderboard"]["errors"] == []

    assert await other.ask(behind, query) == before, "the control"
    after = {"leaderboard": {"name": "New"}, "leaderboards": {"edges": [{"node": {"slug": "new"}}]}}
    assert await me.ask(behind, query) == after


async def test_two_mutations_at_once_are_both_seen(store: Store, behind: Worker) -> None:
    """1. both are asked  2. the second is purged last, and answered first  3. the first's answer
    arrives: were there one cookie for both, it would replace the second's."""
    first, second = store.id("P-1"), store.id("P-2")
    one, two = staff(store, "cookies"), staff(store, "cookies")
    for product in (first, second):
        await name_at(Client(), behind, product)
    await one.ask(store.worker, EDIT, id=first, name="One")
    await catch_up(behind)
    await two.ask(store.other, EDIT, id=second, name="Two")

    assert await name_at(one, behind, first) == "One"
    assert await name_at(one, behind, second) == "Beta Phone", "the control: the first's alone"
    one.jar.update(two.jar)
    assert await name_at(one, behind, second) == "Two"
    assert await name_at(one, behind, first) == "One"


@CLIENTS
async def test_requests_at_once(store: Store, behind: Worker, client: str) -> None:
    """Many at once, from one client: each keeps what the others' answers said."""
    skus = ["P-1", "P-2", "A-1", "A-2", "H-1"]
    me = staff(store, client)
    for sku in skus:
        await name_at(me, behind, store.id(sku))
    for name in ("first", "second", "third"):
        writers = [store.worker, store.other, store.worker, store.other, store.worker]
        await asyncio.gather(
            *(
                me.ask(writer, EDIT, id=store.id(sku), name=f"{name} {sku}")
                for writer, sku in zip(writers, skus, strict=True)
            )
        )
        names = await asyncio.gather(*(name_at(me, behind, store.id(sku)) for sku in skus))
        assert names == [f"{name} {sku}" for sku in skus]


# ---- a worker that cannot reach Redis ----


@pytest.fixture
async def cut_off(store: Store) -> AsyncIterator[Worker]:
    """A worker that writes and cannot publish."""
    async with without_redis(store) as worker:
        yield worker


@CLIENTS
async def test_a_write_whose_purge_could_not_be_published(
    store: Store, behind: Worker, cut_off: Worker, client: str
) -> None:
    """Its token names the row in the outbox; whoever gets it publishes that first."""
    product, me, other = store.id("P-1"), staff(store, client), Client()
    assert await name_at(other, behind, product) == "Alpha Phone"
    assert await name_at(other, store.other, product) == "Alpha Phone"
    answer = await me.post(cut_off, EDIT, id=product, name="New")
    assert answer.json()["data"]["updateProduct"]["errors"] == []
    assert answer.json()["data"]["updateProduct"]["product"] == {"name": "New"}
    token = Token.decode(answer.headers[HEADER])
    assert token is not None
    assert len(token.outbox) == 1

    assert await name_at(other, store.other, product) == "Alpha Phone", "the control"
    assert await name_at(me, behind, product) == "New"
    assert await name_at(other, store.other, product) == "New", "it was published for all"


async def test_who_was_logged_out_by_a_worker_without_redis(
    store: Store, behind: Worker, cut_off: Worker
) -> None:
    """Who asks is read like anything else: the session is over for whoever saw it end."""
    token = store.tokens["ada"]
    me, other = Client(token, cookies=True), Client(token)
    assert await other.ask(behind, ME) == {"me": {"name": "Ada"}}
    await me.ask(cut_off, "mutation { logout(input: {}) { errors { code } } }")

    assert await other.ask(behind, ME) == {"me": {"name": "Ada"}}, "the control: a thief's window"
    assert await me.ask(behind, ME) == {"me": None}
    assert await other.ask(behind, ME) == {"me": None}


async def test_a_new_password_ends_the_other_sessions(
    store: Store, behind: Worker, cut_off: Worker
) -> None:
    register = (
        'mutation { register(input: { name: "Eve", email: "eve@example.com",'
        ' password: "first password" }) { errors { code } } }'
    )
    login = (
        'mutation { login(input: { email: "eve@example.com", password: "first password" })'
        " { token errors { code } } }"
    )
    change = (
        'mutation { changePassword(input: { current: "first password", new: "another one" })'
        " { errors { code } } }"
    )
    await Client().ask(store.worker, register)
    old, new = [(await Client().ask(store.worker, login))["login"]["token"] for _ in range(2)]
    assert await Client(old).ask(behind, ME) == {"me": {"name": "Eve"}}
    me = Client(new, cookies=True)
    assert (await me.ask(cut_off, change))["changePassword"]["errors"] == []

    assert await Client(old).ask(behind, ME) == {"me": {"name": "Eve"}}, "the control"
    stolen = Client(old, cookies=True)
    stolen.jar = me.jar
    assert await stolen.ask(behind, ME) == {"me": None}
    assert await me.ask(behind, ME) == {"me": {"name": "Eve"}}


@pytest.fixture
async def own_valkey(key_prefix: str, database: str) -> AsyncIterator[tuple[ValkeyServer, Store]]:
    """A Valkey to be stopped, with a store on it."""
    with valkey() as server:
        redis = Redis.from_url(server.url)
        store = Store(redis, key_prefix)
        await store.seed()
        yield server, store
        await store.close()
        await redis.aclose()


@CLIENTS
async def test_redis_is_stopped(own_valkey: tuple[ValkeyServer, Store], client: str) -> None:
    """A mutation is answered, and another worker shows it, from the database.

    The other worker goes on answering from memory, for at most half of the staleness bound: here
    for as long as the test takes.
    """
    server, store = own_valkey
    product, me = store.id("P-1"), staff(store, client)
    writer = store.worker
    async with lagging(store) as behind:
        assert await name_at(me, behind, product) == "Alpha Phone"
        await asyncio.to_thread(server.stop)

        await me.ask(writer, EDIT, id=product, name="New")
        assert await name_at(Client(), behind, product) == "Alpha Phone", "the control"
        assert await name_at(me, behind, product) == "New"
        assert await name_at(me, writer, product) == "New"

        await asyncio.to_thread(server.start)
        with pytest.raises(StoreUnavailable):
            await catch_up(behind)  # its old connection is gone, and from here on so is its trust
        await reconnect(behind)
        assert await name_at(me, behind, product) == "New"
        assert await name_at(Client(), behind, product) == "New"


# ---- what the answer says ----


async def test_a_mutation_that_failed_later_says_what_it_wrote(
    store: Store, behind: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first field is committed and purged, the second fails, and with it the whole answer."""

    async def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("no more")

    product, me = store.id("P-1"), staff(store, "cookies")
    await name_at(me, behind, product)
    monkeypatch.setattr(stats, "record_product_view", fail)
    answer = await me.post(
        store.worker,
        'mutation ($id: ID!) { updateProduct(input: { id: $id, name: "New" }) { errors { code } }'
        " recordProductView(input: { productId: $id }) { errors { code } } }",
        id=product,
    )
    assert answer.json()["data"] is None
    assert await name_at(Client(), behind, product) == "Alpha Phone", "the control"
    assert await name_at(me, behind, product) == "New"


async def test_only_mutations_set_cookies_and_each_expires_what_it_saw(store: Store) -> None:
    product, me = store.id("P-1"), staff(store, "cookies")
    answer = await me.post(store.worker, PRODUCT, id=product)
    assert answer.headers[HEADER]
    assert "set-cookie" not in answer.headers
    seen = set()
    for name in ("one", "two", "three"):
        await me.ask(store.worker, EDIT, id=product, name=name)
        [cookie] = list(me.jar.jar)
        assert cookie.name.startswith("freshql-position-")
        seen.add(cookie.name)
        await me.ask(store.worker, PRODUCT, id=product)
        assert len(me.jar.jar) == 1
    assert len(seen) == 3


async def test_answers_without_a_context_say_nothing(store: Store) -> None:
    http, token = store.worker.http, Token.at(Position("e", 1)).encode()
    headers = {HEADER: token, "content-type": "application/json"}
    for answer in (
        await http.get("/graphql", headers=headers),
        await http.post("/graphql", content=b"{", headers=headers),
        await http.post("/graphql", content=b" " * 2_000_000, headers=headers),
    ):
        assert answer.status_code in {400, 405, 413}
        assert HEADER not in answer.headers
    wrong = await http.post("/graphql", content=b'{"query": "{ nothing }"}', headers=headers)
    assert HEADER in wrong.headers, "an operation was asked, and refused"


async def test_what_cannot_be_read_is_ignored_and_counted(store: Store) -> None:
    product = store.id("P-1")
    body = {"query": PRODUCT, "variables": {"id": product}, "extensions": {"position": 5}}
    headers = {HEADER: 'nonsense, "', "cookie": f"freshql-position-x={'x' * 2000}"}
    answer = await store.worker.http.post("/graphql", json=body, headers=headers)
    assert answer.json()["data"]["product"]["name"] == "Alpha Phone"
    token = Token.decode(answer.headers[HEADER])
    assert token is not None
    assert not token.is_empty
    assert store.worker.facts.count(TokenIgnored) == 3


async def test_a_position_beyond_the_head_is_ignored_and_counted(
    store: Store, behind: Worker
) -> None:
    product = store.id("P-1")
    await name_at(Client(), behind, product)
    applied = behind.services.cache.applied
    assert applied is not None
    forged = Client(header=True)
    forged.kept.add([Token.at(Position(applied.epoch, 2**53 - 1)).encode()])
    assert await name_at(forged, behind, product) == "Alpha Phone"
    assert behind.facts.count(TokenIgnored) == 1
    assert await name_at(forged, behind, product) == "Alpha Phone"
    assert behind.facts.count(TokenIgnored) == 1, "the answer's token is a right one"


# ---- monotonic reads ----


@pytest.mark.parametrize("seed", range(5))
async def test_no_echoing_client_ever_goes_back(store: Store, seed: int) -> None:
    """Stock only grows. Workers that are behind by as much as they like answer in turn; whoever
    echoes never sees less than before, and whoever does not, does (the control)."""
    chance, product = random.Random(seed), store.id("P-1")
    writer, echoing, control = staff(store, "header"), Client(header=True), Client()
    shown: dict[str, list[int]] = {"echoing": [], "control": []}
    async with lagging(store) as one, lagging(store) as two, lagging(store) as three:
        workers = [one, two, three]
        for stock in range(100, 140):
            await writer.ask(store.worker, STOCK, id=product, stock=stock)
            for _ in range(3):
                worker = chance.choice(workers)
                if chance.random() < 0.3:
                    await catch_up(worker)
                for name, client in (("control", control), ("echoing", echoing)):
                    answer = await client.ask(worker, PRODUCT, id=product)
                    shown[name].append(answer["product"]["stock"])
    assert shown["echoing"] == sorted(shown["echoing"])
    assert shown["control"] != sorted(shown["control"]), "the control goes back"


# ---- the rules behind it, switched off ----


async def test_a_worker_that_does_not_heed_positions(store: Store) -> None:
    async with lagging(store, rules=ALL.without("j5_token")) as behind:
        product, me = store.id("P-1"), staff(store, "header")
        await name_at(me, behind, product)
        await me.ask(store.worker, EDIT, id=product, name="New")
        assert await name_at(me, behind, product) == "Alpha Phone"


async def test_a_worker_that_does_not_heed_outbox_ids(store: Store, cut_off: Worker) -> None:
    async with lagging(store, rules=ALL.without("j5_outbox_id")) as behind:
        product, me = store.id("P-1"), staff(store, "header")
        await name_at(me, behind, product)
        await me.ask(cut_off, EDIT, id=product, name="New")
        assert await name_at(me, behind, product) == "Alpha Phone"


async def test_a_writer_that_does_not_tell_outbox_ids(store: Store, behind: Worker) -> None:
    async with without_redis(store, rules=ALL.without("w5_outbox_id")) as cut_off:
        product, me = store.id("P-1"), staff(store, "header")
        await name_at(me, behind, product)
        await me.ask(cut_off, EDIT, id=product, name="New")
        assert await name_at(me, behind, product) == "Alpha Phone"
