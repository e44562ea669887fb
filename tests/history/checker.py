"""Checks a history against the promises of the store. `docs/testing.md` says what each is.

Pure code: it knows no server, and it takes seconds for a million records.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TypeVar

from tests.history.counters import Counted
from tests.history.findings import Findings
from tests.history.records import Final, History, Outcome, Read, Write
from tests.history.registers import Register
from tests.history.windows import DELTA, HEALING, Windows

Record = TypeVar("Record", Read, Write)


def check(history: History, *, delta: float = DELTA, healing: float = HEALING) -> Findings:
    """Everything that is wrong with a history, and how stale its reads were."""
    found = Findings()
    windows = Windows(history.faults, delta=delta, healing=healing)
    outages = Windows(history.outages, delta=delta, healing=delta)
    writes, reads = _by_key(history.writes), _by_key(history.reads)
    counted: dict[str, Counted] = {}
    for key in writes.keys() | reads.keys():
        mine = (writes.get(key, []), reads.get(key, []), windows, found)
        if key in history.counters:
            lost = history.lost.get(key, ())
            counted[key] = Counted(key, history.counters[key], *mine, lost, outages)
            counted[key].check()
        else:
            Register(key, history.initial[key], *mine).check()
    found.field_writes = sum(write.fields for write in history.writes)
    _check_owners(history, found)
    for final in history.finals:
        _check_final(final, writes.get(final.key, []), counted.get(final.key), found)
    return found


def _by_key(records: Iterable[Record]) -> Mapping[str, list[Record]]:
    found: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        found[record.key].append(record)
    return found


def _check_owners(history: History, found: Findings) -> None:
    """Promise 9: what is private was shown to nobody else."""
    for read in history.reads:
        owners = history.owners.get(read.key)
        if owners is not None and read.viewer not in owners:
            what = f"{read.viewer or 'somebody anonymous'!r} was shown what is for {set(owners)}"
            found.add("viewer isolation", read.key, what, read)


def _check_final(
    final: Final, writes: Iterable[Write], counted: Counted | None, found: Findings
) -> None:
    """After healing: workers serve the database's rows, and these have all that was promised."""
    for worker, value in final.served.items():
        if value != final.truth:
            what = f"{worker} serves {value}, the database holds {final.truth}"
            found.add("diverged", final.key, what)
    if final.count is not None and counted is not None:
        least, most = counted.bounds()
        if not least <= final.count <= most:
            what = f"{final.count} in the end, {least} to {most} were acknowledged or may have been"
            found.add("applied once", final.key, what)
    if final.version is not None:
        for write in writes:
            is_due = write.outcome is Outcome.OK and write.version is not None
            if is_due and write.version is not None and write.version > final.version:
                what = f"the database is at version {final.version}"
                found.add("lost write", final.key, what, write)
