"""Facts as traces: on the operation's span, and one span for each load."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import StatusCode, Tracer
from redis.asyncio import Redis

from cache import Cache, CachePolicy, CacheScope, RedisStore, cached
from cache.facts import (
    Bypassed,
    Fact,
    Filled,
    Hit,
    Invalidated,
    Joined,
    Loaded,
    Missed,
    Refreshed,
    StaleServed,
    StoreFailed,
    Tier,
    Why,
)
from cache.integrations import opentelemetry as tracing
from cache.integrations.opentelemetry import OpenTelemetryObserver
from cache.protocol import Position, Verdict

NOW = 1_700_000_000_000_000_000
"""Nanoseconds."""


class Traces:
    """A tracer, the observer under test, and the spans that ended."""

    def __init__(self, **options: Any) -> None:
        self._exporter = InMemorySpanExporter()
        self._provider = TracerProvider(**options)
        self._provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer: Tracer = self._provider.get_tracer("test")
        self.observer = OpenTelemetryObserver(self.tracer, time_ns=lambda: NOW)

    def tell(self, *facts: Fact) -> None:
        for fact in facts:
            self.observer(fact)

    @property
    def all(self) -> tuple[ReadableSpan, ...]:
        return self._exporter.get_finished_spans()

    @property
    def spans(self) -> dict[str, ReadableSpan]:
        return {span.name: span for span in self.all}


@pytest.fixture
def traces() -> Traces:
    return Traces()


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def events(span: ReadableSpan) -> list[tuple[str, dict[str, Any]]]:
    return [(event.name, dict(event.attributes or {})) for event in span.events]


def test_hits_and_joins_are_counted_on_the_operation(traces: Traces) -> None:
    with traces.tracer.start_as_current_span("query"):
        traces.tell(*[Hit("k", "price", Tier.MEMORY, 1.0)] * 3)
        traces.tell(Hit("k", "price", Tier.STORE, 1.0), Joined("k", "price"))
    [span] = traces.spans.values()
    assert attributes(span) == {
        "freshql.cache.hits.memory": 3,
        "freshql.cache.hits.store": 1,
        "freshql.cache.joins": 1,
    }
    assert not span.events


def test_each_operation_is_counted_apart(traces: Traces) -> None:
    for name in ("first", "second"):
        with traces.tracer.start_as_current_span(name):
            traces.tell(Hit("k", "price", Tier.MEMORY, 1.0))
    counted = [attributes(span)["freshql.cache.hits.memory"] for span in traces.spans.values()]
    assert counted == [1, 1]


def test_what_is_rare_is_an_event(traces: Traces) -> None:
    with traces.tracer.start_as_current_span("query"):
        traces.tell(
            Missed("k", "price", None),
            StaleServed("k", "price", Tier.STORE, 90.0, Why.SLOW, purged=False),
            Bypassed("price", "an open transaction"),
            Invalidated(frozenset(["a", "b"]), Position("e", 1)),
            StoreFailed("look", "away"),
            Filled("k", "price", 100),
        )
    assert events(traces.spans["query"]) == [
        (
            "freshql.cache.miss",
            {"freshql.cache.name": "price", "freshql.cache.reason": "store away"},
        ),
        (
            "freshql.cache.stale",
            {
                "freshql.cache.name": "price",
                "freshql.cache.tier": "store",
                "freshql.cache.why": "slow",
                "freshql.cache.age": 90.0,
                "freshql.cache.purged": False,
            },
        ),
        (
            "freshql.cache.bypass",
            {"freshql.cache.name": "price", "freshql.cache.reason": "an open transaction"},
        ),
        ("freshql.cache.invalidate", {"freshql.cache.tags": 2}),
        (
            "freshql.cache.store_failed",
            {"freshql.cache.purpose": "look", "freshql.cache.error": "away"},
        ),
    ]


def test_a_load_is_a_span_below_its_operation(traces: Traces) -> None:
    with traces.tracer.start_as_current_span("query"):
        traces.tell(Missed("k", "price", Verdict.PURGED))
    traces.tell(Loaded("k", "price", 0.25, failed=False))  # in the load's own, clean context

    load, operation = traces.spans["load price"], traces.spans["query"]
    assert load.parent == operation.get_span_context()
    assert attributes(load) == {"freshql.cache.name": "price", "freshql.cache.reason": "purged"}
    assert (load.start_time, load.end_time) == (NOW - 250_000_000, NOW)
    assert load.status.status_code is StatusCode.UNSET


def test_a_load_that_failed_is_an_error(traces: Traces) -> None:
    with traces.tracer.start_as_current_span("query"):
        traces.tell(Missed("k", "price", Verdict.ABSENT), Loaded("k", "price", 0.1, failed=True))
    assert traces.spans["load price"].status.status_code is StatusCode.ERROR


@pytest.mark.parametrize(("early", "reason"), [(False, "stale"), (True, "early")])
def test_a_refresh_is_a_trace_of_its_own_with_a_link(
    early: bool, reason: str, traces: Traces
) -> None:
    with traces.tracer.start_as_current_span("query"):
        traces.tell(Refreshed("k", "price", early))
        traces.tell(Loaded("k", "price", 0.1, failed=False))

    load, operation = traces.spans["load price"], traces.spans["query"]
    assert load.parent is None
    assert [link.context for link in load.links] == [operation.get_span_context()]
    assert attributes(load)["freshql.cache.reason"] == reason


def test_a_load_without_an_operation_has_no_span(traces: Traces) -> None:
    traces.tell(Missed("k", "price", Verdict.ABSENT), Loaded("k", "price", 0.1, failed=False))
    traces.tell(Hit("k", "price", Tier.MEMORY, 1.0))
    assert traces.spans == {}


def test_nothing_is_kept_of_what_is_not_recorded() -> None:
    traces = Traces(sampler=ALWAYS_OFF)
    with traces.tracer.start_as_current_span("query"):
        traces.tell(Missed("k", "price", Verdict.ABSENT), Hit("k", "price", Tier.MEMORY, 1.0))
    assert traces.observer.waiting == 0
    assert traces.spans == {}


def test_loads_that_never_end_are_forgotten(
    traces: Traces, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "MOST_WAITING", 10)
    with traces.tracer.start_as_current_span("query"):
        for number in range(100):
            traces.tell(Missed(f"k{number}", "price", Verdict.ABSENT))
    assert traces.observer.waiting == 10


# ---- over a real cache ----


@pytest.fixture
async def cache(redis: Redis, key_prefix: str, traces: Traces) -> AsyncIterator[Cache]:
    observers = [traces.observer]
    made = Cache(RedisStore(redis, key_prefix, observers=observers), observers=observers)
    yield made
    await made.close()


async def test_an_operation_tells_what_it_cost(cache: Cache, traces: Traces) -> None:
    @cached(CachePolicy(ttl=60, scope=CacheScope.PUBLIC), tags=lambda row: [f"row:{row}"])
    async def row(row: int) -> str:
        return f"row {row}"

    with cache.activate("anonymous"):
        with traces.tracer.start_as_current_span("first"):
            await asyncio.gather(row(1), row(2))
        with traces.tracer.start_as_current_span("second"):
            await asyncio.gather(row(1), row(2))

    first, second = traces.spans["first"], traces.spans["second"]
    assert [name for name, _ in events(first)] == ["freshql.cache.miss"] * 2
    loads = [span for span in traces.all if span.name.startswith("load ")]
    assert [load.parent for load in loads] == [first.get_span_context()] * 2
    assert attributes(second) == {"freshql.cache.hits.store": 2}
    assert events(second) == []
