"""The checker finds what it is for, and nothing where nothing is wrong.

`a` is a register whose version 1 is "one"; `n` a counter at 10; `v` a live one at 0.
"""

import random
import time
from typing import Any

import pytest

from cache.protocol import Token
from tests.history.checker import check
from tests.history.findings import Findings
from tests.history.records import Counter, Fault, Final, History, Outcome, Read, Write


def history(*records: Write | Read, **more: Any) -> History:
    made = History(
        initial={"a": ("one", 1)},
        counters={"n": Counter(10), "v": Counter(0, live=True), "stock": Counter(9, direction=-1)},
        **more,
    )
    for record in records:
        (made.writes if isinstance(record, Write) else made.reads).append(record)  # type: ignore[arg-type]  # told apart
    return made


def found(*records: Write | Read, **more: Any) -> dict[str, int]:
    return dict(check(history(*records, **more)).tally)


def write(start: float, value: str, version: int | None = None, **more: Any) -> Write:
    more = {"key": "a", "client": 1, "end": start + 0.1, **more}
    return Write(start=start, value=value, version=version, **more)


def read(start: float, value: str, version: int | None = None, **more: Any) -> Read:
    more = {"key": "a", "client": 2, "end": start + 0.1, **more}
    return Read(start=start, value=value, version=version, **more)


def add(start: float, amount: int = 1, key: str = "n", **more: Any) -> Write:
    return write(start, "", key=key, amount=amount, **more)


def count(start: float, number: int, key: str = "n", **more: Any) -> Read:
    return read(start, "", key=key, count=number, **more)


AT = Token({"e": 5})


# ---- registers ----


def test_nothing_is_wrong() -> None:
    assert found(read(0, "one"), write(1, "two", 2), read(1.5, "one"), read(1.5, "two")) == {}
    assert found(read(9, "one")) == {}


def test_a_value_that_nobody_wrote() -> None:
    assert found(read(1, "else")) == {"never committed": 1}


def test_a_value_that_was_refused() -> None:
    assert found(write(1, "two", outcome=Outcome.FAILED), read(2, "two")) == {"never committed": 1}


def test_a_value_whose_outcome_is_unknown_may_be_there_or_not() -> None:
    lost = write(1, "two", outcome=Outcome.UNKNOWN)
    assert found(lost, read(9, "one")) == {}
    assert found(lost, read(1.05, "two", 2), read(9, "two", 2)) == {}
    assert found(lost, read(1.05, "two", 2), read(9, "one", 1)) == {"stale": 1}


def test_a_conditional_write_that_was_seen_has_the_version_that_follows() -> None:
    unknown = write(1, "two", 2, outcome=Outcome.UNKNOWN)
    assert found(unknown, read(1.2, "two"), read(9, "one")) == {"stale": 1}
    assert found(unknown, write(2, "three", 2), read(9, "three")) == {}, "it did not happen"


def test_a_value_from_the_future() -> None:
    assert found(read(1, "two"), write(2, "two", 2)) == {"from the future": 1}


def test_two_values_of_one_version() -> None:
    writes = write(1, "two", 2), write(1.05, "three", 2, client=3)
    assert found(*writes) == {"two values of one version": 1}


def test_a_lost_update() -> None:
    assert found(write(1, "two", 3), write(2, "three", 2)) == {"lost update": 1}


def test_an_own_write_is_seen_at_once() -> None:
    mine = write(1, "two", 2)
    assert found(mine, read(1.2, "one", client=1)) == {"read your writes": 1}
    assert found(mine, read(1.05, "one", client=1)) == {}, "it was not acknowledged yet"
    assert found(mine, read(1.2, "one", client=1, echoes=False)) == {}, "it sends no token"
    assert found(mine, read(1.2, "one", client=2)) == {}


def test_an_own_write_is_seen_in_its_own_payload() -> None:
    mine = write(1, "two", 2)
    assert found(mine, read(1, "one", client=1, own="two")) == {"own payload": 1}
    assert found(mine, read(1, "two", client=1, own="two")) == {}


def test_an_own_write_is_seen_in_a_fault() -> None:
    fault = [Fault("hang", 0, 5)]
    assert found(write(1, "two", 2), read(3, "one"), faults=fault) == {}
    mine = write(1, "two", 2), read(3, "one", client=1)
    assert found(*mine, faults=fault) == {"read your writes": 1}


def test_nobody_is_behind_a_position_that_was_sent() -> None:
    told = write(1, "two", 2, token=AT)
    assert found(told, read(1.2, "one", sent=AT)) == {"position": 1}
    assert found(told, read(1.2, "one", sent=Token({"e": 4}))) == {}
    assert found(told, read(1.2, "one", sent=Token({"f": 9}))) == {}, "another epoch"
    unpublished = write(1, "two", 2, token=Token({"e": 5}, frozenset(["id"])))
    assert found(unpublished, read(1.2, "one", sent=AT)) == {}


def test_nobody_goes_back_past_what_the_worker_knew_of() -> None:
    told = write(1, "two", 2, token=AT)
    seen = read(1.2, "two")
    assert found(told, seen, read(1.4, "one", sent=AT)) == {"monotonic": 1}
    findings = check(history(told, seen, read(1.4, "one")))
    assert (findings.count, findings.went_back) == (0, 1), "no token can close this"


def test_everybody_sees_a_write_within_delta() -> None:
    findings = check(history(write(1, "two", 2), read(2.0, "one"), read(2.2, "one")))
    assert findings.tally == {"stale": 1}
    assert findings.ages == pytest.approx([0.9, 1.1])


def test_what_was_seen_by_anybody_counts_as_known() -> None:
    unknown = write(1, "two", outcome=Outcome.UNKNOWN)
    assert found(unknown, read(1.2, "two", 2), read(2.4, "one")) == {"stale": 1}


@pytest.mark.parametrize(
    ("moment", "stale"), [(4, False), (15, False), (15.9, False), (16.2, True)]
)
def test_staleness_in_a_fault_and_while_healing(moment: float, stale: bool) -> None:
    fault = [Fault("hang", 2, 6)]
    told = found(write(1.5, "two", 2), read(moment, "one"), faults=fault)
    assert told == ({"stale": 1} if stale else {})


def test_what_was_due_before_a_fault_stays_due() -> None:
    assert found(write(1, "two", 2), read(5, "one"), faults=[Fault("hang", 3, 6)]) == {"stale": 1}


def test_faults_that_touch_are_one() -> None:
    faults = [Fault("hang", 2, 6), Fault("kill", 15, 16)]
    assert found(write(3, "two", 2), read(20, "one"), faults=faults) == {}
    assert found(write(3, "two", 2), read(27, "one"), faults=faults) == {"stale": 1}


def test_a_value_that_comes_back() -> None:
    there = write(1, "two", 2), write(2, "one", 3), write(3, "two", 4)
    assert found(*there, read(2.2, "one"), read(3.2, "two"), read(9, "two")) == {}
    assert found(*there, read(9, "one")) == {"stale": 1}
    maybe = write(4, "one", outcome=Outcome.UNKNOWN)
    assert found(*there, maybe, read(9, "one")) == {}, "it may be the newest"


def test_what_is_assumed_of_a_value_that_comes_back_is_not_held_against_others() -> None:
    """Version 5 is known only by its readers: its own writer got no answer."""
    there = write(1, "two", 2), write(2, "one", 3), write(3, "two", 4)
    maybe = write(20, "one", 5, outcome=Outcome.UNKNOWN)
    early = read(2.2, "one"), read(4.5, "two", 4)
    assert found(*there, maybe, *early, read(21, "one", 5)) == {}
    assert found(*there, maybe, read(21, "one", 5), read(23, "two", 4)) == {"stale": 1}


# ---- counters ----


def test_a_counter() -> None:
    assert found(count(0, 10), add(1), count(1.5, 10), count(1.5, 11), count(9, 11)) == {}
    assert found(add(1), count(9, 10)) == {"stale": 1}
    assert found(count(0.5, 11), add(1)) == {"from the future": 1}
    assert found(add(1, outcome=Outcome.FAILED), count(9, 11)) == {"from the future": 1}
    unknown = add(1, outcome=Outcome.UNKNOWN)
    assert found(unknown, count(9, 10), count(9, 11)) == {}


def test_own_increments_with_all_that_was_there_before() -> None:
    others = add(1, client=3)
    assert found(others, add(1.5), count(1.7, 11, client=1)) == {"read your writes": 1}
    assert found(others, add(1.5), count(1.7, 12, client=1)) == {}
    assert found(others, add(1.5), count(1.7, 10)) == {}, "another client, within the bound"
    assert found(add(1, token=AT), count(1.2, 10, sent=AT)) == {"position": 1}


def test_a_counter_that_shrinks() -> None:
    assert found(add(1, key="stock"), count(9, 8, "stock")) == {}
    assert found(add(1, key="stock"), count(9, 9, "stock")) == {"stale": 1}
    assert found(count(9, 7, "stock"), add(10, 2, "stock")) == {"from the future": 1}


def test_a_live_counter_is_right_at_once_while_all_is_well() -> None:
    assert found(add(1, key="v"), count(1.2, 0, "v")) == {"stale": 1}
    fault = [Fault("hang", 0, 1)]
    assert found(add(1, key="v"), count(1.2, 0, "v"), faults=fault) == {}
    assert found(add(1, key="v"), count(1.2, 2, "v"), faults=fault) == {"from the future": 1}
    told = add(1, key="v", token=AT), count(1.05, 0, "v", sent=AT)
    assert found(*told) == {}, "it has no purge that a position could be compared with"


def test_a_live_counter_while_a_worker_says_that_redis_is_away() -> None:
    outage = [Fault("away", 1.1, 1.3)]
    assert found(add(1, key="v"), count(1.2, 0, "v"), outages=outage) == {}
    assert found(add(1, key="v"), count(9, 0, "v"), outages=outage) == {"stale": 1}
    assert found(add(1), count(2.2, 10), outages=outage) == {"stale": 1}, "an entry is not excused"


def test_the_end() -> None:
    end = Final("v", "3", {"one": "3"}, count=3)
    assert found(add(1, 3, "v"), finals=[end]) == {}
    assert found(add(1, 4, "v"), finals=[end]) == {"applied once": 1}, "one was lost"
    assert found(add(1, 2, "v"), finals=[end]) == {"applied once": 1}, "one was applied twice"
    unknown = add(2, key="v", outcome=Outcome.UNKNOWN)
    assert found(add(1, 2, "v"), unknown, finals=[end]) == {}
    assert found(add(1, 4, "v"), finals=[end], lost={"v": [(2.0, 1)]}) == {}
    assert found(add(1, 5, "v"), finals=[end], lost={"v": [(2.0, 1)]}) == {"applied once": 1}


def test_workers_that_differ_from_the_database() -> None:
    assert found(finals=[Final("a", "two", {"one": "two", "other": "one"})]) == {"diverged": 1}


def test_a_write_that_the_database_lost() -> None:
    lost = Final("a", "one", {}, version=1)
    assert found(write(1, "two", 2), finals=[lost]) == {"lost write": 1}
    assert found(write(1, "two", 2, outcome=Outcome.UNKNOWN), finals=[lost]) == {}


# ---- viewers ----


def test_what_is_private_is_shown_to_nobody_else() -> None:
    owners = {"a": frozenset(["ada", "staff"])}
    assert found(read(1, "one", viewer="ada"), owners=owners) == {}
    assert found(read(1, "one", viewer="staff"), owners=owners) == {}
    assert found(read(1, "one", viewer="bob"), owners=owners) == {"viewer isolation": 1}
    assert found(read(1, "one"), owners=owners) == {"viewer isolation": 1}


# ---- the rest ----


def test_pairs_that_overlap() -> None:
    records = write(1, "two", 2), read(0.95, "one"), read(1.05, "two"), read(1.1, "two")
    assert check(history(*records)).overlapping == 2


def test_a_violation_shows_what_it_is_made_of() -> None:
    findings = check(history(write(1, "two", 2), read(1.2, "one", client=1)))
    shown = str(findings.violations[0])
    assert shown.startswith("read your writes: a: version 1 was shown, 2 was due")
    assert "Write(" in shown
    assert "Read(" in shown


def large(operations: int) -> History:
    """A long history without a fault: versions in turn, each read is of the newest or the last."""
    made = History(initial={f"a{key}": ("1", 1) for key in range(50)})
    chance = random.Random(1)
    newest = dict.fromkeys(made.initial, 1)
    for number in range(operations):
        key, start = f"a{chance.randrange(50)}", number / 500
        client = number % 32
        if chance.random() < 0.2:
            newest[key] += 1
            value, token = str(newest[key]), Token({"e": number})
            made.writes.append(
                write(start, value, newest[key], key=key, client=client, token=token)
            )
        else:
            value = str(newest[key])
            made.reads.append(read(start, value, key=key, client=client, sent=Token({"e": number})))
    return made


def test_it_is_fast() -> None:
    """A million records have to take about a minute at most: a tenth of that here."""
    made = large(100_000)
    begun = time.process_time()
    findings: Findings = check(made)
    assert time.process_time() - begun < 10
    assert findings.count == 0
    assert findings.field_reads + findings.field_writes == 100_000
