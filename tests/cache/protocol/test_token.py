"""W5: what a position token can say, and that nothing a client sends can harm."""

import base64

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cache.protocol import Position, Token
from cache.protocol.token import MAX_ITEMS, MAX_LENGTH

names = st.text("0123456789abcdef", min_size=1, max_size=32)
ids = st.integers(0, 2**53 - 1)


def tokens(most: int = 5) -> st.SearchStrategy[Token]:
    """Tokens as a server makes them, from few names: so that their items meet."""
    few = st.sampled_from([f"{number:032x}" for number in range(10)])
    return st.builds(
        Token,
        st.dictionaries(few, ids, max_size=most),
        st.frozensets(few, max_size=most),
        st.booleans() if most < 5 else st.just(False),
    ).map(Token.bounded)


def same(one: Token, other: Token) -> bool:
    """Whether they stand for the same: "all" stands for every item, named or not."""
    return one == other or (one.everything and other.everything)


def count(token: Token) -> int:
    return len(token.positions) + len(token.outbox)


# ---- merging ----


@given(tokens(), tokens())
def test_merging_is_commutative(one: Token, other: Token) -> None:
    assert one.merged(other) == other.merged(one)


@given(tokens(), tokens(), tokens())
def test_merging_is_associative(one: Token, two: Token, three: Token) -> None:
    assert same(one.merged(two).merged(three), one.merged(two.merged(three)))
    assert same(one.merged(two).merged(three), one.merged(two, three))


@given(tokens())
def test_merging_is_idempotent(token: Token) -> None:
    assert token.merged(token) == token
    assert token.merged(Token()) == token


@given(st.lists(tokens(), min_size=1, max_size=6))
def test_a_merged_token_has_seen_all_that_its_parts_have(parts: list[Token]) -> None:
    merged = Token().merged(*parts)
    for part in parts:
        if merged.everything:
            continue  # whoever meets it publishes all there is, and asks for a head
        assert not part.everything
        assert part.outbox <= merged.outbox
        for epoch, identifier in part.positions.items():
            assert merged.positions[epoch] >= identifier


@given(st.lists(tokens(), max_size=6))
def test_there_are_never_too_many_items(parts: list[Token]) -> None:
    merged = Token().merged(*parts)
    assert count(merged) <= MAX_ITEMS
    distinct = len({e for part in parts for e in part.positions}) + len(
        frozenset().union(*(part.outbox for part in parts))
    )
    everything = any(part.everything for part in parts) or distinct > MAX_ITEMS
    assert merged.everything is everything, "too many are all, and few are not"


def test_one_too_many_is_all() -> None:
    epochs = [Token.at(Position(f"e{number}", number)) for number in range(MAX_ITEMS)]
    full = Token().merged(*epochs)
    assert count(full) == MAX_ITEMS
    assert not full.everything

    assert full.merged(Token(outbox=frozenset(["one more"]))) == Token(everything=True)
    assert full.merged(Token.at(Position("e0", 99))).positions["e0"] == 99, "still as many"


# ---- text ----


@given(tokens())
@example(Token())
def test_what_is_encoded_is_decoded(token: Token) -> None:
    text = token.encode()
    assert Token.decode(text) == token
    assert (text == "") is token.is_empty


@given(st.dictionaries(names, ids, max_size=8), st.frozensets(names, max_size=8))
def test_a_token_fits_into_headers_and_cookies(
    positions: dict[str, int], outbox: frozenset[str]
) -> None:
    text = Token(positions, outbox).bounded().encode()
    assert len(text) <= MAX_LENGTH / 2, "of names that a server makes"
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), (
        "needs no quotes in a cookie, and no comma is in it"
    )


@given(st.text())
@example("=")
@example("A===A")
@example("é" * 8)
@example("x" * (MAX_LENGTH + 1))
def test_no_text_raises(text: str) -> None:
    assert_harmless(Token.decode(text))


@given(st.binary(max_size=MAX_LENGTH * 3 // 4))
@example(b"")
@example(b"\x91" * 768)
@example(b"\x94\x01\x80\x90\xc2" + b"\x91" * 700)
@example(b"\x95\x01\x80\x90\xc2" + b"\x91" * 700)
@example(b"\x94\x01\x81\xa1\xff\x01\x90\xc2")
def test_no_bytes_raise(raw: bytes) -> None:
    assert_harmless(Token.decode(base64.urlsafe_b64encode(raw).decode()))


values = st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.text(max_size=70))


@given(
    st.tuples(
        st.one_of(st.just(1), values),
        st.dictionaries(st.text(max_size=70), st.one_of(ids, values), max_size=12),
        st.lists(st.one_of(st.text(max_size=70), values), max_size=12),
        st.one_of(st.booleans(), values),
    )
)
def test_what_is_almost_a_token_does_not_raise(parts: tuple[object, ...]) -> None:
    raw = msgspec.msgpack.encode(parts)
    assert_harmless(Token.decode(base64.urlsafe_b64encode(raw).rstrip(b"=").decode()))


def assert_harmless(token: Token | None) -> None:
    """None, or a token of few sane items, that can be sent again."""
    if token is None:
        return
    assert count(token) <= MAX_ITEMS
    assert all(0 <= identifier < 2**53 for identifier in token.positions.values())
    assert all("\0" not in name for name in token.outbox), "a database may refuse it"
    assert len(token.encode()) <= MAX_LENGTH
    assert Token.decode(token.encode()) == token


@pytest.mark.parametrize(
    "wire",
    [
        [2, {}, [], False],
        [1, {"": 1}, [], False],
        [1, {"e" * 65: 1}, [], False],
        [1, {"é": 1}, [], False],
        [1, {}, ["a\0"], False],
        [1, {"e": -1}, [], False],
        [1, {"e": 2**53}, [], False],
        [1, {"e": 1.0}, [], False],
        [1, {"e": 1}, [], False, "more"],
        [1, {"e": 1}, []],
        {"version": 1},
    ],
)
def test_what_no_server_made_is_no_token(wire: object) -> None:
    text = base64.urlsafe_b64encode(msgspec.msgpack.encode(wire)).decode()
    assert Token.decode(text) is None
    assert Token.decode(Token.at(Position("e", 1)).encode()) is not None, "a right one is"


def test_the_longest_names_fit_too() -> None:
    """Whatever was decoded is decoded again when it comes back merged."""
    longest = [Token.at(Position(f"{number}" * 64, 2**53 - 1)) for number in range(MAX_ITEMS)]
    decoded = [Token.decode(token.encode()) for token in longest]
    merged = Token().merged(*(token for token in decoded if token is not None))
    assert count(merged) == MAX_ITEMS
    assert Token.decode(merged.encode()) == merged
