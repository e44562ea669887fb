"""Leaderboards over sorted sets: exact, with ties, acknowledged by Redis, flushed to SQL.

boards = Leaderboards(redis, source, prefix="shop")     # source: a `ScoreSource`, SQL for example
boards.start()                                          # flushes to it what is acknowledged
board = Board("spring", Operator.INCREMENT, Order.DESC, ties=(Order.DESC,))

done = await boards.submit(board, Submission("ada", (3, 1)))
done.previous_rank, done.rank
page = (await boards.read(board, Slice(limit=10))).answer
[(row.place.rank(Ranking.DENSE), row.standing.player) for row in page.rows]

It needs only a Redis client and a `ScoreSource`. `docs/leaderboards.md` has the rules and races.
"""

from __future__ import annotations

from .board import MAX_TIE_COLUMNS, Board, Freshness, Operator, Order, Ranking
from .direct import SQL_EPOCH
from .entries import FIELD, STANDING, Flushed, Held, flushed
from .journal import stream_name
from .keeper import Timing
from .points import (
    MAX_PLAYER_BYTES,
    MAX_VALUE,
    Points,
    Position,
    ScoreRefusedError,
    Standing,
    check_player,
    combined,
)
from .questions import (
    Around,
    Count,
    Entries,
    Header,
    Page,
    Percentile,
    Place,
    Placed,
    Question,
    RankOfScore,
    Reading,
    Slice,
    State,
)
from .service import Leaderboards, Options
from .source import EVERYWHERE, Ahead, Bounds, Change, ScoreSource, Submission
from .submitting import Submitted
from .watch import Mark, Watch

__all__ = [
    "EVERYWHERE",
    "FIELD",
    "MAX_PLAYER_BYTES",
    "MAX_TIE_COLUMNS",
    "MAX_VALUE",
    "SQL_EPOCH",
    "STANDING",
    "Ahead",
    "Around",
    "Board",
    "Bounds",
    "Change",
    "Count",
    "Entries",
    "Flushed",
    "Freshness",
    "Header",
    "Held",
    "Leaderboards",
    "Mark",
    "Operator",
    "Options",
    "Order",
    "Page",
    "Percentile",
    "Place",
    "Placed",
    "Points",
    "Position",
    "Question",
    "RankOfScore",
    "Ranking",
    "Reading",
    "ScoreRefusedError",
    "ScoreSource",
    "Slice",
    "Standing",
    "State",
    "Submission",
    "Submitted",
    "Timing",
    "Watch",
    "check_player",
    "combined",
    "flushed",
    "stream_name",
]
