"""Leaderboards in the schema: their queries and the subscription; the mutations are beside."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

import strawberry

from gql.live.snapshots import Snapshot, Subject, snapshots
from gql.schema.binding import bound
from gql.schema.connection import After, Before, First, Last, Listing
from gql.schema.context import Info
from gql.schema.leaderboard_enums import DeliveryMode, SnapshotReason
from gql.schema.leaderboard_mutations import LeaderboardMutation
from gql.schema.leaderboard_types import (
    ALL,
    DEFAULT_FIRST,
    Entry,
    Leaderboard,
    LeaderboardConnection,
    LeaderboardEntry,
    entry_of,
)
from gql.schema.query import NODES
from resolvers import inputs, leaderboards, standings
from resolvers.errors import InvalidArgument
from resolvers.leaderboards import OLDEST_FIRST, board_of, checked_player
from resolvers.paging import PageRequest, span_of
from resolvers.rows import LeaderboardRow
from resolvers.sessions import recheck

__all__ = ["LeaderboardMutation", "LeaderboardQuery", "LeaderboardSubscription"]

DEFAULT_HZ: Final = 4.0
MAX_HZ: Final = 60.0

NODES["Leaderboard"] = leaderboards.leaderboard

Slug = Annotated[str, strawberry.argument(description="The leaderboard's slug.")]


async def _leaderboard(info: Info, slug: Slug) -> LeaderboardRow | None:
    return await leaderboards.leaderboard(info.context.ctx, inputs.key_text(slug, "slug"))


async def _leaderboards(
    info: Info,
    *,
    first: First = None,
    after: After = None,
    last: Last = None,
    before: Before = None,
) -> Listing:
    span = span_of(PageRequest(first, after, last, before), OLDEST_FIRST)
    return Listing(OLDEST_FIRST, await leaderboards.leaderboard_page(info.context.ctx, span))


@strawberry.type(description="What can be asked.")
class LeaderboardQuery:
    """The queries of leaderboards."""

    leaderboard: Leaderboard | None = bound(
        leaderboards.leaderboard, _leaderboard, "A leaderboard, by its slug."
    )
    leaderboards: LeaderboardConnection = bound(
        leaderboards.leaderboard_page, _leaderboards, "Every leaderboard, the oldest first."
    )


@strawberry.type(description="A leaderboard in one state.")
class LeaderboardSnapshot:
    """A snapshot, as the schema shows it."""

    cursor: str = strawberry.field(
        description="`epoch:version`. Each change has a version of its own; some may be skipped."
    )
    reason: SnapshotReason | None = strawberry.field(
        description="Why it was sent; null: the leaderboard changed."
    )
    window: str = strawberry.field(description="The window's key.")
    size: int = strawberry.field(description="How many players there are.")
    entries: list[LeaderboardEntry] = strawberry.field(description="The best, best first.")
    player_entry: LeaderboardEntry | None = strawberry.field(
        description="The entry of the player asked for; null for none."
    )


LeaderboardEvent = Annotated[
    LeaderboardSnapshot,
    strawberry.union("LeaderboardEvent", description="What a subscription to a board sends."),
]

_First = Annotated[
    int | None, strawberry.argument(description="How many of the best to send, 1 to 100.")
]
_WindowKey = Annotated[str | None, strawberry.argument(description="`all`, the only one so far.")]
_Mode = Annotated[DeliveryMode | None, strawberry.argument(description="What to send.")]
_MaxHz = Annotated[
    float | None,
    strawberry.argument(
        name="maxHz",
        description="At most so many events a second: more than 0, at most 60. Between two of "
        "them the latest state wins.",
    ),
]
_Player = Annotated[
    strawberry.ID | None, strawberry.argument(description="Whose entry to send, too.")
]


async def _subscribe(  # noqa: PLR0913 - the arguments of the field
    info: Info,
    *,
    slug: Slug,
    window: _WindowKey = ALL,
    first: _First = DEFAULT_FIRST,
    mode: _Mode = DeliveryMode.SNAPSHOT,
    max_hz: _MaxHz = DEFAULT_HZ,
    player: _Player = None,
) -> AsyncIterator[LeaderboardEvent]:
    ctx = info.context.ctx
    if window not in (ALL, None):
        raise InvalidArgument("window", f"{ALL!r}, the only window so far", window)
    hertz = DEFAULT_HZ if max_hz is None else max_hz
    if not 0 < hertz <= MAX_HZ:
        raise InvalidArgument("maxHz", f"a number above 0, at most {MAX_HZ:g}", hertz)
    row = await leaderboards.leaderboard(ctx, inputs.key_text(slug, "slug"))
    if row is None:
        raise InvalidArgument("slug", "the slug of a leaderboard", slug)
    own = None if player is None else checked_player(player)
    size = standings.page_size(DEFAULT_FIRST if first is None else first)
    subject = Subject(board_of(row), size, own)
    session = ctx.viewer.session
    async for snapshot in snapshots(ctx.leaderboards, subject, hertz):
        # A subscription is one operation: its loaders and its position would be those of its
        # beginning, and whoever logged out in the meantime would go on seeing what only they may.
        info.context.begin_event()
        await recheck(ctx, session)
        yield _event(snapshot)


def _event(snapshot: Snapshot) -> LeaderboardSnapshot:
    reason = SnapshotReason.INITIAL if snapshot.is_first else None
    entries: Any = [entry_of(placed) for placed in snapshot.page.rows]
    own: Any = _own(snapshot)
    return LeaderboardSnapshot(
        cursor=snapshot.header.cursor,
        reason=SnapshotReason.EPOCH if snapshot.is_new_epoch else reason,
        window=ALL,
        size=snapshot.header.size,
        entries=entries,
        player_entry=own,
    )


def _own(snapshot: Snapshot) -> Entry | None:
    return None if snapshot.own is None else entry_of(snapshot.own)


@strawberry.type(description="What can be followed.")
class LeaderboardSubscription:
    """The subscriptions of leaderboards."""

    leaderboard: AsyncIterator[LeaderboardEvent] = strawberry.subscription(
        resolver=_subscribe,
        description="Follow a leaderboard: a snapshot at once, and one more after each change.",
    )
