"""The simulated database executes the statements of a write-behind's progress as SQLite does."""

import json
import random
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import pytest

from cache.integrations.progress_statements import (
    Statements,
    create_progress_statements,
    statements,
)
from cache.testing.simulator.gates import Gates
from cache.testing.simulator.loop import SteppedLoop
from cache.testing.simulator.records import ALL_KEPT, RecordRules
from cache.testing.simulator.records.database import Connection, RecordDatabase
from cache.testing.simulator.records.statements import execute

TABLES = ("write_behind_progress", "dead_letters")
KEYS = ("r1", "r2", "r3")
TIMES = ("lease_until", "created_at")
"""Columns of which only SQLite's clock knows."""


class Both:
    """SQLite and the simulated database, which execute the same."""

    def __init__(self, rules: RecordRules) -> None:
        self.rules = rules
        self.sqlite = sqlite3.connect(":memory:", isolation_level=None)
        self.sqlite.row_factory = sqlite3.Row
        for statement in create_progress_statements("sqlite", *TABLES):
            self.sqlite.execute(statement)
        self.sql = statements("sqlite", *TABLES)
        self.database = RecordDatabase(Gates(SteppedLoop(lambda: 0.0)), lambda: 1_700_000_000.0)
        self.used = Connection("A")

    def ask(self, name: str, **given: Any) -> Sequence[Mapping[str, Any]]:
        """The rows of both."""
        named = {"stream": "records", **given}
        real = [dict(row) for row in self.sqlite.execute(getattr(self.sql, name), named).fetchall()]
        simulated = execute(name, self.database, self.used, named, self.rules)
        if name == "held":
            assert len(real) == len(simulated)
            return real
        for row in real:
            for column in TIMES:
                row.pop(column, None)
        columns = list(real[0]) if real else []
        cut = [{column: row[column] for column in columns} for row in simulated]
        if name in ("parked", "remove"):  # SQL says no order
            real, cut = (sorted(rows, key=str) for rows in (real, cut))
        assert real == cut
        return real


class Calls:
    """Random statements."""

    def __init__(self, both: Both, seed: int) -> None:
        self.both = both
        self.chance = random.Random(seed)
        self.letters = 0

    def one(self) -> None:
        chance, ask = self.chance, self.both.ask
        names = [each.name for each in fields(Statements)]
        names.remove("bound")  # SQLite has none
        name = chance.choice(names)
        keys = json.dumps(sorted(chance.sample(KEYS, chance.randint(1, 3))))
        given: Mapping[str, Mapping[str, Any]] = {
            "held": {"owner": chance.choice("AB")},
            "take": {"owner": chance.choice("AB"), "seconds": chance.choice((0.0, 1_000.0))},
            "release": {"token": chance.randrange(20)},
            "advance": {
                "token": self.token(),
                "seconds": 1_000.0,
                "epoch": chance.choice(("e1", "e2")),
                "last_id": f"{chance.randrange(9)}-{chance.randrange(9)}",
            },
            "revise": {"least": chance.choice((0, 0, 5, 40))},
            "parked": {"keys": keys},
            "park": {"epoch": "e1", "entries": self.entries()},
            "letters": {"keys": keys},
            "listed": {
                "key": chance.choice((None, *KEYS)),
                "after": chance.randrange(5),
                "limit": chance.choice((2, 500)),
            },
            "remove": {"keys": json.dumps([chance.randrange(1, 40) for _ in range(3)])},
        }
        ask(name, **given.get(name, {}))

    def token(self) -> int:
        rows = self.both.ask("state")
        return int(rows[0]["token"]) - self.chance.choice((0, 0, 1)) if rows else 1

    def entries(self) -> str:
        made = []
        for _ in range(self.chance.randint(1, 3)):
            self.letters += 1
            key, name = self.chance.choice(KEYS), self.chance.choice("ab")
            made.append([f"{self.letters}-0", key, name, str(self.letters), "refused"])
        return json.dumps(made)


def compare(seed: int, rules: RecordRules = ALL_KEPT) -> None:
    both = Both(rules)
    calls = Calls(both, seed)
    try:
        for _ in range(400):
            calls.one()
    finally:
        both.sqlite.close()


@pytest.mark.parametrize("seed", range(5))
def test_it_executes_them_as_sqlite_does(seed: int) -> None:
    compare(seed)


@pytest.mark.parametrize("name", ["fence", "token", "parked_counted", "parked_follow", "revised"])
def test_control_without_a_rule_it_does_not(name: str) -> None:
    with pytest.raises(AssertionError):
        compare(0, ALL_KEPT.without(name))
