"""Loads a sample leaderboard: each submission goes through the board's own operator."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial

from cache.leaderboard import Board, Operator, Order, Submission
from models.tables import Leaderboard
from ops.sample.data import SampleBoard
from resolvers.ids import encode_id
from resolvers.score_source import SqlScores


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
    for submission in sample.submissions:
        reached_at = now - timedelta(hours=submission.hours_ago)
        scores = SqlScores(now=partial(_same, reached_at))
        player = encode_id("User", users[submission.player])
        points = (submission.score, *submission.ties)
        await scores.submit(board, Submission(player, points))


def _same(moment: datetime) -> datetime:
    return moment
