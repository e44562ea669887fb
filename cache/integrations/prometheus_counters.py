"""Which facts are counted, under which name and labels: a table, read by `prometheus.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from .. import facts

F = TypeVar("F", bound=facts.Fact)
_LONGEST = 80


@dataclass(frozen=True, slots=True)
class Counted:
    """One counter: the facts of `kind`, each worth `amount`, apart by `labels`.

    Prometheus's convention adds `_total` to the name of a counter.
    """

    metric: str
    help: str
    kind: type[Any]
    labels: Mapping[str, Callable[[Any], str]]
    amount: Callable[[Any], float]


def words(reason: str) -> str:
    """The fixed words of a reason, without the particulars after its colon: fit for a label."""
    return reason.partition(":")[0][:_LONGEST]


def _one(fact: object) -> float:
    return 1.0


def _counter(
    kind: type[F],
    metric: str,
    about: str,
    *,
    amount: Callable[[F], float] = _one,
    **labels: Callable[[F], str],
) -> Counted:
    return Counted(metric, about, kind, labels, amount)


COUNTERS: Sequence[Counted] = (
    # Reads
    _counter(
        facts.Hit,
        "hits",
        "Fresh values that were served.",
        name=lambda fact: fact.name,
        tier=lambda fact: fact.tier.value,
    ),
    _counter(
        facts.StaleServed,
        "stale_served",
        "Values past their time to live that were served.",
        name=lambda fact: fact.name,
        tier=lambda fact: fact.tier.value,
        why=lambda fact: fact.why.value,
        purged=lambda fact: "yes" if fact.purged else "no",
    ),
    _counter(
        facts.Missed,
        "misses",
        "Values that had to be loaded.",
        name=lambda fact: fact.name,
        reason=lambda fact: "store away" if fact.reason is None else fact.reason.value,
    ),
    _counter(
        facts.Joined,
        "joins",
        "Reads that used a load under way.",
        name=lambda fact: fact.name,
    ),
    _counter(
        facts.Bypassed,
        "bypassed",
        "Calls that no cache could have answered: in no hit rate.",
        name=lambda fact: fact.name,
        reason=lambda fact: words(fact.reason),
    ),
    # Loads
    _counter(
        facts.Loaded,
        "load_failures",
        "Loads that raised.",
        amount=lambda fact: float(fact.failed),
        name=lambda fact: fact.name,
    ),
    _counter(
        facts.Refreshed,
        "refreshes",
        "Loads in the background.",
        name=lambda fact: fact.name,
        early=lambda fact: "yes" if fact.early else "no",
    ),
    _counter(facts.Filled, "fills", "Values that were stored.", name=lambda fact: fact.name),
    _counter(
        facts.Filled,
        "fill_bytes",
        "Bytes of the values that were stored.",
        amount=lambda fact: fact.size,
        name=lambda fact: fact.name,
    ),
    _counter(
        facts.NotStored,
        "not_stored",
        "Loaded values that were not stored.",
        name=lambda fact: fact.name,
        reason=lambda fact: words(fact.reason),
    ),
    # Purges and the log
    _counter(facts.Invalidated, "invalidations", "Purges that were published."),
    _counter(
        facts.Invalidated,
        "invalidated_tags",
        "Tags of the purges that were published.",
        amount=lambda fact: len(fact.tags),
    ),
    _counter(facts.Drained, "drains", "Times that the outbox was published."),
    _counter(
        facts.Drained,
        "drained_rows",
        "Rows of the outbox that a relay published.",
        amount=lambda fact: fact.rows,
    ),
    _counter(
        facts.LogReset,
        "log_resets",
        "Times that a process began to follow the log anew.",
        why=lambda fact: words(fact.why),
    ),
    _counter(
        facts.EpochBegun,
        "epochs_begun",
        "New epochs: every entry became invalid.",
        why=lambda fact: words(fact.why),
    ),
    _counter(
        facts.TokenIgnored,
        "tokens_ignored",
        "Position tokens that were ignored.",
        reason=lambda fact: words(fact.reason),
    ),
    # The store
    _counter(
        facts.RoundTrip,
        "store_calls",
        "Questions to the store; those of one tick leave as one exchange.",
        purpose=lambda fact: fact.purpose,
    ),
    _counter(
        facts.RoundTrip,
        "store_commands",
        "Commands of the questions to the store.",
        amount=lambda fact: fact.commands,
        purpose=lambda fact: fact.purpose,
    ),
    _counter(
        facts.StoreFailed,
        "store_failures",
        "Questions that the store did not answer.",
        purpose=lambda fact: fact.purpose,
    ),
    _counter(
        facts.BreakerChanged,
        "breaker_changes",
        "Times that a circuit breaker opened or closed.",
        server=lambda fact: fact.name,
        to=lambda fact: "open" if fact.is_open else "closed",
    ),
    # Whether all this is right
    _counter(facts.Audited, "audits", "Served values that were audited.", name=lambda f: f.name),
    _counter(
        facts.Audited,
        "audits_stale",
        "Audited values that were stale beyond what is promised.",
        amount=lambda fact: float(fact.stale_beyond is not None),
        name=lambda fact: fact.name,
    ),
    _counter(
        facts.Defect,
        "defects",
        "Mistakes of the program that caches.",
        name=lambda fact: fact.name,
        what=lambda fact: words(fact.what),
    ),
    _counter(
        facts.ObserverFailed,
        "observer_failures",
        "Facts on which another observer raised.",
        observer=lambda fact: fact.observer,
        fact=lambda fact: fact.kind,
    ),
)
