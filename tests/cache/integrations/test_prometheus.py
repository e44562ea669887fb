"""Facts as metrics: each is counted, under labels that are few."""

import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from prometheus_client import CollectorRegistry, Counter, generate_latest
from redis.asyncio import Redis

from cache import Cache, CachePolicy, CacheScope, RedisStore, bypass, cached, facts
from cache.facts import Fact, Tier, Why
from cache.integrations.prometheus import PrometheusObserver, Series
from cache.integrations.prometheus_counters import COUNTERS, words
from cache.protocol import Position, Verdict

ROOT = Path(__file__).parents[3]
AT = Position("epoch", 7)
EXAMPLES: list[Fact] = [
    facts.Hit("k:secret", "price", Tier.MEMORY, 1.5),
    facts.StaleServed("k:secret", "price", Tier.STORE, 90.0, Why.ERROR, purged=True),
    facts.Missed("k:secret", "price", Verdict.PURGED),
    facts.Bypassed("price", "an open transaction"),
    facts.Joined("k:secret", "price"),
    facts.Leased("k:secret", "price", 0.02),
    facts.Loaded("k:secret", "price", 0.03, failed=True),
    facts.Refreshed("k:secret", "price", early=True),
    facts.Filled("k:secret", "price", 400),
    facts.NotStored("k:secret", "price", "too large: 2000000 bytes are more than 1048576"),
    facts.Invalidated(frozenset(["t:secret", "u:secret"]), AT),
    facts.LogReset(AT, "another epoch, or a gap"),
    facts.EpochBegun(AT, "the head was behind what is applied"),
    facts.Drained(3, "epoch"),
    facts.TokenIgnored("malformed"),
    facts.RoundTrip("look", 2),
    facts.StoreFailed("look", "Error 111 connecting to secret:6379"),
    facts.BreakerChanged("redis:6379", is_open=True),
    facts.Defect("k:secret", "price", "a result that cannot be: secret", {"key": "k:secret"}),
    facts.Audited("k:secret", "price", 0.7),
    facts.ObserverFailed("mine.Observer", "Hit"),
]


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def observer(registry: CollectorRegistry) -> PrometheusObserver:
    return PrometheusObserver(registry)


def value(registry: CollectorRegistry, metric: str, /, **labels: str) -> float:
    """A sample of ours; 0 where there is none."""
    return registry.get_sample_value(f"freshql_cache_{metric}", labels) or 0.0


# ---- each fact ----


def test_there_is_an_example_of_each_fact() -> None:
    assert {type(fact) for fact in EXAMPLES} == set(get_args(Fact))


@pytest.mark.parametrize("fact", EXAMPLES, ids=lambda fact: type(fact).__name__)
def test_each_fact_moves_a_metric(
    fact: Fact, observer: PrometheusObserver, registry: CollectorRegistry
) -> None:
    before = generate_latest(registry)
    observer(fact)
    assert generate_latest(registry) != before


def test_no_key_no_tag_and_no_error_is_a_label(
    observer: PrometheusObserver, registry: CollectorRegistry
) -> None:
    for fact in EXAMPLES:
        observer(fact)
    assert b"secret" not in generate_latest(registry)
    assert b"2000000" not in generate_latest(registry)


@pytest.mark.parametrize(
    ("metric", "labels", "expected"),
    [
        ("hits_total", {"name": "price", "tier": "memory"}, 1),
        ("misses_total", {"name": "price", "reason": "purged"}, 1),
        (
            "stale_served_total",
            {"name": "price", "tier": "store", "why": "error", "purged": "yes"},
            1,
        ),
        ("stale_age_seconds_sum", {"why": "error"}, 90),
        ("bypassed_total", {"name": "price", "reason": "an open transaction"}, 1),
        ("joins_total", {"name": "price"}, 1),
        ("lease_wait_seconds_count", {"name": "price"}, 1),
        ("load_seconds_sum", {"name": "price"}, 0.03),
        ("load_failures_total", {"name": "price"}, 1),
        ("refreshes_total", {"name": "price", "early": "yes"}, 1),
        ("fills_total", {"name": "price"}, 1),
        ("fill_bytes_total", {"name": "price"}, 400),
        ("not_stored_total", {"name": "price", "reason": "too large"}, 1),
        ("invalidations_total", {}, 1),
        ("invalidated_tags_total", {}, 2),
        ("log_resets_total", {"why": "another epoch, or a gap"}, 1),
        ("epochs_begun_total", {"why": "the head was behind what is applied"}, 1),
        ("drains_total", {}, 1),
        ("drained_rows_total", {}, 3),
        ("tokens_ignored_total", {"reason": "malformed"}, 1),
        ("store_calls_total", {"purpose": "look"}, 1),
        ("store_commands_total", {"purpose": "look"}, 2),
        ("store_failures_total", {"purpose": "look"}, 1),
        ("breaker_open", {"server": "redis:6379"}, 1),
        ("breaker_changes_total", {"server": "redis:6379", "to": "open"}, 1),
        ("defects_total", {"name": "price", "what": "a result that cannot be"}, 1),
        ("audits_total", {"name": "price"}, 1),
        ("audits_stale_total", {"name": "price"}, 1),
        ("observer_failures_total", {"observer": "mine.Observer", "fact": "Hit"}, 1),
    ],
)
def test_what_each_metric_counts(
    metric: str,
    labels: dict[str, str],
    expected: float,
    observer: PrometheusObserver,
    registry: CollectorRegistry,
) -> None:
    for fact in EXAMPLES:
        observer(fact)
    assert value(registry, metric, **labels) == pytest.approx(expected)


def test_a_miss_of_a_store_that_is_away_has_a_reason(
    observer: PrometheusObserver, registry: CollectorRegistry
) -> None:
    observer(facts.Missed("k", "price", None))
    assert value(registry, "misses_total", name="price", reason="store away") == 1


def test_a_breaker_that_closes_is_shown_closed(
    observer: PrometheusObserver, registry: CollectorRegistry
) -> None:
    for is_open in (True, False):
        observer(facts.BreakerChanged("redis:6379", is_open))
    assert value(registry, "breaker_open", server="redis:6379") == 0
    assert value(registry, "breaker_changes_total", server="redis:6379", to="closed") == 1


def test_the_documentation_has_every_metric_with_its_labels() -> None:
    page = (ROOT / "docs" / "observability.md").read_text()
    rows = set(re.findall(r"^\| `(freshql_cache_\w+)` \| ([\w, ]*?) ?\| ", page, re.MULTILINE))
    counters = {
        (f"freshql_cache_{counted.metric}_total", ", ".join(counted.labels)) for counted in COUNTERS
    }
    others = {
        ("freshql_cache_load_seconds", "name"),
        ("freshql_cache_lease_wait_seconds", "name"),
        ("freshql_cache_stale_age_seconds", "why"),
        ("freshql_cache_breaker_open", "server"),
    }
    assert rows == counters | others


# ---- labels are few ----


def test_labels_are_bounded_in_number(registry: CollectorRegistry) -> None:
    counter = Counter("many", "Many.", ["name", "reason"], registry=registry)
    series = Series(counter, most=10)
    for number in range(1_000):
        series(f"name {number}", "reason").inc()

    made = [sample.labels["name"] for metric in registry.collect() for sample in metric.samples]
    assert len(set(made)) == 11
    other = registry.get_sample_value("many_total", {"name": "other", "reason": "other"})
    assert other == 990
    assert registry.get_sample_value("many_total", {"name": "name 3", "reason": "reason"}) == 1


def test_only_the_fixed_words_of_a_reason_are_a_label() -> None:
    assert words("a token cannot be resolved: Error 111") == "a token cannot be resolved"
    assert len(words("x" * 1_000)) == 80


def test_every_label_is_one_of_a_few_names() -> None:
    labels = {label for counted in COUNTERS for label in counted.labels}
    few = {"name", "tier", "why", "purged", "reason", "early", "purpose", "server", "to", "what"}
    assert labels == few | {"observer", "fact"}


def test_a_registry_takes_one_observer_of_a_prefix(registry: CollectorRegistry) -> None:
    PrometheusObserver(registry)
    PrometheusObserver(registry, prefix="other_cache")
    with pytest.raises(ValueError, match="Duplicated"):
        PrometheusObserver(registry)


# ---- the documented rates, over a real cache ----


def _sum(registry: CollectorRegistry, name: str, **labels: str) -> float:
    """What `sum(freshql_cache_name{labels})` is in a query."""
    samples = [sample for metric in registry.collect() for sample in metric.samples]
    return math.fsum(
        sample.value
        for sample in samples
        if sample.name == f"freshql_cache_{name}" and labels.items() <= sample.labels.items()
    )


def hit_rate(registry: CollectorRegistry) -> float:
    """The query of docs/observability.md."""
    hits = _sum(registry, "hits_total")
    hits += _sum(registry, "stale_served_total", why="revalidating")
    return hits / (hits + _sum(registry, "misses_total") + _sum(registry, "joins_total"))


@pytest.fixture
async def cache(
    redis: Redis, key_prefix: str, observer: PrometheusObserver
) -> Any:  # an async generator, as pytest runs it
    made = Cache(RedisStore(redis, key_prefix, observers=[observer]), observers=[observer])
    yield made
    await made.close()


async def test_the_hit_rate_counts_what_a_cache_could_answer(
    cache: Cache, registry: CollectorRegistry
) -> None:
    @cached(CachePolicy(ttl=60, scope=CacheScope.PUBLIC), tags=lambda row: [f"row:{row}"])
    async def row(row: int) -> str:
        return f"row {row}"

    with cache.activate("anonymous"):
        await row(1)
        for _ in range(3):
            await row(1)
        with bypass():
            for _ in range(96):
                await row(1)

    assert _sum(registry, "misses_total") == 1
    assert _sum(registry, "hits_total") == 3
    assert hit_rate(registry) == 0.75
    assert _sum(registry, "bypassed_total") == 96


# ---- several processes ----

_PROCESS = """
import sys
from prometheus_client import CollectorRegistry
from cache.facts import BreakerChanged, Hit, Loaded, Tier
from cache.integrations.prometheus import PrometheusObserver

observer = PrometheusObserver(CollectorRegistry())
for _ in range(int(sys.argv[1])):
    observer(Hit("k", "price", Tier.MEMORY, 1.0))
observer(Loaded("k", "price", 0.02, failed=False))
observer(BreakerChanged("redis", is_open=True))
"""

_SCRAPE = """
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

registry = CollectorRegistry()
MultiProcessCollector(registry)
print(generate_latest(registry).decode())
"""


def _run(directory: Path, program: str, *arguments: str) -> str:
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(directory)}
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**environment, "PYTHONPATH": os.pathsep.join([str(ROOT), *_path()])},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


def _path() -> Iterator[str]:
    yield from filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))


def test_several_processes_are_counted_together(tmp_path: Path) -> None:
    _run(tmp_path, _PROCESS, "2")
    _run(tmp_path, _PROCESS, "3")
    scraped = _run(tmp_path, _SCRAPE)
    assert 'freshql_cache_hits_total{name="price",tier="memory"} 5.0' in scraped
    assert 'freshql_cache_load_seconds_bucket{le="0.025",name="price"} 2.0' in scraped
    assert 'freshql_cache_breaker_open{server="redis"} 2.0' in scraped
