"""Loads a sample leaderboard: each submission goes through the board's own operator."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from cache.leaderboard import Board, Operator, Order, combined
from models.queries.scores import Place, write_places
from models.tables import Leaderboard
from ops.sample.data import SampleBoard
from resolvers.ids import encode_id


async def load_board(sample: SampleBoard, users: Mapping[str, int], now: datetime) -> None:
    """Make the board and submit its scores in order. ``users``: the ids of users by name."""
    await Leaderboard.create(
        slug=sample.slug,
        name=sample.name,
        operator=sample.operator,
        order=sample.order,
        tie_columns=[{"name": tie.name, "order": tie.order.value} for tie in sample.tie_columns],
        self_reported=sample.self_reported,
        created_at=now - timedelta(days=sample.days_ago),
    )
    board = Board(
        key=sample.slug,
        operator=Operator(sample.operator),
        order=Order(sample.order),
        ties=tuple(Order(tie.order) for tie in sample.tie_columns),
    )
    held: dict[str, Place] = {}
    version = 0
    for submission in sample.submissions:
        player = encode_id("User", users[submission.player])
        before = held.get(player)
        points = combined(
            board, None if before is None else before.points, (submission.score, *submission.ties)
        )
        if before is None or points != before.points:
            version += 1
            reached_at = now - timedelta(hours=submission.hours_ago)
            held[player] = Place(player, points, version, reached_at)
    await write_places(sample.slug, list(held.values()), (), version)
