"""The rules of points: pure, against their definitions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.leaderboard import (
    MAX_VALUE,
    Board,
    Operator,
    Order,
    Points,
    ScoreRefusedError,
    check_player,
    combined,
)
from cache.leaderboard.points import is_better, ordered

values = st.integers(-MAX_VALUE, MAX_VALUE)
orders = st.sampled_from(Order)


@st.composite
def boards(draw: st.DrawFn, operator: Operator) -> Board:
    return Board("b", operator, draw(orders), tuple(draw(st.lists(orders, max_size=3))))


@st.composite
def board_and_points(draw: st.DrawFn, operator: Operator) -> tuple[Board, Points, Points]:
    board = draw(boards(operator))
    # Small numbers, so that columns are often equal and the next one decides.
    small = st.tuples(*(st.integers(-2, 2) for _ in board.orders))
    return board, draw(small), draw(small)


def strictly_better(board: Board, one: Points, other: Points) -> bool:
    """The definition: the first column that differs decides, in its direction."""
    for order, a, b in zip((board.order, *board.ties), one, other, strict=True):
        if a != b:
            return a > b if order is Order.DESC else a < b
    return False


@given(board_and_points(Operator.BEST))
def test_best_compares_the_whole_tuple(case: tuple[Board, Points, Points]) -> None:
    board, held, submitted = case
    better = strictly_better(board, submitted, held)
    assert is_better(board, submitted, held) == better
    assert combined(board, held, submitted) == (submitted if better else held)


@given(board_and_points(Operator.SET))
def test_set_replaces(case: tuple[Board, Points, Points]) -> None:
    board, held, submitted = case
    assert combined(board, held, submitted) == submitted


@given(board_and_points(Operator.INCREMENT))
def test_increment_adds_to_every_column(case: tuple[Board, Points, Points]) -> None:
    board, held, submitted = case
    total = combined(board, held, submitted)
    assert total == tuple(a + b for a, b in zip(held, submitted, strict=True))


@pytest.mark.parametrize("operator", Operator)
def test_a_first_submission_is_taken_as_it_is(operator: Operator) -> None:
    assert combined(Board("b", operator, Order.ASC), None, (-5,)) == (-5,)


@pytest.mark.parametrize("operator", Operator)
@pytest.mark.parametrize("points", [(MAX_VALUE + 1, 0), (0, -MAX_VALUE - 1)])
def test_what_is_out_of_range_is_refused(operator: Operator, points: Points) -> None:
    board = Board("b", operator, Order.DESC, (Order.DESC,))
    with pytest.raises(ScoreRefusedError, match=str(MAX_VALUE)):
        combined(board, None, points)


def test_the_edges_are_allowed_and_a_sum_past_them_is_refused() -> None:
    board = Board("b", Operator.INCREMENT, Order.DESC, (Order.DESC,))
    held = combined(board, (MAX_VALUE - 1, -MAX_VALUE + 1), (1, -1))
    assert held == (MAX_VALUE, -MAX_VALUE)
    for more in ((1, 0), (0, -1)):
        with pytest.raises(ScoreRefusedError):
            combined(board, held, more)
    assert combined(board, held, (-MAX_VALUE, MAX_VALUE)) == (0, 0)


@pytest.mark.parametrize("points", [(1,), (1, 2, 3)])
def test_points_of_another_shape_are_refused(points: Points) -> None:
    with pytest.raises(ScoreRefusedError, match="1 tie columns, got"):
        combined(Board("b", Operator.SET, Order.DESC, (Order.ASC,)), None, points)


@given(st.lists(st.tuples(orders, values), min_size=1, max_size=4))
def test_ordered_is_its_own_inverse(columns: list[tuple[Order, int]]) -> None:
    directions = [order for order, _ in columns]
    points = tuple(value for _, value in columns)
    assert ordered(directions, ordered(directions, points)) == points


@pytest.mark.parametrize("player", ["a", "é" * 32, "x" * 64, " ", "a:b", "\n"])
def test_a_player_is_1_to_64_bytes(player: str) -> None:
    check_player(player)


@pytest.mark.parametrize("player", ["", "é" * 33, "x" * 65, "a\0b", "\ud800"])
def test_another_player_is_refused(player: str) -> None:
    with pytest.raises(ScoreRefusedError, match="a player must be"):
        check_player(player)


@pytest.mark.parametrize("key", ["", "a{b", "a}"])
def test_a_key_must_keep_its_hash_slot(key: str) -> None:
    with pytest.raises(ValueError, match="without braces"):
        Board(key, Operator.SET, Order.ASC)


def test_four_tie_columns_are_too_many() -> None:
    with pytest.raises(ValueError, match="at most 3 tie columns, got 4"):
        Board("b", Operator.SET, Order.ASC, (Order.ASC,) * 4)
