"""The rules as pure decisions."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from cache.protocol import Dependencies, Look, Position, Protocol, Stamp, Verdict

RULES = Protocol()
STAMP = Stamp(epoch="e", dependencies={"a": 5, "b": 7}, stored=100.0, soft=110.0, hard=120.0)


def look(now: float = 105.0, epoch: str = "e", **marks: int | None) -> Look:
    given_marks = {"a": 5, "b": 7, **marks}
    return Look(
        head=Position(epoch, 9),
        now=now,
        watermarks={
            tag: None if mark is None else Position(epoch, mark)
            for tag, mark in given_marks.items()
        },
    )


def test_an_entry_whose_tags_were_not_purged_since_is_valid() -> None:
    assert RULES.judge(STAMP, look()) is Verdict.FRESH
    assert RULES.judge(STAMP, look(a=1, b=7)) is Verdict.FRESH


def test_one_newer_purge_of_one_tag_is_enough() -> None:
    assert RULES.judge(STAMP, look(a=6)) is Verdict.PURGED
    assert RULES.judge(STAMP, look(b=8)) is Verdict.PURGED


def test_a_missing_watermark_or_one_of_another_epoch_is_invalid() -> None:
    assert RULES.judge(STAMP, look(a=None)) is Verdict.NO_WATERMARK
    other = replace(look(), watermarks={"a": Position("before", 1), "b": Position("e", 7)})
    assert RULES.judge(STAMP, other) is Verdict.NO_WATERMARK


def test_an_entry_of_another_epoch_is_invalid() -> None:
    assert RULES.judge(STAMP, look(epoch="after")) is Verdict.OTHER_EPOCH


def test_age_is_looked_at_last() -> None:
    """J7: past its soft expiry an entry is stale only if it is clean."""
    assert RULES.judge(STAMP, look(now=110.0)) is Verdict.STALE
    assert RULES.judge(STAMP, look(now=120.0)) is Verdict.EXPIRED
    assert RULES.judge(STAMP, look(now=110.0, a=6)) is Verdict.PURGED


def test_a_hit_depends_on_what_it_was_made_of_as_of_its_verdict() -> None:
    raised = RULES.raised(STAMP, look())

    assert (raised.epoch, raised.ids, raised.known) == ("e", {"a": 9, "b": 9}, True)


def test_dependencies_of_two_epochs_are_not_known() -> None:
    mixed = Dependencies()
    mixed.add("a", Position("e", 5))
    mixed.add("b", Position("f", 6))

    assert not mixed.known
    assert not RULES.joinable(mixed, look())


def test_a_dependency_at_an_unknown_position_is_not_known() -> None:
    unknown = Dependencies()
    unknown.add("a", None)

    assert not unknown.known


positions = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 20)), max_size=12)


@given(positions, positions)
def test_a_dependency_met_twice_keeps_the_lower_position(
    first: list[tuple[str, int]], second: list[tuple[str, int]]
) -> None:
    collected, nested = Dependencies(), Dependencies()
    for tag, identifier in first:
        collected.add(tag, Position("e", identifier))
    for tag, identifier in second:
        nested.add(tag, Position("e", identifier))
    collected.merge(nested)

    everything = [*first, *second]
    lowest = {tag: min(i for t, i in everything if t == tag) for tag, _ in everything}
    assert collected.ids == lowest
    assert collected.known


@given(
    positions.filter(bool),
    st.integers(0, 20),
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 20)),
)
def test_what_may_be_joined_would_be_judged_valid(
    read: list[tuple[str, int]], head: int, purges: dict[str, int]
) -> None:
    """L4 as built is stricter than `clean`: whatever purges there were up to the reader's head, a
    result that it lets a reader join has missed none of them."""
    dependencies = Dependencies()
    for tag, identifier in read:
        dependencies.add(tag, Position("e", identifier))
    marks = {tag: Position("e", min(purges.get(tag, 0), head)) for tag in dependencies.ids}
    arrival = Look(head=Position("e", head), now=0.0, watermarks=marks)
    stamp = Stamp("e", dependencies.ids, stored=0.0, soft=1.0, hard=1.0)

    if RULES.joinable(dependencies, arrival):
        assert RULES.judge(stamp, arrival) is Verdict.FRESH


def test_a_result_that_depends_on_nothing_may_be_joined() -> None:
    unknown = Dependencies()
    unknown.known = False

    assert RULES.joinable(Dependencies(), look())
    assert not RULES.joinable(unknown, look())
