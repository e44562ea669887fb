"""The enumerations of leaderboards, described value by value."""

from collections.abc import Mapping
from enum import Enum, StrEnum

import strawberry

from cache.leaderboard import Freshness, Ranking
from models.tables import Direction, Operator

__all__ = ["DeliveryMode", "Direction", "Freshness", "Operator", "Ranking", "SnapshotReason"]


def _describe(
    enum: type[StrEnum], name: str, description: str, values: Mapping[StrEnum, str]
) -> None:
    strawberry.enum(enum, name=name, description=description)
    for value in enum.__strawberry_definition__.values:  # type: ignore[attr-defined]  # set above
        value.description = values[enum(value.value)]


_describe(
    Operator,
    "LeaderboardOperator",
    "What a submission does to a player's points: the score and its tie columns.",
    {
        Operator.BEST: "Replaces them if it is strictly better, tie columns included.",
        Operator.SET: "Replaces them.",
        Operator.INCREMENT: "Is added to the score and to every tie column; may be negative.",
    },
)
_describe(
    Direction,
    "SortDirection",
    "Which values come first.",
    {Direction.ASC: "The smallest.", Direction.DESC: "The largest."},
)
_describe(
    Ranking,
    "Ranking",
    "How players with equal score and tie columns are numbered. Ranks count from 1.",
    {
        Ranking.ORDINAL: "1234: who got there first is first.",
        Ranking.COMPETITION: "1224: equals share a rank, and as many ranks are left out.",
        Ranking.DENSE: "1223: equals share a rank, and none is left out.",
    },
)
_describe(
    Freshness,
    "Freshness",
    "Where an answer comes from. Both are exact.",
    {
        Freshness.LIVE: "The board's sorted set.",
        Freshness.REBUILDING: "The database: the sorted set is being built, or cannot be reached.",
    },
)


@strawberry.enum(description="What a subscription sends.")
class DeliveryMode(Enum):
    """What a subscription sends."""

    SNAPSHOT = strawberry.enum_value(
        "SNAPSHOT", description="A snapshot at once, and another one after each change."
    )


@strawberry.enum(description="Why a snapshot was sent, other than for a change.")
class SnapshotReason(Enum):
    """Why a snapshot was sent."""

    INITIAL = strawberry.enum_value("INITIAL", description="The subscription began.")
    EPOCH = strawberry.enum_value(
        "EPOCH", description="The sorted set was built anew; cursors begin with another epoch."
    )
