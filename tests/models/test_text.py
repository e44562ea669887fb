"""Folded names and slugs."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.text import folded, slug


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("STRASSE", "straße"),
        ("Café", "CAFE\u0301"),
        ("ΣΊΣΥΦΟΣ", "Σίσυφος"),
        ("\u01f0", "J\u030c"),  # folding takes the composed letter apart
    ],
)
def test_names_that_differ_in_case_or_composition_fold_to_the_same_text(one, other):
    assert folded(one) == folded(other)


def test_names_that_differ_in_accents_do_not():
    assert folded("Café") != folded("Cafe")


@given(st.text())
def test_folding_is_idempotent_composed_and_at_most_three_times_as_long(text):
    once = folded(text)
    assert folded(once) == once
    assert unicodedata.is_normalized("NFC", once)
    assert len(once) <= 3 * len(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Café & Bar", "cafe-bar"),
        ("  Office  Supplies ", "office-supplies"),
        ("日本", ""),
        ("x" * 150, "x" * 100),
        ("a" * 99 + " b", "a" * 99),
    ],
)
def test_slugs_are_ascii_words_and_fit_their_column(text, expected):
    assert slug(text) == expected
