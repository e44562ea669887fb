"""Leaderboards over GraphQL: what is asked, who may submit, what is refused."""

import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest

from cache.errors import StoreUnavailable
from cache.leaderboard import MAX_VALUE
from cache.stores.connection import GuardedRedis, open_redis
from models.tables import Leaderboard, Score
from resolvers.ids import encode_id
from tests.support.counting import SqlCounter
from tests.support.polling import eventually
from tests.support.store import Store, Worker

CREATE = """
mutation ($input: CreateLeaderboardInput!) {
  createLeaderboard(input: $input) {
    leaderboard {
      id slug name operator order size selfReported
      tieColumns { name order } windows { key size } window { key }
    }
    errors { code message path }
  }
}
"""
SUBMIT = """
mutation ($input: SubmitScoreInput!) {
  submitScore(input: $input) {
    accepted
    entry { rank player score tieColumns achievedAt user { name } }
    windows { key previousRank rank newBest }
    errors { code message path }
  }
}
"""
TOP = """
query ($slug: String!, $first: Int, $after: String, $ranking: Ranking) {
  leaderboard(slug: $slug) { window { size freshness cursor
    top(first: $first, after: $after, ranking: $ranking) {
      totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
      edges { cursor node { rank player score tieColumns } }
    }
  } }
}
"""


class Boards:
    """A store with a self-reported BEST board `dash` and a league of staff's."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.staff = store.tokens["staff"]

    async def create(self, token: str | None = None, **wanted: Any) -> Any:
        answer = await self.store.worker.ask(CREATE, token or self.staff, input=wanted)
        return answer["createLeaderboard"]

    async def submit(self, board: str, player: str, *points: int, token: str | None = None) -> Any:
        wanted = {"leaderboard": board, "player": player, "score": points[0]}
        if points[1:]:
            wanted["tieColumns"] = list(points[1:])
        answer = await self.store.worker.ask(SUBMIT, token or self.staff, input=wanted)
        return answer["submitScore"]

    async def window(self, selection: str, board: str = "dash", **variables: Any) -> Any:
        query = f'{{ leaderboard(slug: "{board}") {{ window {{ {selection} }} }} }}'
        answer = await self.store.other.ask(query, **variables)
        return answer["leaderboard"]["window"]

    async def flushed(self, board: str = "dash") -> None:
        """Wait until the database has all that was acknowledged."""
        flushing = self.store.worker.services.leaderboards.flushing
        await eventually(lambda: flushing.flush(board))

    async def live(self, board: str = "dash") -> None:
        """Wait until both workers read the sorted set."""
        for worker in (self.store.worker, self.store.other):
            await eventually(partial(_is_live, worker, board))


async def _is_live(worker: Worker, board: str) -> bool:
    query = f'{{ leaderboard(slug: "{board}") {{ window {{ freshness }} }} }}'
    return bool((await worker.ask(query))["leaderboard"]["window"]["freshness"] == "LIVE")


@pytest.fixture
async def boards(store: Store) -> Boards:
    made = Boards(store)
    await made.create(slug="dash", name="Dash", selfReported=True)
    await made.create(
        slug="league",
        name="League",
        operator="INCREMENT",
        tieColumns=[{"name": "goals"}, {"name": "cards", "order": "ASC"}],
    )
    return made


# ---- definitions ----


async def test_a_board_is_made_as_asked(boards: Boards) -> None:
    wanted: dict[str, Any] = {
        "slug": "golf-2026",
        "name": " Golf ",
        "operator": "SET",
        "order": "ASC",
        "tieColumns": [{"name": "putts", "order": "ASC"}],
    }
    payload = await boards.create(**wanted)
    assert payload["errors"] == []
    assert payload["leaderboard"] == {
        "id": encode_id("Leaderboard", "golf-2026"),
        "slug": "golf-2026",
        "name": "Golf",
        "operator": "SET",
        "order": "ASC",
        "size": 0,
        "selfReported": False,
        "tieColumns": [{"name": "putts", "order": "ASC"}],
        "windows": [{"key": "all", "size": 0}],
        "window": {"key": "all"},
    }


async def test_a_new_board_shows_wherever_it_was_missed(boards: Boards) -> None:
    listing = "{ leaderboards { totalCount edges { node { slug } } pageInfo { hasNextPage } } }"
    one = '{ leaderboard(slug: "new") { name } }'
    for worker in (boards.store.worker, boards.store.other):
        assert (await worker.ask(one))["leaderboard"] is None
        assert (await worker.ask(listing))["leaderboards"]["totalCount"] == 2
    await boards.create(slug="new", name="New")
    for worker in (boards.store.worker, boards.store.other):
        assert (await worker.ask(one))["leaderboard"] == {"name": "New"}
        found = (await worker.ask(listing))["leaderboards"]
        assert found["totalCount"] == 3
        assert [edge["node"]["slug"] for edge in found["edges"]] == ["dash", "league", "new"]


async def test_the_list_is_paged_both_ways(boards: Boards) -> None:
    for at in range(3):
        await boards.create(slug=f"b{at}", name="B")
    ask = boards.store.worker.ask
    query = (
        "query ($first: Int, $after: String, $last: Int, $before: String) { leaderboards("
        "first: $first, after: $after, last: $last, before: $before) { edges { cursor node "
        "{ slug } } pageInfo { hasNextPage hasPreviousPage endCursor startCursor } } }"
    )
    page = (await ask(query, first=2))["leaderboards"]
    assert [edge["node"]["slug"] for edge in page["edges"]] == ["dash", "league"]
    assert page["pageInfo"]["hasNextPage"] is True
    page = (await ask(query, first=9, after=page["pageInfo"]["endCursor"]))["leaderboards"]
    assert [edge["node"]["slug"] for edge in page["edges"]] == ["b0", "b1", "b2"]
    assert page["pageInfo"]["hasNextPage"] is False
    page = (await ask(query, last=2, before=page["edges"][2]["cursor"]))["leaderboards"]
    assert [edge["node"]["slug"] for edge in page["edges"]] == ["b0", "b1"]


async def test_a_board_is_a_node(boards: Boards) -> None:
    node = "query ($id: ID!) { node(id: $id) { __typename id ... on Leaderboard { slug size } } }"
    found = await boards.store.worker.ask(node, id=encode_id("Leaderboard", "dash"))
    assert found["node"]["slug"] == "dash"
    assert (await boards.store.worker.ask(node, id=encode_id("Leaderboard", "no")))["node"] is None


def _ties(*names: str) -> list[dict[str, str]]:
    return [{"name": name} for name in names]


@pytest.mark.parametrize(
    ("wanted", "path", "words"),
    [
        ({"slug": "dash"}, ["input", "slug"], "already"),
        ({"slug": ""}, ["input", "slug"], "words of a-z"),
        ({"slug": "Upper"}, ["input", "slug"], "words of a-z"),
        ({"slug": "a--b"}, ["input", "slug"], "words of a-z"),
        ({"slug": "x" * 101}, ["input", "slug"], "at most 100"),
        ({"name": " "}, ["input", "name"], "1 to 200 characters"),
        (
            {"tieColumns": [{"name": str(at)} for at in range(4)]},
            ["input", "tieColumns"],
            "at most 3",
        ),
        (
            {"tieColumns": [{"name": "a"}, {"name": "a"}]},
            ["input", "tieColumns"],
            "different names",
        ),
        ({"tieColumns": [{"name": ""}]}, ["input", "tieColumns", "0", "name"], "1 to 200"),
    ],
)
async def test_a_board_that_cannot_be(
    boards: Boards, wanted: dict[str, Any], path: list[str], words: str
) -> None:
    payload = await boards.create(**({"slug": "ok", "name": "Ok"} | wanted))
    assert payload["leaderboard"] is None
    [error] = payload["errors"]
    assert (error["code"], error["path"]) == ("INVALID_INPUT", path)
    assert words in error["message"]
    assert await Leaderboard.all().count() == 2


async def test_only_staff_make_boards(boards: Boards) -> None:
    payload = await boards.create(boards.store.tokens["ada"], slug="mine", name="Mine")
    assert [error["code"] for error in payload["errors"]] == ["FORBIDDEN"]
    answer = await boards.store.worker.ask(CREATE, input={"slug": "mine", "name": "Mine"})
    errors = answer["createLeaderboard"]["errors"]
    assert [error["code"] for error in errors] == ["UNAUTHENTICATED"]
    assert await Leaderboard.all().count() == 2


# ---- submissions ----


async def test_a_submission_and_its_answer(boards: Boards) -> None:
    await boards.submit("dash", "bob", 20)
    ada = boards.store.user_id("ada")
    payload = await boards.submit("dash", ada, 10)
    entry = payload["entry"]
    assert entry.pop("achievedAt").endswith("Z")
    assert entry == {
        "rank": 2,
        "player": ada,
        "score": 10,
        "tieColumns": [],
        "user": {"name": "Ada"},
    }
    assert payload["accepted"] is True
    assert payload["errors"] == []
    assert payload["windows"] == [{"key": "all", "previousRank": None, "rank": 2, "newBest": True}]

    payload = await boards.submit("dash", ada, 30)
    assert payload["windows"] == [{"key": "all", "previousRank": 2, "rank": 1, "newBest": True}]
    payload = await boards.submit("dash", ada, 29)
    assert payload["accepted"] is True
    assert payload["entry"]["score"] == 30
    assert payload["windows"] == [{"key": "all", "previousRank": 1, "rank": 1, "newBest": False}]


async def test_an_increment_adds_to_every_column(boards: Boards) -> None:
    await boards.submit("league", "x", 3, 2, 1)
    payload = await boards.submit("league", "x", -1, 5, -4)
    assert payload["entry"]["score"] == 2
    assert payload["entry"]["tieColumns"] == [7, -3]
    assert payload["windows"][0]["newBest"] is False


async def test_users_submit_for_themselves_where_that_is_allowed(boards: Boards) -> None:
    ada, token = boards.store.user_id("ada"), boards.store.tokens["ada"]
    assert (await boards.submit("dash", ada, 5, token=token))["accepted"] is True
    for board, player, points in (
        ("dash", boards.store.user_id("bob"), [5]),
        ("dash", "ada", [5]),
        ("league", ada, [1, 1, 1]),
    ):
        payload = await boards.submit(board, player, *points, token=token)
        assert payload["accepted"] is False
        assert payload["entry"] is None
        assert payload["windows"] == []
        assert [error["code"] for error in payload["errors"]] == ["FORBIDDEN"]
    answer = await boards.store.worker.ask(
        SUBMIT, input={"leaderboard": "dash", "player": ada, "score": 1}
    )
    errors = answer["submitScore"]["errors"]
    assert [error["code"] for error in errors] == ["UNAUTHENTICATED"]
    await boards.flushed()
    assert await Score.all().count() == 1


@pytest.mark.parametrize(
    ("board", "player", "points", "code", "path"),
    [
        ("nowhere", "x", [1], "NOT_FOUND", ["input", "leaderboard"]),
        ("dash", "", [1], "INVALID_INPUT", ["input", "player"]),
        ("dash", "x" * 65, [1], "INVALID_INPUT", ["input", "player"]),
        ("dash", "é" * 33, [1], "INVALID_INPUT", ["input", "player"]),
        ("dash", "a\0b", [1], "INVALID_INPUT", ["input", "player"]),
        ("dash", "x", [1, 2], "INVALID_INPUT", ["input", "tieColumns"]),
        ("league", "x", [1], "INVALID_INPUT", ["input", "tieColumns"]),
        ("league", "x", [1, 2, 3, 4], "INVALID_INPUT", ["input", "tieColumns"]),
    ],
)
async def test_a_submission_that_cannot_be(
    boards: Boards, board: str, player: str, points: list[int], code: str, path: list[str]
) -> None:
    payload = await boards.submit(board, player, *points)
    assert payload["accepted"] is False
    [error] = payload["errors"]
    assert (error["code"], error["path"]) == (code, path)
    await boards.flushed()
    assert await Score.all().count() == 0


@pytest.mark.parametrize("value", [MAX_VALUE + 1, -MAX_VALUE - 1, 1.9, "7", True, None])
@pytest.mark.parametrize("column", ["score", "tieColumns"])
async def test_a_score_is_a_safe_integer(boards: Boards, column: str, value: Any) -> None:
    wanted = {"leaderboard": "league", "player": "x", "score": 1, "tieColumns": [1, 1]}
    wanted[column] = value if column == "score" else [1, value]
    answer = await boards.store.worker.post(SUBMIT, boards.staff, input=wanted)
    [error] = answer["errors"]
    assert column in error["message"]
    await boards.flushed("league")
    assert await Score.all().count() == 0


async def test_a_sum_past_the_bounds_is_refused(boards: Boards) -> None:
    assert (await boards.submit("league", "x", MAX_VALUE, 0, -MAX_VALUE))["accepted"] is True
    for points in ([1, 0, 0], [0, 0, -1]):
        payload = await boards.submit("league", "x", *points)
        assert [error["code"] for error in payload["errors"]] == ["INVALID_INPUT"]
        assert str(MAX_VALUE) in payload["errors"][0]["message"]
    assert (await boards.window('entry(player: "x") { score }', "league"))["entry"] == {
        "score": MAX_VALUE
    }


# ---- standings ----


async def _ten(boards: Boards) -> None:
    """p0 to p9 with 90, 90, 80, 70, 70, 70, 60, 50, 40, 40."""
    for at, score in enumerate([90, 90, 80, 70, 70, 70, 60, 50, 40, 40]):
        await boards.submit("dash", f"p{at}", score)


def _ranks(edges: list[Any]) -> list[int]:
    return [edge["node"]["rank"] for edge in edges]


@pytest.mark.parametrize("is_live", [False, True], ids=["sql", "live"])
async def test_top_in_every_numbering_and_page_by_page(
    boards: Boards, is_live: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _ten(boards)
    await boards.flushed()
    if not is_live:

        async def away(*_: object) -> None:
            raise StoreUnavailable("away")

        monkeypatch.setattr(boards.store.other.services.leaderboards.live, "read", away)
    expected = {
        "ORDINAL": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
        "COMPETITION": [1, 1, 3, 4, 4, 4, 7, 8, 9, 9],
        "DENSE": [1, 1, 2, 3, 3, 3, 4, 5, 6, 6],
    }
    for ranking, ranks in expected.items():
        after, found, players = None, [], []
        for _ in range(4):
            answer = await boards.store.other.ask(
                TOP, slug="dash", first=3, after=after, ranking=ranking
            )
            top = answer["leaderboard"]["window"]["top"]
            assert top["totalCount"] == 10
            assert top["pageInfo"]["hasPreviousPage"] == (after is not None)
            found += _ranks(top["edges"])
            players += [edge["node"]["player"] for edge in top["edges"]]
            after = top["pageInfo"]["endCursor"]
        assert top["pageInfo"]["hasNextPage"] is False
        assert found == ranks
        assert players == [f"p{at}" for at in range(10)]


async def test_the_defaults_are_ten_and_competition(boards: Boards) -> None:
    await _ten(boards)
    await boards.submit("dash", "p10", 1)
    for arguments in ("", "(first: null, ranking: null, after: null)"):
        top = (await boards.window(f"top{arguments} {{ edges {{ node {{ rank }} }} }}"))["top"]
        assert _ranks(top["edges"]) == [1, 1, 3, 4, 4, 4, 7, 8, 9, 9]


async def test_entries_and_neighbours(boards: Boards) -> None:
    await _ten(boards)
    await boards.live()
    found = await boards.window(
        'entry(player: "p3") { rank } nobody: entry(player: "x") { rank } '
        'dense: entry(player: "p3", ranking: DENSE) { rank } '
        'entries(players: ["p9", "x", "p0"]) { player rank } '
        'around(player: "p3", above: 1, below: 2) { player } '
        'first: around(player: "p0", above: 2, below: 2) { player } '
        'last: around(player: "p9", above: 1, below: 2, ranking: ORDINAL) { player rank } '
        'none: around(player: "x") { player } wide: around(player: "p5") { player }'
    )
    assert found["entry"] == {"rank": 4}
    assert found["nobody"] is None
    assert found["dense"] == {"rank": 3}
    assert found["entries"] == [{"player": "p9", "rank": 9}, None, {"player": "p0", "rank": 1}]
    assert [it["player"] for it in found["around"]] == ["p2", "p3", "p4", "p5"]
    assert [it["player"] for it in found["first"]] == ["p0", "p1", "p2", "p3", "p4"]
    assert found["last"] == [{"player": f"p{at}", "rank": at + 1} for at in (6, 7, 8, 9)]
    assert found["none"] == []
    assert [it["player"] for it in found["wide"]] == [f"p{at}" for at in range(10)]


async def test_by_score_rank_of_a_score_and_percentile(boards: Boards) -> None:
    await _ten(boards)
    await boards.live()
    found = await boards.window(
        "byScore(min: 50, max: 80, first: 3) { totalCount edges { node { player rank } } "
        "pageInfo { hasNextPage endCursor } } all: byScore { totalCount } "
        "low: byScore(max: 40) { edges { node { rank } } } "
        "rankOfScore(score: 70) better: rankOfScore(score: 71) last: rankOfScore(score: 0) "
        'percentile(player: "p0") middle: percentile(player: "p6") nobody: percentile(player: "x")'
    )
    by_score = found["byScore"]
    assert by_score["totalCount"] == 6
    assert [edge["node"]["player"] for edge in by_score["edges"]] == ["p2", "p3", "p4"]
    assert found["all"] == {"totalCount": 10}
    assert _ranks(found["low"]["edges"]) == [9, 9]
    assert (found["rankOfScore"], found["better"], found["last"]) == (4, 4, 11)
    assert found["percentile"] == pytest.approx(100 * 8 / 9)
    assert found["middle"] == pytest.approx(100 * 3 / 9)
    assert found["nobody"] is None
    after = by_score["pageInfo"]["endCursor"]
    rest = await boards.window(
        f'byScore(min: 50, max: 80, after: "{after}") {{ edges {{ node {{ player }} }} }}'
    )
    assert [edge["node"]["player"] for edge in rest["byScore"]["edges"]] == ["p5", "p6", "p7"]


async def test_a_renamed_user_is_renamed_on_the_board(boards: Boards) -> None:
    ada = boards.store.user_id("ada")
    await boards.submit("dash", ada, 10)
    selection = "top { edges { node { user { name } } } }"
    shown = [{"node": {"user": {"name": "Ada"}}}]
    assert (await boards.window(selection))["top"]["edges"] == shown
    await boards.store.worker.ask(
        'mutation { updateProfile(input: { name: "Countess" }) { errors { code } } }',
        boards.store.tokens["ada"],
    )
    shown = [{"node": {"user": {"name": "Countess"}}}]
    assert (await boards.window(selection))["top"]["edges"] == shown


@pytest.mark.parametrize(
    "player", [encode_id("User", 999_999), encode_id("Product", 1), "VXNlcjo", "plain"]
)
async def test_other_players_are_no_users(boards: Boards, player: str) -> None:
    assert (await boards.submit("dash", player, 1))["entry"]["user"] is None


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        ("top(first: 0) { totalCount }", ["first:", "from 1 to 100", "0"]),
        ("top(first: 1000) { totalCount }", ["first:", "from 1 to 100", "1000"]),
        ('top(after: "x") { totalCount }', ["after:", "a cursor of this leaderboard"]),
        ('top(after: "WyJSQU5LIiwxXQ") { totalCount }', ["after:", "a cursor of this"]),
        ('top(after: "WyJSQU5LIiwxLCJhIl0") { totalCount }', ["after:", "a cursor of this"]),
        ("byScore(first: 101) { totalCount }", ["first:", "from 1 to 100"]),
        ("byScore(min: 1.5) { totalCount }", ["a JSON integer", "1.5"]),
        ('around(player: "x", above: -1) { rank }', ["above:", "from 0 to 100", "-1"]),
        ('around(player: "x", below: 101) { rank }', ["below:", "from 0 to 100"]),
        ('entry(player: "") { rank }', ["player:", "1 to 64 bytes"]),
        ('percentile(player: "")', ["player:", "1 to 64 bytes"]),
        ('entries(players: [""]) { rank }', ["players:", "1 to 64 bytes"]),
        (
            "entries(players: [{}]) {{ rank }}".format(", ".join(['"x"'] * 101)),
            ["players:", "at most 100", "101"],
        ),
    ],
)
async def test_arguments_that_are_refused(boards: Boards, selection: str, words: list[str]) -> None:
    query = f'{{ leaderboard(slug: "dash") {{ window {{ {selection} }} }} }}'
    answer = await boards.store.worker.post(query)
    message = answer["errors"][0]["message"]
    for word in words:
        assert word in message
    assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_an_unknown_window_or_board_is_null(boards: Boards) -> None:
    query = (
        '{ leaderboard(slug: "dash") { window(key: "day") { size } } '
        'no: leaderboard(slug: "x") { id } }'
    )
    answer = await boards.store.worker.ask(query)
    assert answer == {"leaderboard": {"window": None}, "no": None}


# ---- cost ----

EVERYTHING = """
{ leaderboard(slug: "dash") { name size windows { size } window {
  size cursor freshness
  top(first: 5) { totalCount edges { node { rank player user { name } } } }
  entry(player: "p1") { rank } entries(players: ["p1", "p2"]) { rank }
  around(player: "p3") { rank user { name } } byScore(min: 60) { edges { node { rank } } }
  rankOfScore(score: 55) percentile(player: "p4")
} } }
"""


@pytest.fixture
async def wire(redis_url: str) -> AsyncIterator[GuardedRedis]:
    client = open_redis(redis_url, budget=5.0)
    yield client
    await client.aclose()


async def test_a_level_is_one_round_trip_and_no_sql(
    boards: Boards, wire: GuardedRedis, key_prefix: str
) -> None:
    await _ten(boards)
    await boards.submit("dash", boards.store.user_id("ada"), 75)
    await boards.live()
    await boards.store.worker.settle()
    await boards.store.other.settle()
    worker = Worker(wire, key_prefix)
    first = await worker.ask(EVERYTHING)
    before = wire.round_trips
    with SqlCounter() as sql:
        assert await worker.ask(EVERYTHING) == first
    assert sql.count == 0, sql.statements
    # The definition; size and all of the window, which begin one tick apart; the users' names.
    assert wire.round_trips - before <= 5
    await worker.close()


async def test_all_answers_of_a_window_are_of_one_state(
    boards: Boards, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One reading, however many fields: nothing can change between them."""
    await _ten(boards)
    await boards.live()
    asked: list[int] = []
    live = boards.store.other.services.leaderboards.live
    read = live.read

    async def counting(requests: Any) -> Any:
        asked.extend(len(questions) for _, questions in requests)
        return await read(requests)

    monkeypatch.setattr(live, "read", counting)
    found = await boards.window(
        'size cursor freshness top { totalCount } entry(player: "p1") { rank }'
    )
    assert len(asked) == 1
    assert found["size"] == found["top"]["totalCount"] == 10
    assert json.dumps(found["cursor"]).endswith(':10"')


# ---- once, and no more ----

REMOVE = """
mutation ($input: RemovePlayerInput!) {
  removePlayer(input: $input) { leaderboard { slug size } errors { code path } }
}
"""


async def _remove(boards: Boards, player: str, user: str | None = "staff") -> Any:
    token = boards.store.tokens[user] if user else None
    wanted = {"leaderboard": "dash", "player": player}
    answer = await boards.store.worker.ask(REMOVE, token, input=wanted)
    return answer["removePlayer"]


async def test_a_player_is_removed_everywhere(boards: Boards) -> None:
    for player, score in (("one", 3), ("two", 2)):
        await boards.submit("dash", player, score)
    await boards.live()
    payload = await _remove(boards, "one")
    assert payload == {"leaderboard": {"slug": "dash", "size": 1}, "errors": []}
    assert await boards.window('size entry(player: "one") { rank }') == {"size": 1, "entry": None}
    assert (await boards.window('entry(player: "two") { rank }'))["entry"] == {"rank": 1}
    assert await Score.filter(player="one").count() == 0
    for user, player, code in (
        ("staff", "one", "NOT_FOUND"),
        ("ada", "two", "FORBIDDEN"),
        (None, "two", "UNAUTHENTICATED"),
        ("staff", "", "INVALID_INPUT"),
    ):
        [error] = (await _remove(boards, player, user))["errors"]
        assert error["code"] == code


async def test_a_score_that_is_sent_again_with_its_key_counts_once(boards: Boards) -> None:
    store = boards.store
    await boards.create(slug="sum", name="Sum", operator="INCREMENT")

    async def submit(worker: Worker, score: int, key: str | None = "one") -> Any:
        wanted = {"leaderboard": "sum", "player": "p", "score": score, "idempotencyKey": key}
        return (await worker.ask(SUBMIT, boards.staff, input=wanted))["submitScore"]

    first = await submit(store.worker, 5)
    assert await submit(store.other, 5) == first
    assert first["entry"]["score"] == 5
    assert (await submit(store.worker, 5, key="two"))["entry"]["score"] == 10
    again = await submit(store.other, 5)
    assert (again["entry"]["score"], again["windows"][0]["newBest"]) == (10, True)
    [error] = (await submit(store.worker, 6))["errors"]
    assert (error["code"], error["path"]) == ("IDEMPOTENCY_MISMATCH", ["input", "idempotencyKey"])
    assert (await submit(store.worker, 5, key=None))["entry"]["score"] == 15


async def test_a_score_is_seen_at_once_everywhere_and_flushed_later(boards: Boards) -> None:
    for score in range(1, 6):
        await boards.submit("dash", "p", score)
        for worker in (boards.store.worker, boards.store.other):
            query = '{ leaderboard(slug: "dash") { window { entry(player: "p") { score } } } }'
            window = (await worker.ask(query))["leaderboard"]["window"]
            assert window["entry"] == {"score": score}
    assert await Score.all().count() == 0
    await boards.flushed()
    [row] = await Score.all()
    assert (row.score, row.sequence, (await Leaderboard.get(slug="dash")).version) == (5, 5, 5)


async def test_without_redis_nothing_is_written_and_it_says_so(
    boards: Boards, monkeypatch: pytest.MonkeyPatch
) -> None:
    await boards.submit("dash", "p", 1)
    await boards.flushed()
    live = boards.store.worker.services.leaderboards.live

    async def unsent(*_: object) -> None:
        raise StoreUnavailable("away", sent=False)

    async def unanswered(*_: object) -> None:
        raise StoreUnavailable("no answer in time")

    for error, words in ((unsent, "was not"), (unanswered, "may or may not")):
        with monkeypatch.context() as patch:
            patch.setattr(live, "change", error)
            payload = await boards.submit("dash", "p", 9)
            assert (payload["accepted"], payload["entry"], payload["windows"]) == (False, None, [])
            assert [it["code"] for it in payload["errors"]] == ["UNAVAILABLE"]
            assert words in payload["errors"][0]["message"]
            removal = await _remove(boards, "p")
            assert [it["code"] for it in removal["errors"]] == ["UNAVAILABLE"]
    assert (await boards.window('entry(player: "p") { score }'))["entry"] == {"score": 1}


async def test_the_entry_of_a_submission_when_its_copy_is_gone_a_moment_later(
    boards: Boards, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is what was acknowledged: the database does not have it yet."""
    await boards.submit("dash", "q", 9)

    async def away(*_: object) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(boards.store.worker.services.leaderboards.live, "read", away)
    payload = await boards.submit("dash", "p", 7)
    assert (payload["entry"]["score"], payload["entry"]["rank"]) == (7, 2)
