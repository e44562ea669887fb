"""Members: their byte order is the board's order, and nothing of a number is lost."""

from hypothesis import given
from hypothesis import strategies as st

from cache.leaderboard import MAX_VALUE, Board, Operator, Order, Position
from cache.leaderboard.members import (
    WIDTH,
    number,
    number_from,
    points_text,
    points_width,
    position_from,
    position_text,
)
from cache.leaderboard.points import order_key

values = st.integers(-MAX_VALUE, MAX_VALUE)
orders = st.sampled_from(Order)


@st.composite
def board_and_positions(draw: st.DrawFn) -> tuple[Board, Position, Position]:
    board = Board("b", Operator.SET, draw(orders), tuple(draw(st.lists(orders, max_size=3))))
    column = st.one_of(values, st.integers(-1, 1))
    points = st.tuples(*(column for _ in board.orders))
    positions = st.builds(Position, points, st.integers(1, MAX_VALUE))
    return board, draw(positions), draw(positions)


@given(values)
def test_a_number_survives(value: int) -> None:
    text = number(value)
    assert len(text) == WIDTH
    assert number_from(text) == value


@given(values, values)
def test_numbers_sort_as_text(one: int, other: int) -> None:
    assert (number(one).encode() < number(other).encode()) == (one < other)


def test_the_edges_are_told_apart() -> None:
    edges = [-MAX_VALUE, -MAX_VALUE + 1, -1, 0, 1, MAX_VALUE - 1, MAX_VALUE]
    texts = [number(value) for value in edges]
    assert texts == sorted(texts)
    assert len(set(texts)) == len(edges)


@given(board_and_positions())
def test_byte_order_is_the_board_s_order(case: tuple[Board, Position, Position]) -> None:
    board, one, other = case
    before = order_key(board, one) < order_key(board, other)
    assert (position_text(board, one).encode() < position_text(board, other).encode()) == before


@given(board_and_positions())
def test_a_position_survives(case: tuple[Board, Position, Position]) -> None:
    board, position, _ = case
    text = position_text(board, position)
    assert position_from(board, text) == position
    assert text[: points_width(board)] == points_text(board, position.points)
    assert len(text) == points_width(board) + WIDTH
