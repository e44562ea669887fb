"""Numbering neighbours and sliding windows: pure, against counting."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.leaderboard import Place, Ranking, Standing
from cache.leaderboard.questions import percentile, placed, window
from tests.support.boards import BEGIN, BOARDS, naive_rows

BOARD = BOARDS["best"]


@given(st.lists(st.integers(0, 4), max_size=20), st.data())
def test_a_page_is_numbered_from_its_first_row(scores: list[int], data: st.DataObject) -> None:
    standings = [
        Standing(f"p{at}", (score,), at + 1, BEGIN, at + 1) for at, score in enumerate(scores)
    ]
    everything = naive_rows(BOARD, standings)
    start = data.draw(st.integers(0, len(everything)))
    page = everything[start : start + 6]
    if page:
        rows = [row.standing for row in page]
        assert placed(rows, page[0].place) == tuple(page)


def test_the_three_numberings_of_1_2_2_4() -> None:
    scores = [9, 7, 7, 5]
    rows = [Standing(str(at), (it,), at + 1, BEGIN, at + 1) for at, it in enumerate(scores)]
    places = [row.place for row in placed(rows, Place(1, 1, 1))]
    assert [place.rank(Ranking.ORDINAL) for place in places] == [1, 2, 3, 4]
    assert [place.rank(Ranking.COMPETITION) for place in places] == [1, 2, 2, 4]
    assert [place.rank(Ranking.DENSE) for place in places] == [1, 2, 2, 3]


@given(st.integers(1, 12), st.data(), st.integers(0, 6), st.integers(0, 6))
def test_a_window_slides_at_the_edges(
    size: int, data: st.DataObject, above: int, below: int
) -> None:
    index = data.draw(st.integers(0, size - 1))
    before, after = window(index, size - 1 - index, above, below)
    # The definition: as many rows as wished if there are so many, the row itself among them, and
    # not moved further than the edge makes it.
    start, end = index - before, index + after
    assert 0 <= start <= index <= end < size
    assert end - start + 1 == min(size, above + 1 + below)
    if index - above >= 0 and index + below < size:
        assert (before, after) == (above, below)


@pytest.mark.parametrize(
    ("worse", "size", "expected"), [(0, 1, 100.0), (0, 2, 0.0), (1, 2, 100.0), (2, 5, 50.0)]
)
def test_percentile(worse: int, size: int, expected: float) -> None:
    assert percentile(worse, size) == expected
