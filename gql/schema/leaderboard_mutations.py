"""`createLeaderboard` and `submitScore`."""

from dataclasses import dataclass
from typing import Annotated, Any, Final

import strawberry

from cache.leaderboard import Submission, Submitted
from gql.schema.binding import bound, uncached
from gql.schema.common import Outcome, UserError, errors_field, outcome_of
from gql.schema.context import Info
from gql.schema.given import checked_key, key_field
from gql.schema.leaderboard_enums import Direction, Operator
from gql.schema.leaderboard_types import ALL, Entry, Leaderboard, LeaderboardEntry, entry_of
from gql.schema.scalars import SafeInt
from resolvers import leaderboards, standings
from resolvers.leaderboards import NewBoard
from resolvers.rows import LeaderboardRow, TieColumnRow

_IN: Final = strawberry.argument(name="input", description="What to do.")
_WRITES: Final = "a mutation"
_DONE: Final = "what this mutation came to, a moment ago"


@strawberry.input(description="What decides between equal scores.")
class TieColumnInput:
    """A tie column."""

    name: str = strawberry.field(description="What it counts: 1 to 200 characters.")
    order: Direction = strawberry.field(
        default=Direction.DESC, description="Which values come first."
    )


@strawberry.input(description="A new leaderboard.")
class CreateLeaderboardInput:
    """Input of `createLeaderboard`."""

    slug: str = strawberry.field(
        description="Its name in addresses, for ever: words of a-z and 0-9 joined by hyphens, at "
        "most 100 characters."
    )
    name: str = strawberry.field(description="What it is called: 1 to 200 characters.")
    operator: Operator = strawberry.field(
        default=Operator.BEST, description="What a submission does."
    )
    order: Direction = strawberry.field(
        default=Direction.DESC, description="Which scores come first."
    )
    tie_columns: list[TieColumnInput] | None = strawberry.field(
        default=None, description="At most 3, of different names, the first one first."
    )
    self_reported: bool = strawberry.field(
        default=False, description="Whether users submit scores for themselves."
    )
    idempotency_key: str | None = key_field()

    def wanted(self) -> NewBoard:
        """Return the board that is asked for."""
        columns = tuple(
            TieColumnRow(column.name, column.order) for column in self.tie_columns or ()
        )
        return NewBoard(
            slug=self.slug,
            name=self.name,
            operator=self.operator,
            order=self.order,
            tie_columns=columns,
            self_reported=self.self_reported,
        )


@strawberry.input(description="A score for a player.")
class SubmitScoreInput:
    """Input of `submitScore`."""

    leaderboard: str = strawberry.field(description="The slug of the leaderboard.")
    player: strawberry.ID = strawberry.field(
        description="Who: 1 to 64 bytes of UTF-8. A user's is their id."
    )
    score: SafeInt = strawberry.field(description="The score, or what is added to it.")
    tie_columns: list[SafeInt] | None = strawberry.field(
        default=None, description="One value for each tie column of the leaderboard."
    )
    idempotency_key: str | None = key_field()


@strawberry.input(description="A player to take off a leaderboard.")
class RemovePlayerInput:
    """Input of `removePlayer`."""

    leaderboard: str = strawberry.field(description="The slug of the leaderboard.")
    player: strawberry.ID = strawberry.field(description="Who, as submissions name them.")


async def _leaderboard(root: Outcome[str], info: Info) -> LeaderboardRow | None:
    return (
        None if root.value is None else await leaderboards.leaderboard(info.context.ctx, root.value)
    )


@strawberry.type(description="What `createLeaderboard` came to.")
class CreateLeaderboardPayload:
    """Over `Outcome[str]`."""

    leaderboard: Leaderboard | None = bound(
        leaderboards.leaderboard, _leaderboard, "The leaderboard; null when it was not made."
    )
    errors: list[UserError] = errors_field()


@dataclass(frozen=True, slots=True)
class ScoreSubmitted:
    """A submission that was applied."""

    slug: str
    result: Submitted


@dataclass(frozen=True, slots=True)
class WindowRank:
    """What a submission did in one window."""

    key: str
    previous_rank: int | None
    rank: int
    new_best: bool


@strawberry.type(description="What a submission did in one window.")
class SubmittedWindow:
    """Over `WindowRank`."""

    key: str = strawberry.field(description="The window's key.")
    previous_rank: int | None = strawberry.field(
        description="The player's rank before, equals sharing one; null for a new player."
    )
    rank: int = strawberry.field(description="The player's rank after it, equals sharing one.")
    new_best: bool = strawberry.field(
        description="Whether score and tie columns became strictly better, or are the first."
    )


def _accepted(root: Outcome[ScoreSubmitted]) -> bool:
    return root.value is not None


async def _entry(root: Outcome[ScoreSubmitted], info: Info) -> Entry | None:
    if root.value is None:
        return None
    ctx = info.context.ctx
    row = await leaderboards.leaderboard(ctx, root.value.slug)
    placed = None if row is None else await standings.entry_after(ctx, row, root.value.result)
    return None if placed is None else entry_of(placed)


def _windows(root: Outcome[ScoreSubmitted]) -> list[WindowRank]:
    if root.value is None:
        return []
    result = root.value.result
    return [WindowRank(ALL, result.previous_rank, result.rank, result.new_best)]


@strawberry.type(description="What `submitScore` came to.")
class SubmitScorePayload:
    """Over `Outcome[ScoreSubmitted]`."""

    accepted: bool = uncached(
        _accepted,
        "Whether the submission was applied. On a BEST board a worse one is, and changes nothing.",
        because=_DONE,
    )
    entry: LeaderboardEntry | None = uncached(
        _entry, "The player's entry as it is now; null when not accepted.", because="live"
    )
    windows: list[SubmittedWindow] = uncached(
        _windows, "What it did in each window; none when not accepted.", because=_DONE
    )
    errors: list[UserError] = errors_field()


@strawberry.type(description="What `removePlayer` came to.")
class RemovePlayerPayload:
    """Over `Outcome[str]`."""

    leaderboard: Leaderboard | None = bound(
        leaderboards.leaderboard, _leaderboard, "The leaderboard, without the player."
    )
    errors: list[UserError] = errors_field()


async def _create(info: Info, data: Annotated[CreateLeaderboardInput, _IN]) -> Any:
    async def work() -> str:
        key = checked_key(data.idempotency_key)
        return await leaderboards.create_leaderboard(info.context.ctx, data.wanted(), key)

    return await outcome_of(work())


async def _submit(info: Info, data: Annotated[SubmitScoreInput, _IN]) -> Any:
    async def work() -> ScoreSubmitted:
        submission = Submission(data.player, (data.score, *(data.tie_columns or ())))
        ctx = info.context.ctx
        key = checked_key(data.idempotency_key)
        result = await leaderboards.submit_score(ctx, data.leaderboard, submission, key)
        return ScoreSubmitted(data.leaderboard, result)

    return await outcome_of(work())


async def _remove(info: Info, data: Annotated[RemovePlayerInput, _IN]) -> Any:
    removed = leaderboards.remove_player(info.context.ctx, data.leaderboard, data.player)
    return await outcome_of(removed)


@strawberry.type(description="What can be changed.")
class LeaderboardMutation:
    """The mutations of leaderboards."""

    create_leaderboard: CreateLeaderboardPayload = uncached(
        _create, "Make a leaderboard. For staff.", because=_WRITES
    )
    submit_score: SubmitScorePayload = uncached(
        _submit,
        "Apply a score to a player. For staff; and for a user's own, on self-reported boards. "
        "Every reader sees it at once; it is in the database some seconds later.",
        because=_WRITES,
    )
    remove_player: RemovePlayerPayload = uncached(
        _remove,
        "Take a player off a leaderboard, for good: their score is erased. For staff.",
        because=_WRITES,
    )
