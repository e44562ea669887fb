"""Facts as Prometheus metrics: `Cache(store, observers=[PrometheusObserver()])`.

Labels are names of functions, tiers and reasons: few, and at most `MOST_SERIES` for one metric.
Keys and tags are never labels. `docs/observability.md` has the queries.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from ..facts import BreakerChanged, Fact, Leased, Loaded, StaleServed
from .prometheus_counters import COUNTERS, Counted

MOST_SERIES = 1_000
"""Series of one metric: what would be one more is counted as `other`."""

SECONDS: Sequence[float] = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Upper bounds of the buckets for what takes time."""

AGES: Sequence[float] = (1, 5, 15, 60, 300, 900, 3_600, 14_400, 86_400)
"""Upper bounds of the buckets for how old a stale value was, in seconds."""

Metric = TypeVar("Metric", bound=MetricWrapperBase)


class PrometheusObserver:
    """Counts every fact in `registry`. One for each registry: metrics have their names once.

    - `prefix` begins the name of each metric.
    - `buckets` are the upper bounds of the histogram of loads, in seconds.

    With prometheus_client's mode for several processes (`PROMETHEUS_MULTIPROC_DIR`) the sums over
    all of them are right: the only gauge is the number of processes whose breaker is open.
    """

    def __init__(
        self,
        registry: CollectorRegistry = REGISTRY,
        *,
        prefix: str = "freshql_cache",
        buckets: Sequence[float] = SECONDS,
    ) -> None:
        self._updates: dict[type, list[Callable[[Fact], None]]] = defaultdict(list)
        self._registry = registry
        self._prefix = prefix
        for counted in COUNTERS:
            counter = Counter(
                f"{prefix}_{counted.metric}", counted.help, list(counted.labels), registry=registry
            )
            self._updates[counted.kind].append(_counting(Series(counter), counted))
        self._observe_seconds(buckets)
        self._show_breaker()

    def __call__(self, fact: Fact) -> None:
        for update in self._updates.get(type(fact), ()):
            update(fact)

    def _observe_seconds(self, buckets: Sequence[float]) -> None:
        loads = self._histogram("load_seconds", "How long loads took.", "name", buckets)
        waits = self._histogram(
            "lease_wait_seconds",
            "How long a reader waited for a load of another process.",
            "name",
            buckets,
        )
        ages = self._histogram("stale_age_seconds", "How old stale values were.", "why", AGES)

        def observe(fact: Fact) -> None:
            if isinstance(fact, Loaded):
                loads(fact.name).observe(fact.seconds)
            elif isinstance(fact, Leased):
                waits(fact.name).observe(fact.waited)
            elif isinstance(fact, StaleServed):
                ages(fact.why.value).observe(fact.age)

        for kind in (Loaded, Leased, StaleServed):
            self._updates[kind].append(observe)

    def _histogram(
        self, metric: str, about: str, label: str, buckets: Sequence[float]
    ) -> Series[Histogram]:
        name = f"{self._prefix}_{metric}"
        return Series(Histogram(name, about, [label], buckets=buckets, registry=self._registry))

    def _show_breaker(self) -> None:
        gauge = Gauge(
            f"{self._prefix}_breaker_open",
            "Processes whose circuit breaker for this server is open.",
            ["server"],
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        series = Series(gauge)

        def show(fact: Fact) -> None:
            if isinstance(fact, BreakerChanged):
                series(fact.name).set(float(fact.is_open))

        self._updates[BreakerChanged].append(show)


class Series(Generic[Metric]):
    """A metric's series by the values of its labels, bounded in number.

    Remembered here because prometheus_client's own look-up takes a lock and checks its arguments,
    and a hit in memory should cost little more than its look-up.
    """

    def __init__(self, metric: Metric, most: int = MOST_SERIES) -> None:
        self._metric = metric
        self._most = most
        self._series: dict[tuple[str, ...], Metric] = {}

    def __call__(self, *values: str) -> Metric:
        found = self._series.get(values)
        return self._add(values) if found is None else found

    def _add(self, values: tuple[str, ...]) -> Metric:
        if not values:
            return self._metric
        if len(self._series) >= self._most:
            other = ("other",) * len(values)
            return self._series[other] if other in self._series else self._make(other)
        return self._make(values)

    def _make(self, values: tuple[str, ...]) -> Metric:
        made: Metric = self._metric.labels(*values)
        self._series[values] = made
        return made


def _counting(series: Series[Counter], counted: Counted) -> Callable[[Fact], None]:
    readers, amount = tuple(counted.labels.values()), counted.amount

    def count(fact: Fact) -> None:
        series(*[read(fact) for read in readers]).inc(amount(fact))

    return count
