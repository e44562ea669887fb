"""F1 to F3 and J2: what a worker may conclude from what it has heard."""

import pytest

from cache.protocol import ALL, Followed, Log, Position, Purge, Verdict

HALF = 0.5
"""Seconds: half of the staleness bound of 1 s."""


def answer(head: int, *purges: tuple[int, int, str], epoch: str = "e") -> Followed:
    told = [Purge(identifier, before, [tag]) for identifier, before, tag in purges]
    return Followed(Position(epoch, head), now=1000.0, purges=told)


def following(log: Log | None = None, head: int = 10) -> Log:
    """A log that has heard its first answer, at 0 s, with nothing left to drain."""
    log = log or Log()
    log.drained()
    log.hear(answer(head), sent=0.0)
    return log


def test_the_first_answer_sets_the_horizon() -> None:
    log = following(head=10)

    assert log.position == Position("e", 10)
    assert log.judge("e", {"a": 10}) is None
    assert log.judge("e", {"a": 9}) is Verdict.UNKNOWN


def test_purges_are_applied_in_order() -> None:
    log = following(head=10)
    log.hear(answer(12, (11, 10, "a"), (12, 11, "b")), sent=0.1)

    assert log.position == Position("e", 12)
    assert log.judge("e", {"a": 10}) is Verdict.PURGED
    assert log.judge("e", {"a": 11}) is None
    assert log.judge("e", {"c": 10}) is None


def test_a_purge_that_was_applied_is_not_applied_again() -> None:
    log = following(head=10)
    log.hear(answer(11, (11, 10, "a")), sent=0.1)
    mark = log.mark
    log.hear(answer(11, (11, 10, "a")), sent=0.2)

    assert log.mark == mark


@pytest.mark.parametrize(
    ("rules", "verdict"), [(ALL, Verdict.UNKNOWN), (ALL.without("f1_predecessor"), None)]
)
def test_a_gap_resets(rules: object, verdict: Verdict | None) -> None:
    """12 is there and 11, which named `a`, was trimmed: without the predecessor nobody sees it."""
    log = following(Log(rules))  # type: ignore[arg-type]  # the parameter is typed by its values
    was_reset = log.hear(answer(12, (12, 11, "b")), sent=0.1)

    assert log.judge("e", {"a": 10}) is verdict
    assert was_reset is (verdict is not None)


@pytest.mark.parametrize(
    ("rules", "current"), [(ALL, True), (ALL.without("f1_predecessor"), False)]
)
def test_a_log_that_was_trimmed_to_its_head_resets(rules: object, current: bool) -> None:
    # 1. Purge 11 comes, and the log is trimmed wholly, before this worker has asked.
    # 2. Each answer has the head 11, and no purge after 10: without a reset for ever.
    log = following(Log(rules))  # type: ignore[arg-type]

    assert log.hear(answer(11), sent=2.0) is current
    assert log.is_current(2.1) is current
    assert log.judge("e", {"a": 10}) is (Verdict.UNKNOWN if current else None)


def test_another_epoch_resets() -> None:
    log = following()
    assert log.hear(answer(3, epoch="f"), sent=0.1)

    assert log.position == Position("f", 3)
    assert log.judge("e", {"a": 10}) is Verdict.OTHER_EPOCH


def test_a_reset_forgets_the_old_epochs_purges() -> None:
    log = following()
    log.hear(answer(99, (99, 10, "a")), sent=0.1)
    log.hear(answer(3, epoch="f"), sent=0.2)

    assert log.judge("f", {"a": 4}) is None


def test_current_for_half_of_the_bound_after_the_request_was_sent() -> None:
    log = following()

    assert log.is_current(HALF)
    assert not log.is_current(HALF + 0.001)
    assert not log.is_current(-0.001), "a clock that went back is no clock to trust"


@pytest.mark.parametrize(("rules", "current"), [(ALL, False), (ALL.without("f2_sent"), True)])
def test_an_answer_is_as_old_as_its_request(rules: object, current: bool) -> None:
    """The process was paused for 9 s between the request and its answer."""
    log = following(Log(rules))  # type: ignore[arg-type]  # the parameter is typed by its values
    log.hear(answer(10), sent=1.0, received=10.0)

    assert log.is_current(10.1) is current


@pytest.mark.parametrize(("rules", "current"), [(ALL, False), (ALL.without("f2_whole"), True)])
def test_a_part_of_the_log_is_not_all_of_it(rules: object, current: bool) -> None:
    log = following(Log(rules))  # type: ignore[arg-type]  # the parameter is typed by its values
    log.hear(answer(5_000, (11, 10, "a")), sent=9.0)

    assert log.is_current(9.1) is current


@pytest.mark.parametrize(("rules", "current"), [(ALL, False), (ALL.without("f2_drain"), True)])
def test_who_lost_the_server_drains_before_it_trusts_it(rules: object, current: bool) -> None:
    log = following(Log(rules))  # type: ignore[arg-type]  # the parameter is typed by its values
    log.lose()
    assert not log.is_current(0.0)

    log.hear(answer(10), sent=0.1)
    assert log.is_current(0.2) is current

    log.drained()
    assert log.is_current(0.2) is current, "the answer was asked for before the drain"
    log.hear(answer(10), sent=0.3)
    assert log.is_current(0.4)


def test_an_own_purge_counts_at_once_and_is_not_applied() -> None:
    log = following(head=10)
    mark = log.mark
    log.add_own(["a"], Position("e", 12))

    assert log.judge("e", {"a": 11}) is Verdict.PURGED
    assert log.position == Position("e", 10)
    assert log.mark != mark, "what was judged before is judged again"


def test_an_own_purge_of_another_epoch_says_nothing() -> None:
    log = following(head=10)
    log.add_own(["a"], Position("f", 99))

    assert log.judge("e", {"a": 10}) is None


def test_the_horizon_rises_instead_of_memory() -> None:
    log = following(Log(max_tags=3), head=10)
    for number in range(11, 15):
        log.hear(answer(number, (number, number - 1, f"tag {number}")), sent=0.1)

    assert len(log.since) <= 3
    assert log.horizon == 14
    assert log.judge("e", {"tag 11": 10}) is Verdict.UNKNOWN, "the server is asked instead"


def test_a_head_behind_what_is_applied() -> None:
    log = following(head=10)

    assert log.is_behind(Position("e", 9))
    assert not log.is_behind(Position("e", 10))
    assert not log.is_behind(Position("f", 9))


def test_a_mark_is_of_one_epoch() -> None:
    """J2: "judged at this `applied`" would hold in a later epoch whose ids came as far."""
    log = following(head=10)
    mark = log.mark
    log.hear(answer(3, epoch="f"), sent=0.1)
    log.hear(answer(10, (10, 3, "x"), epoch="f"), sent=0.2)

    assert log.applied == 10
    assert log.mark != mark


@pytest.mark.parametrize(
    ("rule", "verdict"),
    [("clean_epoch", None), ("clean_horizon", None), ("clean_since", None)],
)
def test_each_part_of_the_predicate(rule: str, verdict: Verdict | None) -> None:
    """With one part off an entry passes that all parts together refuse."""
    for rules in (ALL, ALL.without(rule)):
        log = following(Log(rules), head=10)
        log.hear(answer(11, (11, 10, "a")), sent=0.1)
        entry = {
            "clean_epoch": ("other", {"b": 11}),
            "clean_horizon": ("e", {"b": 9}),
            "clean_since": ("e", {"a": 10}),
        }[rule]
        assert (log.judge(*entry) is None) is (rules is not ALL)


def test_applied_before_since_leaves_a_moment() -> None:
    """F1: with `applied` set first, what is judged in between is taken for clean."""
    log = following(Log(ALL.without("f1_atomic")), head=10)
    log.hear(answer(11, (11, 10, "a")), sent=0.1)

    assert log.judge("e", {"a": 10}) is None


def test_an_own_purge_is_not_forgotten_for_an_older_one_of_the_same_tag() -> None:
    """1. An own purge is confirmed at 12. 2. The log brings 11, of the same tag, and not yet 12."""
    log = following(head=10)
    log.add_own(["a"], Position("e", 12))
    log.hear(answer(12, (11, 10, "a")), sent=0.1)

    assert log.judge("e", {"a": 11}) is Verdict.PURGED
    assert log.judge("e", {"a": 12}) is None


def test_own_purges_are_bounded_while_the_log_brings_nothing() -> None:
    log = following(Log(max_tags=3), head=10)
    for number in range(10):
        log.add_own([f"tag:{number}"], Position("e", 11 + number))

    assert len(log.since) <= 4
