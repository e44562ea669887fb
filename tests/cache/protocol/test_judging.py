"""J3, J4 and L2: what the server's answer says of an entry, and what a load is made of."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.protocol import ALL, Dependencies, Look, Position, Rules, Stamp, Verdict, judge_remotely

STAMP = Stamp(epoch="e", dependencies={"a": 5, "b": 7}, stored=100.0, soft=110.0, hard=120.0)


def look(epoch: str = "e", **marks: int | None) -> Look:
    told = {"a": 5, "b": 7, **marks}
    return Look(
        head=Position(epoch, 9),
        now=105.0,
        watermarks={
            tag: None if mark is None else Position(epoch, mark) for tag, mark in told.items()
        },
    )


@pytest.mark.parametrize(
    ("told", "verdict"),
    [
        (look(), None),
        (look(a=1, b=7), None),
        (look(a=6), Verdict.PURGED),
        (look(b=8), Verdict.PURGED),
        (look(a=None), Verdict.NO_WATERMARK),
        (look(epoch="after"), Verdict.OTHER_EPOCH),
    ],
)
def test_an_entry_is_valid_while_none_of_its_tags_was_purged(
    told: Look, verdict: Verdict | None
) -> None:
    assert judge_remotely(STAMP, told, ALL) is verdict


def test_a_watermark_of_another_epoch_is_missing() -> None:
    other = replace(look(), watermarks={"a": Position("before", 1), "b": Position("e", 7)})
    assert judge_remotely(STAMP, other, ALL) is Verdict.NO_WATERMARK


@pytest.mark.parametrize(
    ("rule", "told"),
    [("j3_epoch", look(epoch="after")), ("j3_mark", look(a=6)), ("j4_missing", look(a=None))],
)
def test_each_rule_refuses_what_passes_without_it(rule: str, told: Look) -> None:
    assert judge_remotely(STAMP, told, ALL) is not None
    assert judge_remotely(STAMP, told, ALL.without(rule)) is None


def test_a_rule_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no such rule: j9; there are \['clean_epoch'"):
        Rules().without("j9")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 9)), min_size=1))
def test_a_dependency_that_is_met_twice_keeps_the_lower_position(
    met: list[tuple[str, int]],
) -> None:
    made_of = Dependencies()
    for tag, identifier in met:
        made_of.add(tag, Position("e", identifier))

    for tag, identifier in made_of.ids.items():
        assert identifier == min(other for its, other in met if its == tag)
    assert made_of.newest == Position("e", max(made_of.ids.values()))


@pytest.mark.parametrize(("rules", "known"), [(ALL, False), (ALL.without("l2_epochs"), True)])
def test_data_of_two_epochs_is_of_no_known_position(rules: Rules, known: bool) -> None:
    made_of = Dependencies(rules)
    made_of.add("a", Position("e", 1))
    made_of.add("b", Position("f", 1))

    assert made_of.known is known


def test_data_of_an_unknown_position_makes_the_whole_unknown() -> None:
    part, whole = Dependencies(), Dependencies()
    part.add("a", None)
    whole.merge(part)

    assert not whole.known
    assert not whole.reach(Position("e", 0))


def test_a_strict_part_makes_the_whole_strict() -> None:
    part, whole = Dependencies(), Dependencies()
    part.strict = True
    whole.merge(part)

    assert whole.strict


def test_what_was_read_before_a_head_does_not_reach_it() -> None:
    made_of = Dependencies()
    made_of.add("a", Position("e", 5))

    assert made_of.reach(Position("e", 5))
    assert not made_of.reach(Position("e", 6))
    assert not made_of.reach(Position("f", 1))
