"""What a race is: an interleaving, who may play it, and what must lose it."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tests.support.world import Reads, World

EVERYWHERE = frozenset(Reads)
FOLLOWING = EVERYWHERE - {Reads.SERVER}
"""Where workers follow the log."""
STORED = EVERYWHERE - {Reads.MEMORY}
"""Where entries are in a store."""
IN_MEMORY = frozenset({Reads.MEMORY, Reads.TIERED})

Play = Callable[[World], Awaitable[tuple[Any, Any]]]
"""Plays the interleaving; returns what readers got, and what they must get."""


@dataclass(frozen=True)
class Control:
    """Rules that are off, where the race is lost without them.

    Names that are no `Rules` are of what applications do: the world does it wrong.
    """

    off: tuple[str, ...]
    reads: frozenset[Reads]


@dataclass(frozen=True)
class Race:
    """An interleaving."""

    play: Play
    reads: frozenset[Reads]
    controls: tuple[Control, ...]

    @property
    def name(self) -> str:
        return self.play.__name__


ALL_RACES: list[Race] = []


def off(*rules: str, reads: Iterable[Reads] = EVERYWHERE) -> Control:
    """Without these rules the race is lost, where it is played and entries are read so."""
    return Control(rules, frozenset(reads))


def race(*controls: Control, reads: Iterable[Reads] = EVERYWHERE) -> Callable[[Play], Play]:
    """Register a race."""
    played = frozenset(reads)

    def register(play: Play) -> Play:
        own = tuple(Control(one.off, one.reads & played) for one in controls)
        ALL_RACES.append(Race(play, played, own))
        return play

    return register
