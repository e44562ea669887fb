"""What a board's stream says of a player: what they hold from then on, or that they were removed.

`<points>:<sequence>:<time>`: decimal columns with commas between them, the board's version at which
these points were reached, and when (microseconds since 1970). `:<version>:` for who was removed.
`lua/entry.lua` writes the same. Each says all: of several of one player the last is enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from ..writes import Changes, Rule
from .points import Points, Standing

FIELD: Final = "standing"
"""The one field of a player in a board's stream."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Held:
    """What a player holds as of the board's `version`. No points: they were removed."""

    version: int
    points: Points = ()
    achieved_at: datetime = _EPOCH


@dataclass(frozen=True, slots=True)
class Flushed:
    """What a batch comes to: rows to write, players to remove, and the board's version then."""

    standings: Sequence[Standing]
    removed: Sequence[str]
    version: int


def encoded(held: Held) -> str:
    """The text of the stream."""
    if not held.points:
        return f":{held.version}:"
    columns = ",".join(map(str, held.points))
    return f"{columns}:{held.version}:{microseconds(held.achieved_at)}"


def decoded(text: str) -> Held:
    """The inverse of `encoded`. Raises ValueError for another text."""
    points, version, time = text.split(":")
    if not points:
        return Held(int(version))
    columns = tuple(int(column) for column in points.split(","))
    return Held(int(version), columns, moment(int(time)))


STANDING: Final[Rule[Held]] = Rule(
    "STANDING",
    merge=lambda _, later: later,
    commutes=False,
    encode=encoded,
    decode=decoded,
    initial=Held(0),
)
"""What a player holds: the last one counts."""


def flushed(changes: Changes[Held]) -> Flushed:
    """What a batch's merged operations come to, for an `Operation.apply`."""
    held = {player: fields[FIELD] for player, fields in changes.items()}
    return Flushed(
        standings=[
            Standing(player, it.points, it.version, it.achieved_at, it.version)
            for player, it in held.items()
            if it.points
        ],
        removed=[player for player, it in held.items() if not it.points],
        version=max((it.version for it in held.values()), default=0),
    )


def moment(microseconds: int) -> datetime:
    """The time so many microseconds after 1970 began, in UTC."""
    return _EPOCH + microseconds * _MICROSECOND


def microseconds(time: datetime) -> int:
    """The inverse of `moment`."""
    return (time - _EPOCH) // _MICROSECOND
