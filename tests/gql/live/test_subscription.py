"""The subscription over `graphql-transport-ws`: what is sent, what is refused, what is left."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from models.tables import Role, Session, User
from resolvers import tags
from resolvers.sessions import digest_of, end_sessions
from resolvers.writing import write
from tests.support.polling import eventually
from tests.support.sockets import Socket
from tests.support.store import LONG_AGO, Store

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

FOLLOW = """
subscription ($slug: String!, $first: Int, $player: ID, $maxHz: Float) {
  leaderboard(slug: $slug, first: $first, player: $player, maxHz: $maxHz) {
    __typename
    ... on LeaderboardSnapshot {
      cursor reason window size
      entries { rank player score user { name } }
      playerEntry { rank score }
    }
  }
}
"""
SUBMIT = """
mutation ($player: ID!, $score: SafeInt!) {
  submitScore(input: { leaderboard: "dash", player: $player, score: $score }) {
    accepted errors { message }
  }
}
"""
CREATE = """
mutation { createLeaderboard(input: { slug: "dash", name: "Dash" }) { errors { message } } }
"""


@pytest.fixture
async def store(database: str, redis: Redis, key_prefix: str) -> AsyncIterator[Store]:
    made = Store(redis, key_prefix)
    await made.seed()
    await made.worker.ask(CREATE, made.tokens["staff"])
    await submit(made, "bob", 20)
    await eventually(lambda: _is_live(made))
    yield made
    await made.close()


async def submit(store: Store, player: str, score: int) -> None:
    """A score, by the worker that nobody follows."""
    answer = await store.other.ask(SUBMIT, store.tokens["staff"], player=player, score=score)
    assert answer["submitScore"] == {"accepted": True, "errors": []}


async def _is_live(store: Store) -> bool:
    query = '{ leaderboard(slug: "dash") { window { freshness } } }'
    answer = await store.worker.ask(query)
    return bool(answer["leaderboard"]["window"]["freshness"] == "LIVE")


class Follower:
    """One subscription on a socket."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket

    async def begin(self, **variables: Any) -> None:
        wanted = {"slug": "dash", "maxHz": 60, **variables}
        payload = {"query": FOLLOW, "variables": wanted}
        await self._socket.begin()
        await self._socket.tell({"id": "1", "type": "subscribe", "payload": payload})

    async def next(self) -> Any:
        message = await self._socket.hear()
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        return message["payload"]["data"]["leaderboard"]

    async def refusal(self) -> Any:
        """The error that ends the subscription."""
        message = await self._socket.hear()
        [error] = message["payload"] if message["type"] == "error" else message["payload"]["errors"]
        return error


async def test_a_snapshot_at_once_and_one_more_on_each_change(store: Store) -> None:
    ada = store.user_id("ada")
    async with Socket(store.worker.view) as socket:
        follower = Follower(socket)
        await follower.begin(first=2, player=ada)
        first = await follower.next()
        epoch = first["cursor"].partition(":")[0]
        assert first == {
            "__typename": "LeaderboardSnapshot",
            "cursor": f"{epoch}:1",
            "reason": "INITIAL",
            "window": "all",
            "size": 1,
            "entries": [{"rank": 1, "player": "bob", "score": 20, "user": None}],
            "playerEntry": None,
        }
        await submit(store, ada, 5)
        await submit(store, "eve", 10)
        # Either the two changes one by one, or both at once.
        second = await follower.next()
        while second["cursor"] != f"{epoch}:3":
            assert second["cursor"] == f"{epoch}:2"
            second = await follower.next()
        assert second["reason"] is None
        assert second["size"] == 3
        assert [entry["player"] for entry in second["entries"]] == ["bob", "eve"]
        assert second["playerEntry"] == {"rank": 3, "score": 5}
        await submit(store, ada, 30)
        third = await follower.next()
        assert third["cursor"] == f"{epoch}:4"
        shown = {"rank": 1, "player": ada, "score": 30, "user": {"name": "Ada"}}
        assert third["entries"][0] == shown


async def test_each_event_reads_names_anew(store: Store) -> None:
    ada = store.user_id("ada")
    await submit(store, ada, 30)
    async with Socket(store.worker.view) as socket:
        follower = Follower(socket)
        await follower.begin()
        assert (await follower.next())["entries"][0]["user"] == {"name": "Ada"}
        await store.other.ask(
            'mutation { updateProfile(input: { name: "Countess" }) { errors { code } } }',
            store.tokens["ada"],
        )
        await submit(store, "eve", 1)
        assert (await follower.next())["entries"][0]["user"] == {"name": "Countess"}


async def test_not_more_often_than_asked(store: Store) -> None:
    async with Socket(store.worker.view) as socket:
        follower = Follower(socket)
        await follower.begin(maxHz=2)
        await follower.next()
        loop = asyncio.get_running_loop()
        began = loop.time()
        for score in range(30, 40):
            await submit(store, "ada", score)
        snapshot = await follower.next()
        assert loop.time() - began >= 0.45
        assert snapshot["entries"][0]["score"] == 39  # the latest


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"slug": "nowhere"}, ["slug:", "the slug of a leaderboard", "nowhere"]),
        ({"slug": "\0"}, ["slug:", "no NUL"]),
        ({"first": 0}, ["first:", "from 1 to 100"]),
        ({"first": 101}, ["first:", "from 1 to 100"]),
        ({"maxHz": 0}, ["maxHz:", "above 0, at most 60"]),
        ({"maxHz": -1}, ["maxHz:", "above 0, at most 60"]),
        ({"maxHz": 60.1}, ["maxHz:", "above 0, at most 60"]),
        ({"player": ""}, ["player:", "1 to 64 bytes"]),
        ({"player": "x" * 65}, ["player:", "1 to 64 bytes"]),
    ],
)
async def test_arguments_that_are_refused(
    store: Store, variables: dict[str, Any], words: list[str]
) -> None:
    async with Socket(store.worker.view) as socket:
        follower = Follower(socket)
        await follower.begin(**variables)
        error = await follower.refusal()
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        for word in words:
            assert word in error["message"]


async def test_another_window_is_refused(store: Store) -> None:
    query = 'subscription { leaderboard(slug: "dash", window: "day") { __typename } }'
    async with Socket(store.worker.view) as socket:
        await socket.begin()
        await socket.tell({"id": "1", "type": "subscribe", "payload": {"query": query}})
        error = await Follower(socket).refusal()
        assert "window: expected 'all', the only window so far; got 'day'" in error["message"]


async def test_nulls_are_the_defaults(store: Store) -> None:
    query = (
        'subscription { leaderboard(slug: "dash", window: null, first: null, mode: null, '
        "maxHz: null, player: null) { ... on LeaderboardSnapshot { size } } }"
    )
    async with Socket(store.worker.view) as socket:
        await socket.begin()
        await socket.tell({"id": "1", "type": "subscribe", "payload": {"query": query}})
        assert await Follower(socket).next() == {"size": 1}


@pytest.mark.parametrize("leaves", ["complete", "disconnect"])
async def test_nothing_is_left_of_subscribers_that_leave(store: Store, leaves: str) -> None:
    watches = store.worker.services.leaderboards._watches
    before = asyncio.all_tasks()
    for _ in range(5):
        async with Socket(store.worker.view) as socket:
            follower = Follower(socket)
            await follower.begin()
            await follower.next()
            assert len(watches._running) == 1
            if leaves == "complete":
                await socket.tell({"id": "1", "type": "complete"})
                await eventually(lambda: _nobody(watches))
    await eventually(lambda: _nobody(watches))
    await eventually(lambda: _at_most(before))


async def _nobody(watches: Any) -> bool:
    return not watches._running


async def _at_most(tasks: set[asyncio.Task[Any]]) -> bool:
    return asyncio.all_tasks() <= tasks


async def test_the_schema_prints_only_what_works(store: Store) -> None:
    query = (
        '{ mode: __type(name: "DeliveryMode") { enumValues { name } } '
        'reason: __type(name: "SnapshotReason") { enumValues { name } } '
        'event: __type(name: "LeaderboardEvent") { possibleTypes { name } } }'
    )
    found = await store.worker.ask(query)
    assert json.loads(json.dumps(found)) == {
        "mode": {"enumValues": [{"name": "SNAPSHOT"}]},
        "reason": {"enumValues": [{"name": "INITIAL"}, {"name": "EPOCH"}]},
        "event": {"possibleTypes": [{"name": "LeaderboardSnapshot"}]},
    }


PRIVATE = """
subscription {
  leaderboard(slug: "dash", maxHz: 60) {
    ... on LeaderboardSnapshot { entries { score user { name email role } } }
  }
}
"""


async def private_of(store: Store, socket: Socket, score: int) -> Any:
    """What the next event tells of Bob; `player` is his user, so that the row names him."""
    await submit(store, store.user_id("bob"), score)
    while True:
        message = await socket.hear()
        for entry in message["payload"]["data"]["leaderboard"]["entries"]:
            if entry["score"] == score:
                return entry["user"]["email"]


@pytest.mark.parametrize("how", ["logged out", "password changed", "ended", "role lost"])
async def test_a_subscription_has_the_rights_that_its_session_has_now(
    store: Store, how: str
) -> None:
    """Staff see an e-mail in the first events, and not in those after the session has ended."""
    token = store.tokens["staff"]
    submitted = store.tokens["staff"] = await store.session("staff")  # `submit` goes on with it
    async with Socket(store.worker.view) as socket:
        await socket.begin(authorization=f"Bearer {token}")
        await socket.tell({"id": "1", "type": "subscribe", "payload": {"query": PRIVATE}})
        assert await private_of(store, socket, 100) == "bob@example.com"

        if how == "logged out":
            await store.other.ask("mutation { logout(input: {}) { errors { code } } }", token)
        elif how == "ended":
            await Session.filter(digest=digest_of(token)).update(ends_at=LONG_AGO)
            await store.other.services.cache.invalidate([tags.session(digest_of(token))])
        elif how == "password changed":
            async with store.other.context(submitted) as ctx, write(ctx) as change:
                await end_sessions(change, store.users["staff"].id, digest_of(submitted))
        else:
            await User.filter(id=store.users["staff"].id).update(role=Role.CUSTOMER)
            store.tokens["staff"] = store.tokens["admin"]
            await store.other.services.cache.invalidate([tags.session(digest_of(token))])

        assert await private_of(store, socket, 200) is None
        await socket.tell({"id": "1", "type": "complete"})
