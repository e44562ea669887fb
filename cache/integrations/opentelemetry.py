"""Facts as OpenTelemetry traces: `Cache(store, observers=[OpenTelemetryObserver()])`.

For operations, not for fields: whoever serves the operation starts its span (an ASGI or a GraphQL
instrumentation), and this adds to it. Needs `opentelemetry-api`; what becomes of spans is the
SDK's. Names of spans and attributes hold names of functions and reasons, never keys or tags.
"""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any
from weakref import WeakKeyDictionary

from opentelemetry import trace
from opentelemetry.trace import Link, Span, Status, StatusCode, Tracer
from opentelemetry.util.types import AttributeValue

from .. import facts
from ..facts import Fact, Hit, Joined, Loaded, Missed, Refreshed

PREFIX = "freshql.cache"

MOST_WAITING = 1_000
"""Loads under way whose origin is remembered; more are traced without a span of their own."""


@dataclass(frozen=True, slots=True)
class _Origin:
    """The span that a load began under, why it began, and whether that span waits for it."""

    span: Span
    reason: str
    is_background: bool


class OpenTelemetryObserver:
    """Adds to the span that is current where a fact is told, and makes one for each load.

    - How many values an operation got from each tier, and by joining, are attributes of its span.
    - What is rarer is an event on it: a miss, a stale value, a bypass, a purge, a failure.
    - A load is a span below the operation that it began in, or (a refresh, for which nobody waits)
      one of its own that is linked to it. It is made when the load has ended: what a load itself
      traces lies beside it, not below.

    Nothing is done where no span is being recorded. `tracer` and `time_ns` (nanoseconds, Unix) are
    this library's global ones if not given.
    """

    def __init__(
        self, tracer: Tracer | None = None, *, time_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self._tracer = tracer or trace.get_tracer("freshql_cache")
        self._time_ns = time_ns
        self._counts: WeakKeyDictionary[Span, Counter[str]] = WeakKeyDictionary()
        self._origins: OrderedDict[str, _Origin] = OrderedDict()

    def __call__(self, fact: Fact) -> None:
        if isinstance(fact, Loaded):
            self._end_load(fact)
            return
        span = trace.get_current_span()
        if not span.is_recording():
            return
        if isinstance(fact, Hit):
            self._count(span, f"{PREFIX}.hits.{fact.tier.value}")
        elif isinstance(fact, Joined):
            self._count(span, f"{PREFIX}.joins")
        else:
            self._add_event(span, fact)

    @property
    def waiting(self) -> int:
        """Loads whose end is awaited; at most `MOST_WAITING`."""
        return len(self._origins)

    def _count(self, span: Span, attribute: str) -> None:
        counts = self._counts.setdefault(span, Counter())
        counts[attribute] += 1
        span.set_attribute(attribute, counts[attribute])

    def _add_event(self, span: Span, fact: Fact) -> None:
        if isinstance(fact, Missed) and fact.reason is not None:
            self._begin_load(fact.key, _Origin(span, fact.reason.value, is_background=False))
        elif isinstance(fact, Refreshed):
            reason = "early" if fact.early else "stale"
            self._begin_load(fact.key, _Origin(span, reason, is_background=True))
        name, fields = _EVENTS.get(type(fact), ("", ()))
        if name:
            attributes = {field: _plain(getattr(fact, field)) for field in fields}
            span.add_event(f"{PREFIX}.{name}", _prefixed(attributes))

    # ---- loads ----

    def _begin_load(self, key: str, origin: _Origin) -> None:
        self._origins[key] = origin
        if len(self._origins) > MOST_WAITING:
            self._origins.popitem(last=False)

    def _end_load(self, fact: Loaded) -> None:
        origin = self._origins.pop(fact.key, None)
        if origin is None:
            return
        ended = self._time_ns()
        span = self._tracer.start_span(
            f"load {fact.name}",
            context=trace.set_span_in_context(
                trace.INVALID_SPAN if origin.is_background else origin.span
            ),
            links=[Link(origin.span.get_span_context())] if origin.is_background else None,
            attributes=_prefixed({"name": fact.name, "reason": origin.reason}),
            start_time=ended - round(fact.seconds * 1e9),
        )
        if fact.failed:
            span.set_status(Status(StatusCode.ERROR))
        span.end(ended)


_EVENTS: Mapping[type, tuple[str, Sequence[str]]] = {
    facts.Missed: ("miss", ("name", "reason")),
    facts.StaleServed: ("stale", ("name", "tier", "why", "age", "purged")),
    facts.Bypassed: ("bypass", ("name", "reason")),
    facts.Leased: ("leased", ("name", "waited")),
    facts.Invalidated: ("invalidate", ("tags",)),
    facts.TokenIgnored: ("token_ignored", ("reason",)),
    facts.StoreFailed: ("store_failed", ("purpose", "error")),
    facts.Defect: ("defect", ("name", "what")),
}
"""The facts that are events: what each is called, and which of its fields are attributes."""


def _plain(value: Any) -> AttributeValue:
    if value is None:
        return "store away"  # a miss without a verdict
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, frozenset):
        return len(value)
    plain: AttributeValue = value
    return plain


def _prefixed(attributes: Mapping[str, AttributeValue]) -> dict[str, AttributeValue]:
    return {f"{PREFIX}.{name}": value for name, value in attributes.items()}
