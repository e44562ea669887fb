"""A real stream of scoring: every match of five European leagues over four seasons.

A team's place is by its points, then goal difference, then goals. See `shared/data/README.md`;
where the data is not at hand, results are drawn.
"""

import csv
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from cache.leaderboard import Board, Leaderboards, Operator, Order, Slice, Submission
from tests.support.boards import live

FOOTBALL = Path(__file__).parents[3] / "shared" / "data" / "football" / "scores.csv"

Result = tuple[str, tuple[int, ...]]
"""A team, and what is added to its points, goal difference and goals."""


def league(slug: str) -> Board:
    """The board of one league and season."""
    return Board(slug, Operator.INCREMENT, Order.DESC, (Order.DESC, Order.DESC))


def leagues() -> dict[str, list[Result]]:
    """The results of each league, in their order."""
    found: dict[str, list[Result]] = defaultdict(list)
    for slug, player, values in _recorded() if FOOTBALL.exists() else _drawn():
        found[slug].append((player, values))
    return found


def table(results: Iterable[Result]) -> list[tuple[int, str, tuple[int, ...]]]:
    """Rank, team and totals by the definition, ties by who was first.

    Who was first: the team whose totals became what they are by the earlier result.
    """
    totals: dict[str, list[int]] = {}
    reached: dict[str, int] = {}
    for at, (player, values) in enumerate(results):
        held = totals.setdefault(player, [0, 0, 0])
        if any(values) or player not in reached:
            reached[player] = at
        totals[player] = [a + b for a, b in zip(held, values, strict=True)]
    order = sorted(totals, key=lambda it: ([-value for value in totals[it]], reached[it]))
    return [
        (1 + sum(totals[other] > totals[it] for other in totals), it, tuple(totals[it]))
        for it in order
    ]


async def play(processes: Sequence[Leaderboards], board: Board, results: Iterable[Result]) -> None:
    """Submit a league's results in their order, by turns from the processes."""
    for at, (player, values) in enumerate(results):
        await processes[at % len(processes)].submit(board, Submission(player, values))


async def final(boards: Leaderboards, board: Board) -> list[tuple[int, str, tuple[int, ...]]]:
    """The table that the sorted set shows."""
    await live(boards, board)
    rows = (await boards.read(board, Slice(100))).answer.rows
    return [(row.place.competition, row.standing.player, row.standing.points) for row in rows]


def _recorded() -> Iterable[tuple[str, str, tuple[int, ...]]]:
    with FOOTBALL.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            added = int(row["points"]), int(row["goal_difference"]), int(row["goals"])
            yield row["board"], row["player"], added


def _drawn() -> Iterable[tuple[str, str, tuple[int, ...]]]:
    chance = random.Random(2017)
    for board in range(20):
        for _ in range(200):
            home, away = chance.sample(range(20), 2)
            goals = chance.randrange(5), chance.randrange(4)
            for player, own, other in ((home, *goals), (away, *reversed(goals))):
                points = 3 if own > other else int(own == other)
                yield f"league-{board}", f"Team {player}", (points, own - other, own)
