"""What a client keeps that has several operations at once: nothing is forgotten."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from cache.integrations.positions import MOST
from cache.protocol import Position, Token
from gql.http.positions import Asking, Kept

T = [Token.at(Position("e", number)).encode() for number in range(MOST + 2)]


def merged(tokens: Iterable[str]) -> Token:
    decoded = [Token.decode(token) for token in tokens]
    return Token().merged(*(token for token in decoded if token is not None))


# ---- what is kept ----


def test_answers_that_came_at_once_stay_side_by_side() -> None:
    """1. both ask with t0  2. the first answers t1  3. the second answers t2, which has not seen
    t1's write: with one token kept, that write would be unseen from here on."""
    kept = Kept([T[0]])
    first, second = Asking(kept), Asking(kept)
    first.answered(T[1])
    second.answered(T[2])
    assert kept.tokens == (T[1], T[2])

    third = Asking(kept)
    third.answered(T[3])
    assert kept.tokens == (T[3],), "it has seen both"


def test_a_subscription_asks_again_for_each_event() -> None:
    kept = Kept()
    subscription, mutation = Asking(kept), Asking(kept)
    subscription.answered(T[1])
    subscription.answered(T[2])
    assert kept.tokens == (T[2],), "its own last one is seen by the next"
    mutation.answered(T[3])
    assert subscription.again() == (T[2], T[3])
    subscription.answered(T[4])
    assert kept.tokens == (T[4],)


def test_an_answer_that_knows_nothing_takes_nothing_away() -> None:
    kept = Kept([T[0]])
    kept.answered(kept.tokens, "")
    assert kept.tokens == (T[0],)


@given(st.lists(st.tuples(st.sampled_from(["ask", "answer"]), st.integers(0, 5)), max_size=60))
def test_nothing_that_an_answer_had_seen_is_ever_forgotten(steps: list[tuple[str, int]]) -> None:
    """Operations at once on one connection; each write has an outbox row of its own."""
    kept, asking = Kept(), dict[int, Asking]()
    written = 0
    for what, operation in steps:
        if what == "ask":
            asking[operation] = Asking(kept)
        elif operation in asking:
            written += 1
            own, ended = Token(outbox=frozenset([f"row {written}"])), asking.pop(operation)
            ended.answered(merged(ended.sent).merged(own).encode())
            seen = merged(kept.tokens)
            rows = {f"row {number + 1}" for number in range(written)}
            assert seen.everything or seen.outbox == rows
        assert len(kept.tokens) <= MOST


def test_too_many_kept_are_one_that_has_seen_what_they_have() -> None:
    kept = Kept()
    operations = [Asking(kept) for _ in range(MOST + 1)]
    for operation, token in zip(operations, T, strict=False):
        operation.answered(token)
    assert kept.tokens == (T[MOST],), "positions of one epoch: the newest stands for all"
    kept.answered(kept.tokens, T[0])
    assert kept.tokens == (T[0],), "until an answer has seen it all"
