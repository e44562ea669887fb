"""Telling facts to whoever observes: what an observer does wrong is its own."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable

from .facts import Defect, Fact, Observer, ObserverFailed

log = logging.getLogger(__name__)


class Observers:
    """Tells each fact to every observer, in their order.

    An observer that raises breaks neither the request nor the other observers. The first time that
    it does so for a kind of fact is logged with its traceback; every time counts in `failures`, by
    (observer, kind), and the others are told `ObserverFailed`.

    False where nobody observes: then a fact need not even be made.
    """

    __slots__ = ("_observers", "failures")

    def __init__(self, observers: Iterable[Observer] = ()) -> None:
        self._observers = tuple(observers)
        self.failures: Counter[tuple[str, str]] = Counter()

    def __bool__(self) -> bool:
        return bool(self._observers)

    def __call__(self, fact: Fact) -> None:
        for observer in self._observers:
            try:
                observer(fact)
            except Exception:  # noqa: BLE001 - whatever it is, the request goes on
                self._failed(observer, fact)

    def _failed(self, observer: Observer, fact: Fact) -> None:
        name, kind = _name_of(observer), type(fact).__name__
        self.failures[name, kind] += 1
        if self.failures[name, kind] == 1:
            log.exception("the observer %s failed on %s; logged once, counted on", name, kind)
        if not isinstance(fact, ObserverFailed):  # or two that fail would tell each other for ever
            others = [other for other in self._observers if other is not observer]
            self._tell_of(others, ObserverFailed(name, kind))

    def _tell_of(self, others: Iterable[Observer], fact: ObserverFailed) -> None:
        for other in others:
            try:
                other(fact)
            except Exception:  # noqa: BLE001 - as above
                self._failed(other, fact)


def _name_of(observer: Observer) -> str:
    """Its function's or its class's name: few, and no addresses in them."""
    named = observer if hasattr(observer, "__qualname__") else type(observer)
    return f"{named.__module__}.{named.__qualname__}"


def log_defects(fact: Fact) -> None:
    """An observer: a defect is an error in the log, with what is known of the entry."""
    if isinstance(fact, Defect):
        log.error("%s: %s (key %s) %s", fact.name, fact.what, fact.key, dict(fact.history))
