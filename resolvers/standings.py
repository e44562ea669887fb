"""Questions about a leaderboard as clients ask them: arguments checked, cursors read and written.

The answers are live: each is read from the sorted set, none is cached.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as MalformedBase64
from collections.abc import Sequence
from typing import Final, TypeVar

import msgspec

from cache.leaderboard import (
    MAX_VALUE,
    Around,
    Count,
    Entries,
    Freshness,
    Page,
    Percentile,
    Place,
    Placed,
    Position,
    Question,
    RankOfScore,
    Reading,
    Slice,
    State,
    Submitted,
)
from resolvers.context import Context
from resolvers.errors import InvalidArgument
from resolvers.ids import split_id
from resolvers.inputs import between
from resolvers.leaderboards import board_of, checked_player
from resolvers.paging import MAX_SIZE
from resolvers.rows import LeaderboardRow

MAX_PLAYERS: Final = 100

A = TypeVar("A")

_MAX_CURSOR: Final = 200
_CURSOR: Final = "RANK"


async def read(ctx: Context, row: LeaderboardRow, question: Question[A]) -> Reading[A]:
    """Ask the board; all that is asked of it in one tick is answered in one state of it."""
    return await ctx.leaderboards.read(board_of(row), question)


async def state(ctx: Context, row: LeaderboardRow) -> Reading[None]:
    """Return the board's version and size, and where they were read."""
    return await read(ctx, row, State())


async def top(ctx: Context, row: LeaderboardRow, first: int, after: str | None) -> Reading[Page]:
    """Return a page in the order of the board."""
    return await read(ctx, row, Slice(page_size(first), after=position_of(row, after)))


async def by_score(
    ctx: Context, row: LeaderboardRow, scores: Count, first: int, after: str | None
) -> Reading[Page]:
    """Return a page of the players whose score is within `scores`."""
    wanted = Slice(
        page_size(first), after=position_of(row, after), low=scores.low, high=scores.high
    )
    return await read(ctx, row, wanted)


async def count(ctx: Context, row: LeaderboardRow, scores: Count) -> int:
    """Return how many players have a score within `scores`."""
    return (await read(ctx, row, scores)).answer


async def entries(
    ctx: Context, row: LeaderboardRow, players: Sequence[str]
) -> tuple[Placed | None, ...]:
    """Return the players' rows in the order of `players`; None for one that has none."""
    if len(players) > MAX_PLAYERS:
        raise InvalidArgument("players", f"at most {MAX_PLAYERS} players", len(players))
    wanted = tuple(checked_player(player, "players") for player in players)
    return (await read(ctx, row, Entries(wanted))).answer


async def entry(ctx: Context, row: LeaderboardRow, player: str) -> Placed | None:
    """Return a player's row."""
    wanted = Entries((checked_player(player),))
    return (await read(ctx, row, wanted)).answer[0]


async def entry_after(ctx: Context, row: LeaderboardRow, done: Submitted) -> Placed | None:
    """Return the row of a player who has just submitted: as it is now.

    Should the board's copy be gone since, it is what was acknowledged, with its competition rank:
    the database does not have it yet.
    """
    held = done.change.after
    reading = await read(ctx, row, Entries((held.player,)))
    if reading.header.freshness is Freshness.LIVE:
        return reading.answer[0]
    return Placed(held, Place(ordinal=done.rank, competition=done.rank, dense=done.rank))


async def around(
    ctx: Context, row: LeaderboardRow, player: str, above: int, below: int
) -> tuple[Placed, ...]:
    """Return the player's row and its neighbours; nothing for an unknown player."""
    wanted = Around(
        checked_player(player),
        between(above, 0, MAX_SIZE, "above"),
        between(below, 0, MAX_SIZE, "below"),
    )
    return (await read(ctx, row, wanted)).answer


async def rank_of_score(ctx: Context, row: LeaderboardRow, score: int) -> int:
    """Return 1 + the players with a strictly better score."""
    return (await read(ctx, row, RankOfScore(score))).answer


async def percentile(ctx: Context, row: LeaderboardRow, player: str) -> float | None:
    """Return 100 × the players strictly worse ÷ (size − 1); None for an unknown player."""
    return (await read(ctx, row, Percentile(checked_player(player)))).answer


def page_size(first: int) -> int:
    """Return the size of a page: 1 to 100."""
    return between(first, 1, MAX_SIZE, "first")


def user_of(player: str) -> int | None:
    """Return the number of the user that a player's name is the id of, if it is one."""
    try:
        kind, key = split_id(player, "player")
    except InvalidArgument:
        return None
    return key if kind == "User" and isinstance(key, int) else None


def cursor(position: Position) -> str:
    """Return the cursor of a place on a board."""
    raw = msgspec.json.encode((_CURSOR, *position.points, position.sequence))
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def position_of(row: LeaderboardRow, text: str | None) -> Position | None:
    """Return the place that a cursor of this board names; None for no cursor."""
    if text is None:
        return None
    expected = "a cursor of this leaderboard, as a page returned it"
    malformed = InvalidArgument("after", expected, text)
    name, *values = _decoded(text, malformed)
    if name != _CURSOR or len(values) != len(row.tie_columns) + 2:
        raise malformed
    if any(abs(value) > MAX_VALUE for value in values):
        raise malformed
    return Position(tuple(values[:-1]), values[-1])


def _decoded(text: str, malformed: InvalidArgument) -> tuple[str, *tuple[int, ...]]:
    if len(text) > _MAX_CURSOR:
        raise malformed
    try:
        raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        name, *values = msgspec.json.decode(raw, type=list[str | int])
    except (MalformedBase64, UnicodeError, ValueError, msgspec.MsgspecError) as error:
        raise malformed from error
    numbers = [value for value in values if isinstance(value, int)]
    if len(numbers) != len(values):
        raise malformed
    return str(name), *numbers
