"""W5, J5, J6, L0: what the reads of one request must not be behind, and what its answer says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.protocol import ALL, Barrier, Position, Rules, Token
from cache.protocol.token import MAX_ITEMS

ROW = frozenset(["0123456789abcdef"])
FULL = Token({f"e{number}": 1 for number in range(MAX_ITEMS)})

epochs = st.sampled_from(["e", "f", "g"])
positions = st.builds(Position, epochs, st.integers(0, 9))
tokens = st.builds(
    Token,
    st.dictionaries(epochs, st.integers(0, 9)),
    st.frozensets(st.sampled_from(["a", "b"])),
    st.booleans(),
)


def at(epoch: str, identifier: int, rules: Rules = ALL) -> Barrier:
    return Barrier(Token.at(Position(epoch, identifier)), rules)


# ---- which verdicts meet it ----


def test_nothing_is_behind_an_empty_barrier() -> None:
    assert Barrier().is_met_by(None)
    assert Barrier().is_met_by(Position("e", 0))


def test_a_verdict_must_not_be_behind() -> None:
    barrier = at("e", 5)
    assert not barrier.is_met_by(None)
    assert not barrier.is_met_by(Position("e", 4))
    assert barrier.is_met_by(Position("e", 5))
    assert at("e", 5, ALL.without("j5_token")).is_met_by(Position("e", 4)), "the control"


def test_a_verdict_of_another_epoch_meets_no_position() -> None:
    """The worker's own epoch beside it does not help: they cannot be compared."""
    mixed = Token({"e": 1, "f": 1})
    assert not Barrier(mixed).is_met_by(Position("e", 99))
    assert not Barrier(mixed).is_met_by(Position("g", 99))
    assert Barrier(mixed, ALL.without("j5_epoch")).is_met_by(Position("e", 99)), "the control"


@pytest.mark.parametrize("token", [Token(outbox=ROW), Token(everything=True)])
def test_what_may_be_unpublished_is_met_by_no_position(token: Token) -> None:
    assert not Barrier(token).is_met_by(Position("e", 99))
    without = ALL.without("j5_outbox_id")
    assert Barrier(token, without).is_met_by(Position("e", 99)), "the control"


@given(tokens, tokens, positions)
def test_who_has_seen_more_is_not_met_more_easily(
    one: Token, other: Token, position: Position
) -> None:
    if Barrier(one.merged(other)).is_met_by(position):
        assert Barrier(one).is_met_by(position)
        assert Barrier(other).is_met_by(position)


@given(tokens, positions)
def test_what_meets_it_has_nothing_left_to_publish_or_to_wait_for(
    token: Token, position: Position
) -> None:
    """What `is_met_by` refuses for good, `must_publish` or the log has to bring nearer."""
    barrier = Barrier(token)
    due = barrier.must_publish(position.epoch) or barrier.is_ahead_of(position)
    assert barrier.is_met_by(position) is not due


# ---- what happens to it during a request ----


def test_an_own_purge_is_a_barrier_and_what_was_seen_is_not() -> None:
    barrier = Barrier()
    barrier.waited = True
    barrier.saw(Position("e", 9))
    assert barrier.is_met_by(Position("e", 1))
    barrier.add(Position("e", 5))
    assert not barrier.is_met_by(Position("e", 4))
    assert not barrier.waited, "for this one nobody waited"
    assert barrier.answer == Token.at(Position("e", 9))


@given(tokens, st.lists(positions), st.lists(positions), st.frozensets(st.sampled_from("xyz")))
def test_the_answer_has_everything(
    brought: Token, seen: list[Position], written: list[Position], rows: frozenset[str]
) -> None:
    barrier = Barrier(brought)
    for position in seen:
        barrier.saw(position)
    for position in written:
        barrier.add(position)
    for row in rows:
        barrier.add_outbox(row)
    parts = [Token.at(position) for position in (*seen, *written)]
    assert barrier.answer == brought.merged(*parts, Token(outbox=rows))


def test_what_could_not_be_resolved_stays_in_the_answer() -> None:
    for rules, kept in ((ALL, ROW), (ALL.without("j5_keep"), frozenset[str]())):
        barrier = Barrier(Token(outbox=ROW), rules)
        barrier.give_up()
        assert barrier.answer.outbox == kept


# ---- below a load ----


def test_a_load_meets_the_barrier_of_its_reader_and_a_strict_head() -> None:
    reader = at("e", 5)
    assert reader.below(None).token == reader.token
    below = reader.below(Position("e", 7))
    assert not below.is_met_by(Position("e", 6))
    assert reader.is_met_by(Position("e", 6)), "the reader's own is as it was"

    control = at("e", 5, ALL.without("l0_barrier"))
    assert control.below(Position("e", 7)).is_met_by(None)


def test_who_gives_up_below_gives_up_above() -> None:
    reader = Barrier()
    reader.below(None).below(None).give_up()
    assert reader.alone
    assert reader.below(None).alone


def test_what_was_published_above_is_not_published_again_below() -> None:
    reader = Barrier(Token({"f": 1}))
    assert reader.must_publish("e")
    reader.resolve_to(Position("f", 3), reader.token)
    assert not reader.must_publish("e"), "drained under f, whatever this worker's epoch is"
    assert not reader.below(None).must_publish("e")


# ---- what is due before a read ----


@pytest.mark.parametrize(
    ("token", "epoch", "expected"),
    [
        (Token(), "e", False),
        (Token({"e": 1}), "e", False),
        (Token({"e": 1}), None, False),
        (Token({"f": 1}), "e", True),
        (Token({"e": 1, "f": 1}), "e", True),
        (Token(outbox=ROW), "e", True),
        (Token(outbox=ROW), None, True),
        (Token(everything=True), "e", True),
        (Token(everything=True), None, True),
    ],
)
def test_what_must_be_published_first(token: Token, epoch: str | None, expected: bool) -> None:
    assert Barrier(token).must_publish(epoch) is expected


def test_published_or_not_is_asked_only_with_its_rule() -> None:
    assert not Barrier(Token(outbox=ROW), ALL.without("j5_outbox_id")).must_publish("e")
    assert not Barrier(Token({"f": 1}), ALL.without("j5_epoch")).must_publish("e")


def test_ahead_of_the_log() -> None:
    barrier = at("e", 5)
    assert barrier.is_ahead_of(Position("e", 4))
    assert not barrier.is_ahead_of(Position("e", 5))
    assert not barrier.is_ahead_of(Position("f", 4)), "another epoch is not waited for"
    assert not barrier.is_ahead_of(None)


# ---- resolved, and clipped ----


@given(tokens, positions)
def test_a_head_after_a_drain_stands_for_all_of_it(token: Token, head: Position) -> None:
    barrier = Barrier(token)
    barrier.resolve_to(head, barrier.token)
    assert barrier.token == Token.at(head)
    assert barrier.is_met_by(head)
    assert not barrier.must_publish(head.epoch)


@given(tokens, positions, positions)
def test_what_was_written_during_the_drain_stays(
    token: Token, head: Position, written: Position
) -> None:
    barrier = Barrier(token)
    asked = barrier.token
    barrier.add(written)
    barrier.add_outbox("x")
    barrier.resolve_to(head, asked)
    assert "x" in barrier.token.outbox
    if written.id > asked.positions.get(written.epoch, -1):
        assert barrier.token.positions[written.epoch] >= written.id


@pytest.mark.parametrize("everything", [False, True], ids=["items", "items and all"])
def test_a_write_that_made_the_items_too_many_stays_as_all(everything: bool) -> None:
    barrier = Barrier(Token(FULL.positions, everything=everything))
    asked = barrier.token
    barrier.add_outbox("x")
    assert barrier.token == Token(everything=True)
    barrier.resolve_to(Position("e", 9), asked)
    assert barrier.must_publish("e"), "x is in it, and was not drained"


def test_a_position_beyond_the_head_is_ignored() -> None:
    barrier = Barrier(Token({"e": 50, "f": 3}, ROW))
    assert barrier.clip(Position("e", 9), barrier.token)
    assert barrier.token == Token({"e": 9, "f": 3}, ROW)
    assert not barrier.clip(Position("e", 9), barrier.token)
    assert not barrier.clip(Position("g", 1), barrier.token)


def test_a_purge_after_the_question_is_beyond_its_head_and_stays() -> None:
    barrier = at("e", 5)
    asked = barrier.token
    barrier.add(Position("e", 10))
    assert not barrier.clip(Position("e", 9), asked)
    assert not barrier.is_met_by(Position("e", 9))
