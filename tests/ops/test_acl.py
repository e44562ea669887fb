"""The restricted Redis user of docs/operations.md can do what FreshQL does, and no more."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from websockets import Subprotocol
from websockets.sync.client import ClientConnection, connect

from tests.support.questions import README_QUESTIONS, Asker
from tests.support.servers import valkey
from tests.support.serving import ROOT, serving

SETUP = {"HELLO", "AUTH"}
"""Need no right: a connection begins with them."""


def rule() -> list[str]:
    """The arguments of the documented `ACL SETUSER`."""
    page = (ROOT / "docs" / "operations.md").read_text()
    found = re.search(r"^ACL SETUSER (shop .*?)^```", page, flags=re.MULTILINE | re.DOTALL)
    assert found
    return found.group(1).replace("\\\n", " ").split()


def allowed() -> set[str]:
    """The commands of the rule, in capitals, subcommands as `CLIENT|SETINFO`."""
    return {word[1:].upper() for word in rule() if word.startswith("+")}


def in_scripts() -> set[str]:
    """The commands that our Lua scripts call."""
    sources = [*(ROOT / "cache").rglob("*.lua"), *(ROOT / "cache").rglob("*.py")]
    text = "\n".join(path.read_text() for path in sources)
    calls = re.findall(r"redis\.p?call\(\s*'(\w+)'(?:,\s*'(STREAM|GROUPS)')?", text)
    return {f"{name}|{sub}" if sub else name for name, sub in calls}


@pytest.fixture
def admin() -> Iterator[Redis]:
    """A Valkey with the documented user, seen by its administrator."""
    with valkey() as server, Redis.from_url(server.url, decode_responses=True) as client:
        administer(client, "SETUSER", *rule())
        client.config_resetstat()
        yield client


def administer(client: Redis, *arguments: str) -> Any:
    """Run an `ACL` command."""
    return client.execute_command("ACL", *arguments)  # type: ignore[no-untyped-call]


def used(admin: Redis) -> set[str]:
    """The commands that the server has run for anybody, without the administrator's own."""
    stats = admin.info("commandstats")
    assert isinstance(stats, dict)
    names = {name.removeprefix("cmdstat_").upper() for name in stats}
    mine = {"ACL|SETUSER", "ACL|LOG", "CONFIG|RESETSTAT", "FLUSHALL", "COMMAND"}
    return names - mine - SETUP


@contextmanager
def watching(url: str) -> Iterator[ClientConnection]:
    """Subscribed to a board over `graphql-transport-ws`, its first event read."""
    address = url.replace("http", "ws", 1) + "/graphql"
    with connect(address, subprotocols=[Subprotocol("graphql-transport-ws")]) as connection:
        connection.send(json.dumps({"type": "connection_init"}))
        assert json.loads(connection.recv(10))["type"] == "connection_ack"
        query = 'subscription { leaderboard(slug: "parcel-dash") { __typename } }'
        connection.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": query}}))
        next_event(connection)
        yield connection


def next_event(connection: ClientConnection) -> dict[str, Any]:
    """The next message that is an event."""
    while True:
        message: dict[str, Any] = json.loads(connection.recv(10))
        if message["type"] == "next":
            assert "errors" not in message["payload"], message
            return message


def everything(asker: Asker, round_: int) -> None:
    """Use every part that goes to Redis."""
    for question in README_QUESTIONS:
        asker.ask_as_text(question)
    product = "UHJvZHVjdDox"
    with watching(asker.url) as connection:
        asker.token = asker.login("staff")
        asker.ask(
            """mutation($score: SafeInt!) { submitScore(input:
              {leaderboard: "parcel-dash", player: "someone", score: $score}) { accepted } }""",
            {"score": 5000 + round_},
        )
        next_event(connection)
    view = "mutation($id: ID!) { recordProductView(input: {productId: $id}) { product { id } } }"
    read = "query($id: ID!) { product(id: $id) { stats { views } } }"
    before = asker.ask(read, {"id": product})["product"]["stats"]["views"]
    asker.ask(view, {"id": product})
    assert asker.ask(read, {"id": product})["product"]["stats"]["views"] == before + 1
    asker.ask("mutation { logout(input: {everywhere: true}) { errors { code } } }")
    asker.token = ""


def test_the_documented_user_can_do_everything_and_nothing_else(
    tmp_path: Path, admin: Redis
) -> None:
    socket = admin.get_connection_kwargs()["path"]
    url = f"unix://shop:secret@{socket}"
    with serving(tmp_path, REDIS_URL=url) as server:
        asker = Asker(server.url)
        everything(asker, 1)
        admin.flushall()  # what was emptied is built anew
        everything(asker, 2)
    assert administer(admin, "LOG") == []
    assert used(admin) <= allowed()
    assert in_scripts() <= allowed()
    # Scripts that a restarted server forgot; a database other than 0; one of several boards left.
    rare = {"EVAL", "SCRIPT|LOAD", "SELECT", "UNSUBSCRIBE"}
    assert allowed() <= used(admin) | in_scripts() | rare


def test_a_missing_right_is_noticed(tmp_path: Path, admin: Redis) -> None:
    administer(admin, "SETUSER", "shop", "-mget")
    socket = admin.get_connection_kwargs()["path"]
    with serving(tmp_path, REDIS_URL=f"unix://shop:secret@{socket}") as server:
        asker = Asker(server.url)
        asker.ask("{ categories { name } }")  # a cache that may not answer costs time, not truth
    log = administer(admin, "LOG")
    assert any(entry["object"] == "mget" for entry in log), log
