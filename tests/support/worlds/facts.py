"""What a cache told."""

from typing import Any

from cache.facts import Fact, Filled, Hit


class Facts(list[Fact]):
    """Collects facts; `Facts` is itself an observer."""

    def __call__(self, fact: Fact) -> None:
        self.append(fact)

    def count(self, kind: type[Fact]) -> int:  # type: ignore[override]  # by kind, not by value
        return len(self.of(kind))

    def of(self, kind: type[Any]) -> list[Any]:
        return [fact for fact in self if isinstance(fact, kind)]

    @property
    def hits(self) -> int:
        return self.count(Hit)

    @property
    def fills(self) -> int:
        return self.count(Filled)
