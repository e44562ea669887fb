"""The parts of the nemesis that decide: what an answer says, and which faults go together."""

import random
from typing import Any

import pytest

from cache.protocol import Token
from tests.history.records import Fault, History, Outcome
from tests.nemesis.clients import Client, Exchange, Log
from tests.nemesis.faults import EVERYWHERE, ON_POSTGRES, ON_SQLITE, apart
from tests.nemesis.goods import Goods, label, price
from tests.nemesis.recording import Recorder, label_of, outcome_of
from tests.nemesis.watched import outages


def row(**more: Any) -> dict[str, Any]:
    made = {"id": "p", "name": label(1234), "description": label(1234), "version": 2}
    return {**made, "price": {"amount": price(1234)}, "category": {"slug": "red"}, **more}


def exchange(data: dict[str, Any] | None, **more: Any) -> Exchange:
    return Exchange(1.0, 1.1, "worker", Token(), data=data, **more)


def test_a_row_of_one_edit_has_its_label_and_one_of_two_has_none() -> None:
    assert label_of(row()) == "w1234"
    assert label_of(row(price={"amount": "12.35"})).startswith("torn")
    assert label_of(row(description="w1")).startswith("torn")


@pytest.mark.parametrize(
    ("errors", "outcome"),
    [
        ([], Outcome.OK),
        ([("CONFLICT", "it is at version 3")], Outcome.FAILED),
        ([("UNAVAILABLE", "The view was not counted")], Outcome.FAILED),
        ([("UNAVAILABLE", "may or may not have been counted")], Outcome.UNKNOWN),
    ],
)
def test_what_an_answer_says(errors: list[tuple[str, str]], outcome: Outcome) -> None:
    said = [{"code": code, "message": message} for code, message in errors]
    assert outcome_of(exchange({"a": {"errors": said}}), "a") is outcome


def test_no_answer_is_unknown_unless_nothing_was_sent() -> None:
    assert outcome_of(exchange(None), "a") is Outcome.UNKNOWN
    assert outcome_of(exchange({"a": None}), "a") is Outcome.UNKNOWN
    assert outcome_of(exchange(None, was_sent=False), "a") is Outcome.FAILED


def test_somebody_elses_account_is_recorded_as_theirs() -> None:
    history = History()
    recorder = Recorder(Client(1, Log(history, Goods()), viewer="ada"))
    recorder.person(exchange({}), {"id": "bob", "name": "Bob", "email": "bob@example.com"})

    assert [(read.key, read.viewer) for read in history.reads] == [
        ("user:bob", "ada"),
        ("account:bob", "ada"),
    ]


def test_what_is_there_and_said_not_to_be_is_a_read_of_it() -> None:
    history = History(initial={"product:p": ("w1", 1)})
    recorder = Recorder(Client(1, Log(history, Goods())))
    recorder.missing(exchange({}), "product", "p")
    recorder.missing(exchange({}), "product", "unknown")
    assert [(read.key, read.value) for read in history.reads] == [("product:p", "missing")]


def test_null_beside_an_error_is_no_value() -> None:
    history = History(initial={"place:p": ("red", 1)})
    recorder = Recorder(Client(1, Log(history, Goods(players=["ada"]))))
    board = {"leaderboard": {"window": {"freshness": "LIVE", "entries": [None]}}}
    for is_whole, read in ((False, []), (True, ["place:p", "score:ada"])):
        recorder.product(exchange({}, is_whole=is_whole), row(category=None))
        recorder.scores(exchange(board, is_whole=is_whole))
        assert [one.key for one in history.reads] == read


def test_what_a_board_shows_from_the_database_is_no_promise() -> None:
    history = History()
    recorder = Recorder(Client(1, Log(history, Goods(players=["ada"]))))
    window = {"freshness": "REBUILDING", "entries": [{"player": "ada", "score": 3}]}
    recorder.scores(exchange({"leaderboard": {"window": window}}))
    assert history.reads == []


def test_an_outage_lasts_until_redis_is_back_or_the_worker_starts_anew() -> None:
    lines = [(1, "started"), (2, "away"), (3, "back"), (4, "away"), (5, "started"), (6, "away")]
    diary = [{"at": at, "what": what} for at, what in lines]
    assert list(outages("w", diary, 9)) == [Fault("w", 2, 3), Fault("w", 4, 5), Fault("w", 6, 9)]
    assert list(outages("w", [{"at": 7, "what": "failed"}], 9)) == [Fault("w", 7, 7)]


def test_faults_at_once_are_of_different_things() -> None:
    assert apart(["redis killed", "worker paused"]) == ["redis killed", "worker paused"]
    assert apart(["redis killed", "redis emptied"]) == ["redis killed"]
    assert apart(["redis killed", "delayed"]) == ["redis killed"]


def test_every_kind_of_fault_that_is_promised_is_there() -> None:
    assert {"worker killed", "worker paused"} <= set(EVERYWHERE)
    assert {"redis killed", "redis paused", "redis emptied"} <= set(EVERYWHERE)
    assert {"delayed", "connections cut", "connection storm"} <= set(EVERYWHERE)
    assert {"database crashed", "database paused"} <= set(ON_POSTGRES)
    assert "database locked" in ON_SQLITE
    for thing, faults in (("redis", EVERYWHERE), ("database", ON_POSTGRES)):
        for kind in ("refused", "a black hole", "half open"):
            assert f"{thing} {kind} to one" in faults


def test_a_price_is_that_of_its_label() -> None:
    chance = random.Random(1)
    for number in (1, 10, 100, *(chance.randrange(10**8) for _ in range(100))):
        shown = row(name=label(number), description=label(number), price={"amount": price(number)})
        assert label_of(shown) == label(number)
