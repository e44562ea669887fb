"""Leaderboards: definitions, which are cached, and what is on them, which never is.

Ranks, entries and sizes are read from the sorted set each time: they are live.
"""

import re
from dataclasses import replace
from typing import Final

import msgspec
from tortoise.exceptions import IntegrityError

from cache import cached
from cache.leaderboard import (
    MAX_TIE_COLUMNS,
    Board,
    Order,
    Points,
    ScoreRefusedError,
    Submission,
    Submitted,
    check_player,
)
from cache.leaderboard import Operator as BoardOperator
from cache.once import KeyReusedError, Once
from cache.writes import NotAcknowledged
from models.queries import leaderboards as queries
from models.queries.paging import Window
from models.tables import Direction, Leaderboard, Operator
from resolvers import clock, inputs, policies, rights, tags
from resolvers.context import Context
from resolvers.errors import ErrorCode, InvalidArgument, refused
from resolvers.idempotency import Call, mismatch, write_once
from resolvers.ids import encode_id
from resolvers.paging import Ordering, PageSpan
from resolvers.rows import LeaderboardRow, ListItem, ListPage, TieColumnRow
from resolvers.writing import Change

OLDEST_FIRST: Final = Ordering("OLDEST", str)
"""The one order of the list of boards."""

_SLUG: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_MAX_SLUG: Final = 100

_NOT: Final = "The score was not applied: the leaderboard is not available. Try again later."
_MAYBE: Final = (
    "The score may or may not have been applied: the leaderboard did not answer in time."
)
_NOT_REMOVED: Final = (
    "The player was not removed: the leaderboard is not available. Try again later."
)
_MAYBE_REMOVED: Final = (
    "The player may be off the leaderboard already: then the database follows. The leaderboard or "
    "the database did not answer in time."
)


@cached(policies.LEADERBOARD, tags=lambda ctx, slug: (tags.leaderboard(slug),))
async def leaderboard(ctx: Context, slug: str) -> LeaderboardRow | None:
    """Return a board's definition."""
    return await ctx.loaders.leaderboards.load(slug)


@cached(policies.LEADERBOARD, tags=lambda ctx, span: (tags.LEADERBOARDS,))
async def leaderboard_page(ctx: Context, span: PageSpan) -> ListPage:
    """Return one page of all boards, the oldest first."""
    after, before = (None if item is None else (item.id,) for item in (span.after, span.before))
    window = Window(span.limit, after=after, before=before, backward=span.backward)
    found = await queries.board_page(window)
    items = tuple(ListItem(number, slug) for slug, number in found.rows)
    return ListPage(items, has_next=found.has_next, has_previous=found.has_previous)


@cached(policies.LEADERBOARD, tags=lambda ctx: (tags.LEADERBOARDS,))
async def leaderboard_count(ctx: Context) -> int:
    """Return how many boards there are."""
    return await queries.board_count()


def checked_player(player: str, argument: str = "player") -> str:
    """Return a player's name: 1 to 64 bytes of UTF-8."""
    try:
        check_player(player)
    except ScoreRefusedError as error:
        raise InvalidArgument(argument, "1 to 64 bytes of UTF-8 without NUL", player) from error
    return player


def board_of(row: LeaderboardRow) -> Board:
    """Return the rules of a board."""
    return Board(
        key=row.slug,
        operator=BoardOperator(row.operator),
        order=Order(row.order),
        ties=tuple(Order(column.order) for column in row.tie_columns),
    )


class NewBoard(msgspec.Struct, frozen=True):
    """A board to be made, as a client asked for it."""

    slug: str
    name: str
    operator: Operator
    order: Direction
    tie_columns: tuple[TieColumnRow, ...]
    self_reported: bool


async def create_leaderboard(ctx: Context, wanted: NewBoard, key: str | None = None) -> str:
    """Make a board, empty, and return its slug. For staff. Refuses a slug that is taken.

    `key` is an idempotency key.
    """
    rights.staff(ctx)
    checked = _checked(wanted)

    async def work(change: Change) -> str:
        return await _create(change, checked)

    return await write_once(ctx, Call("createLeaderboard", key, checked), work)


async def _create(change: Change, board: NewBoard) -> str:
    try:
        await Leaderboard.create(
            slug=board.slug,
            name=board.name,
            operator=board.operator,
            order=board.order,
            tie_columns=msgspec.to_builtins(board.tie_columns),
            self_reported=board.self_reported,
            created_at=clock.now(),
        )
    except IntegrityError as error:
        message = f"There is a leaderboard {board.slug!r} already: choose another slug."
        raise refused(ErrorCode.INVALID_INPUT, message, "input", "slug") from error
    change.purges(tags.leaderboard(board.slug), tags.LEADERBOARDS)
    return board.slug


async def submit_score(
    ctx: Context, slug: str, submission: Submission, key: str | None = None
) -> Submitted:
    """Apply the board's operator to a player's points, and return the ranks: acknowledged by Redis.

    Staff submit for any player; others for themselves, on boards that are self-reported. With an
    idempotency key once only: again, the ranks are those that the first one's points have now.
    Refuses with UNAUTHENTICATED, NOT_FOUND, FORBIDDEN, INVALID_INPUT, IDEMPOTENCY_MISMATCH, or
    UNAVAILABLE: the message says whether it may have been applied all the same.
    """
    user_id = rights.logged_in(ctx)
    row = await _board(ctx, slug)
    checked_player(submission.player, "input.player")
    _check_may_submit(ctx, row, submission.player)
    _check_columns(row, submission.points)
    call = Call("submitScore", key, (row.slug, submission.player, submission.points))
    if key is not None:
        submission = replace(submission, once=Once(call.id_for(user_id), call.digest))
    try:
        return await ctx.leaderboards.submit(board_of(row), submission)
    except KeyReusedError as error:
        raise mismatch(call) from error
    except ScoreRefusedError as error:
        raise refused(ErrorCode.INVALID_INPUT, str(error), "input", "score") from error
    except NotAcknowledged as error:
        raise refused(ErrorCode.UNAVAILABLE, _MAYBE if error.sent else _NOT) from error


async def remove_player(ctx: Context, slug: str, player: str) -> str:
    """Remove a player from a board, for good, and return the board's slug. For staff.

    Refuses with UNAUTHENTICATED, FORBIDDEN or NOT_FOUND: the second time too; or UNAVAILABLE, whose
    message says whether the player may be off the board all the same.
    """
    rights.staff(ctx)
    row = await _board(ctx, slug)
    wanted = checked_player(player, "input.player")
    try:
        is_done = await ctx.leaderboards.remove(board_of(row), wanted)
    except NotAcknowledged as error:
        message = _MAYBE_REMOVED if error.sent else _NOT_REMOVED
        raise refused(ErrorCode.UNAVAILABLE, message) from error
    if not is_done:
        message = "This player is not on the leaderboard."
        raise refused(ErrorCode.NOT_FOUND, message, "input", "player")
    return row.slug


async def _board(ctx: Context, slug: str) -> LeaderboardRow:
    row = await leaderboard(ctx, inputs.key_text(slug, "input.leaderboard"))
    if row is None:
        message = f"There is no leaderboard {slug[:_MAX_SLUG]!r}."
        raise refused(ErrorCode.NOT_FOUND, message, "input", "leaderboard")
    return row


def _check_may_submit(ctx: Context, row: LeaderboardRow, player: str) -> None:
    if ctx.viewer.is_staff:
        return
    if not row.self_reported:
        message = "Only staff submit scores to this leaderboard."
        raise refused(ErrorCode.FORBIDDEN, message, "input", "leaderboard")
    if player != encode_id("User", rights.logged_in(ctx)):
        message = "A score can be submitted for yourself only: the player is your user id."
        raise refused(ErrorCode.FORBIDDEN, message, "input", "player")


def _check_columns(row: LeaderboardRow, points: Points) -> None:
    columns = [column.name for column in row.tie_columns]
    if len(points) - 1 != len(columns):
        expected = f"one value for each of the board's tie columns {columns}"
        raise InvalidArgument("input.tieColumns", expected, list(points[1:]))


def _checked(wanted: NewBoard) -> NewBoard:
    """Return `wanted` with its names as they are stored. Raises InvalidArgument."""
    if len(wanted.slug) > _MAX_SLUG or not _SLUG.fullmatch(wanted.slug):
        expected = f"words of a-z and 0-9 joined by hyphens, at most {_MAX_SLUG} characters"
        raise InvalidArgument("input.slug", expected, wanted.slug)
    return msgspec.structs.replace(
        wanted,
        name=inputs.name(wanted.name, "input.name"),
        tie_columns=_checked_columns(wanted.tie_columns),
    )


def _checked_columns(columns: tuple[TieColumnRow, ...]) -> tuple[TieColumnRow, ...]:
    if len(columns) > MAX_TIE_COLUMNS:
        expected = f"at most {MAX_TIE_COLUMNS} tie columns"
        raise InvalidArgument("input.tieColumns", expected, len(columns))
    checked = tuple(
        TieColumnRow(inputs.name(column.name, f"input.tieColumns.{at}.name"), column.order)
        for at, column in enumerate(columns)
    )
    names = [column.name for column in checked]
    if len(set(names)) != len(names):
        raise InvalidArgument("input.tieColumns", "tie columns of different names", names)
    return checked
