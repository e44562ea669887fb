"""`Leaderboard`, its windows, and what is on them.

What is on a board is read from its sorted set, live. All fields of one level that ask about a
board are one question to it, so what they say is of one state.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

import strawberry

from cache.leaderboard import Count, Page, Placed, Reading
from gql.schema.binding import bound, uncached
from gql.schema.connection import Edge, Listing, PageInfo, page_info_field
from gql.schema.context import Info
from gql.schema.leaderboard_enums import Direction, Freshness, Operator, Ranking
from gql.schema.node import Node, stands_for
from gql.schema.scalars import SafeInt
from gql.schema.user import User
from resolvers import standings, users
from resolvers.ids import encode_id
from resolvers.leaderboards import leaderboard, leaderboard_count
from resolvers.rows import LeaderboardRow, TieColumnRow, UserRow

ALL: Final = "all"
"""The key of the window that never ends."""

_LIVE: Final = "live: read from the sorted set"
_COMPUTED: Final = "computed from the row"

First = Annotated[int | None, strawberry.argument(description="At most so many entries, 1 to 100.")]
After = Annotated[
    str | None, strawberry.argument(description="Only entries behind the one with this cursor.")
]
Numbering = Annotated[Ranking | None, strawberry.argument(description="How equals are numbered.")]
Player = Annotated[
    strawberry.ID, strawberry.argument(description="A player: 1 to 64 bytes; a user's is their id.")
]
Players = Annotated[
    list[strawberry.ID], strawberry.argument(description="At most 100 players, in any order.")
]
Neighbours = Annotated[int | None, strawberry.argument(description="How many of them, 0 to 100.")]
Score = Annotated[SafeInt, strawberry.argument(description="A score; tie columns are ignored.")]
Lowest = Annotated[
    SafeInt | None, strawberry.argument(name="min", description="Not a smaller score.")
]
Highest = Annotated[
    SafeInt | None, strawberry.argument(name="max", description="Not a larger score.")
]
WindowKey = Annotated[str | None, strawberry.argument(description="`all`, the only one so far.")]


DEFAULT_FIRST: Final = 10
"""Entries of a page, where a client says nothing or null."""
DEFAULT_NEIGHBOURS: Final = 5


@dataclass(frozen=True, slots=True)
class Window:
    """A window of a board."""

    row: LeaderboardRow
    key: str = ALL


@dataclass(frozen=True, slots=True)
class Entry:
    """A player's place, in the numbering that was asked for."""

    rank: int
    player: str
    score: int
    tie_columns: tuple[int, ...]
    achieved_at: datetime
    cursor: str


def entry_of(placed: Placed, ranking: Ranking | None = None) -> Entry:
    """Return a place as the schema shows it; COMPETITION where no numbering is asked for."""
    standing = placed.standing
    score, *ties = standing.points
    return Entry(
        rank=placed.place.rank(ranking or Ranking.COMPETITION),
        player=standing.player,
        score=score,
        tie_columns=tuple(ties),
        achieved_at=standing.achieved_at,
        cursor=standings.cursor(standing.position),
    )


@dataclass(frozen=True, slots=True)
class EntryPage:
    """A page of a board: of all its players, or of those with a score within `scores`."""

    row: LeaderboardRow
    reading: Reading[Page]
    ranking: Ranking | None
    paged: bool
    scores: Count | None = None

    @property
    def entries(self) -> list[Entry]:
        """The page's entries."""
        return [entry_of(placed, self.ranking) for placed in self.reading.answer.rows]


async def _user(root: Entry, info: Info) -> UserRow | None:
    user_id = standings.user_of(root.player)
    return None if user_id is None else await users.user(info.context.ctx, user_id)


@strawberry.type(description="A player's place on a leaderboard.")
class LeaderboardEntry:
    """Over `Entry`."""

    rank: int = strawberry.field(description="Counts from 1, in the numbering asked for.")
    player: strawberry.ID = strawberry.field(description="Who: an opaque name, or a user's id.")
    user: User | None = bound(users.user, _user, "The user, where the player is a user's id.")
    score: SafeInt = strawberry.field(description="The score.")
    tie_columns: list[SafeInt] = strawberry.field(
        description="What decides between equal scores, in the order of the board's tie columns."
    )
    achieved_at: datetime = strawberry.field(
        description="When score and tie columns became what they are. Among equals the first wins."
    )


def _edges(root: EntryPage) -> list[Edge[Entry]]:
    return [Edge(entry.cursor, entry) for entry in root.entries]


def _page_info(root: EntryPage) -> PageInfo:
    entries = root.entries
    return PageInfo(
        has_next_page=root.reading.answer.has_next,
        has_previous_page=root.paged,
        start_cursor=entries[0].cursor if entries else None,
        end_cursor=entries[-1].cursor if entries else None,
    )


async def _total_count(root: EntryPage, info: Info) -> int:
    if root.scores is None:
        return root.reading.header.size
    return await standings.count(info.context.ctx, root.row, root.scores)


@strawberry.type(description="An entry in a list.")
class LeaderboardEntryEdge:
    """One item of a page."""

    cursor: str = strawberry.field(description="Where it is on the board; opaque.")
    node: LeaderboardEntry = strawberry.field(description="The entry.")


@strawberry.type(description="A page of a leaderboard.")
class LeaderboardEntryConnection:
    """A Relay connection over an `EntryPage`."""

    edges: list[LeaderboardEntryEdge] = uncached(_edges, "The page's items.", because=_LIVE)
    page_info: PageInfo = uncached(_page_info, "Where the page lies in the list.", because=_LIVE)
    total_count: int = uncached(_total_count, "How many entries the list has.", because=_LIVE)


async def _size(root: LeaderboardRow | Window, info: Info) -> int:
    row = root if isinstance(root, LeaderboardRow) else root.row
    return (await standings.state(info.context.ctx, row)).header.size


async def _cursor(root: Window, info: Info) -> str:
    return (await standings.state(info.context.ctx, root.row)).header.cursor


async def _freshness(root: Window, info: Info) -> Freshness:
    return (await standings.state(info.context.ctx, root.row)).header.freshness


def _size_of(first: int | None) -> int:
    return DEFAULT_FIRST if first is None else first


async def _top(
    root: Window,
    info: Info,
    first: First = DEFAULT_FIRST,
    after: After = None,
    ranking: Numbering = Ranking.COMPETITION,
) -> EntryPage:
    reading = await standings.top(info.context.ctx, root.row, _size_of(first), after)
    return EntryPage(root.row, reading, ranking, paged=after is not None)


async def _entry(
    root: Window, info: Info, player: Player, ranking: Numbering = Ranking.COMPETITION
) -> Entry | None:
    placed = await standings.entry(info.context.ctx, root.row, player)
    return None if placed is None else entry_of(placed, ranking)


async def _entries(
    root: Window, info: Info, players: Players, ranking: Numbering = Ranking.COMPETITION
) -> list[Entry | None]:
    found = await standings.entries(info.context.ctx, root.row, players)
    return [None if placed is None else entry_of(placed, ranking) for placed in found]


async def _around(  # noqa: PLR0913 - the arguments of the field
    root: Window,
    info: Info,
    *,
    player: Player,
    above: Neighbours = DEFAULT_NEIGHBOURS,
    below: Neighbours = DEFAULT_NEIGHBOURS,
    ranking: Numbering = Ranking.COMPETITION,
) -> list[Entry]:
    sides = [DEFAULT_NEIGHBOURS if side is None else side for side in (above, below)]
    found = await standings.around(info.context.ctx, root.row, player, *sides)
    return [entry_of(placed, ranking) for placed in found]


async def _by_score(  # noqa: PLR0913 - the arguments of the field
    root: Window,
    info: Info,
    *,
    lowest: Lowest = None,
    highest: Highest = None,
    first: First = DEFAULT_FIRST,
    after: After = None,
) -> EntryPage:
    scores = Count(lowest, highest)
    reading = await standings.by_score(info.context.ctx, root.row, scores, _size_of(first), after)
    paged = after is not None
    return EntryPage(root.row, reading, Ranking.COMPETITION, paged=paged, scores=scores)


async def _rank_of_score(root: Window, info: Info, score: Score) -> int:
    return await standings.rank_of_score(info.context.ctx, root.row, score)


async def _percentile(root: Window, info: Info, player: Player) -> float | None:
    return await standings.percentile(info.context.ctx, root.row, player)


@strawberry.type(description="A leaderboard over a span of time.")
class LeaderboardWindow:
    """Over `Window`."""

    key: str = strawberry.field(description="`all`: everything that was ever submitted.")
    size: int = uncached(_size, "How many players it has.", because=_LIVE)
    cursor: str = uncached(
        _cursor,
        "`epoch:version`. The version counts the board's changes; the epoch names the copy that "
        "answers, or is `sql`.",
        because=_LIVE,
    )
    freshness: Freshness = uncached(_freshness, "Where the answers come from.", because=_LIVE)
    top: LeaderboardEntryConnection = uncached(_top, "The best, or a page.", because=_LIVE)
    entry: LeaderboardEntry | None = uncached(
        _entry, "A player's entry; null for one that has none.", because=_LIVE
    )
    entries: list[LeaderboardEntry | None] = uncached(
        _entries, "The entries of many players, in the order asked for.", because=_LIVE
    )
    around: list[LeaderboardEntry] = uncached(
        _around,
        "A player's entry with its neighbours; at an edge the window slides and keeps its size. "
        "Empty for a player that has none.",
        because=_LIVE,
    )
    by_score: LeaderboardEntryConnection = uncached(
        _by_score, "The players whose score is within a range, best first.", because=_LIVE
    )
    rank_of_score: int = uncached(
        _rank_of_score,
        "The rank that a score would get: 1 + the players with a strictly better one.",
        because=_LIVE,
    )
    percentile: float | None = uncached(
        _percentile,
        "100 × the players strictly worse ÷ (size − 1); 100 where there is one player, null for "
        "an unknown one.",
        because=_LIVE,
    )


@strawberry.type(description="What decides between equal scores.")
class TieColumn:
    """A tie column, over `TieColumnRow`."""

    name: str = strawberry.field(description="What it counts.")
    order: Direction = strawberry.field(description="Which values come first.")


def _id(root: LeaderboardRow) -> str:
    return encode_id("Leaderboard", root.slug)


def _tie_columns(root: LeaderboardRow) -> tuple[TieColumnRow, ...]:
    return root.tie_columns


def _windows(root: LeaderboardRow) -> list[Window]:
    return [Window(root)]


def _window(root: LeaderboardRow, key: WindowKey = ALL) -> Window | None:
    return Window(root) if key in (ALL, None) else None


@strawberry.type(description="Players in the order of their scores.")
class Leaderboard(Node):
    """A board, over `LeaderboardRow`."""

    is_type_of = stands_for(LeaderboardRow, "Leaderboard")

    id: strawberry.ID = uncached(_id, "The global id.", because=_COMPUTED)
    slug: str = strawberry.field(description="Its name in addresses; never changes.")
    name: str = strawberry.field(description="What it is called.")
    operator: Operator = strawberry.field(description="What a submission does.")
    order: Direction = strawberry.field(description="Which scores come first.")
    tie_columns: list[TieColumn] = uncached(
        _tie_columns,
        "What decides between equal scores, the first one first; then who got there first.",
        because=_COMPUTED,
    )
    self_reported: bool = strawberry.field(
        description="Whether users submit scores for themselves; else only staff do."
    )
    created_at: datetime = strawberry.field(description="Since when it is there.")
    size: int = uncached(_size, "How many players it has.", because=_LIVE)
    windows: list[LeaderboardWindow] = uncached(_windows, "Its windows: `all`.", because=_COMPUTED)
    window: LeaderboardWindow | None = uncached(
        _window, "A window by its key; null for an unknown one.", because=_COMPUTED
    )


async def _board_edges(root: Listing, info: Info) -> list[Edge[LeaderboardRow]]:
    ctx, items = info.context.ctx, root.page.items
    rows: Sequence[LeaderboardRow | None] = await asyncio.gather(
        *(leaderboard(ctx, str(item.key)) for item in items)
    )
    return root.edges(rows)


async def _board_count(info: Info) -> int:
    return await leaderboard_count(info.context.ctx)


@strawberry.type(description="A leaderboard in a list.")
class LeaderboardEdge:
    """One item of a page."""

    cursor: str = strawberry.field(description="Where it is in the list; opaque.")
    node: Leaderboard = strawberry.field(description="The leaderboard.")


@strawberry.type(description="A page of the list of leaderboards.")
class LeaderboardConnection:
    """A Relay connection over a `Listing`."""

    edges: list[LeaderboardEdge] = bound(leaderboard, _board_edges, "The page's items.")
    page_info: PageInfo = page_info_field()
    total_count: int = bound(leaderboard_count, _board_count, "How many leaderboards there are.")
