"""The statements of `cache.integrations.progress_statements`, executed by the simulated database.

`tests/cache/simulator/test_record_statements.py` holds them against SQLite.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .database import PROGRESS, Connection, RecordDatabase
from .rules import RecordRules

Row = dict[str, Any]
Rows = Sequence[Mapping[str, Any]]

LOCKING = frozenset({"take", "release", "fence", "advance", "revise", "hold"})
"""Those that lock the row of progress."""

_NONE: Row = {
    "token": 0, "stream_epoch": "", "last_id": "0-0", "revision": 0, "owner": "", "until": None,
}  # fmt: skip


class _Statement:
    """One statement's parts: what it was given, and the row of progress."""

    def __init__(
        self,
        database: RecordDatabase,
        connection: Connection,
        given: Mapping[str, Any],
        rules: RecordRules,
    ) -> None:
        self.database, self.connection = database, connection
        self.given, self.rules = given, rules
        self.row: Row | None = database.read(connection, PROGRESS)

    def set(self, **changes: Any) -> Rows:
        """The row with these changes, which is made if it is not there."""
        row = {**(self.row or _NONE), **changes}
        self.connection.writes[PROGRESS] = row
        return [row]

    @property
    def is_held(self) -> bool:
        """Whether somebody's lease runs."""
        until = (self.row or _NONE)["until"]
        return until is not None and until > self.database.now()

    @property
    def ends(self) -> float:
        return float(self.database.now() + self.given["seconds"])

    def letters(self) -> dict[int, Row]:
        return self.database.table(self.connection, "letter")


def _only(_: _Statement) -> Rows:
    """`hold` only locks; `bound` is for processes that stop, which here die: nobody waits."""
    return []


def _held(it: _Statement) -> Rows:
    mine = it.row is not None and it.row["owner"] == it.given["owner"]
    return [{}] if it.is_held and not mine else []


def _take(it: _Statement) -> Rows:
    if _held(it):
        return []
    token = (it.row or _NONE)["token"] + 1
    return it.set(token=token, owner=it.given["owner"], until=it.ends)


def _release(it: _Statement) -> Rows:
    if it.row is not None and it.row["token"] == it.given["token"]:
        it.set(until=None)
    return []


def _fence(it: _Statement) -> Rows:
    if not it.rules.fence:
        return it.set()
    row = it.row or _NONE
    revision = row["revision"] + (it.row is not None and it.rules.fence_revises)
    return it.set(token=row["token"] + 1, until=None, revision=revision)


def _advance(it: _Statement) -> Rows:
    if it.row is None or (it.rules.token and it.row["token"] != it.given["token"]):
        return []
    given = it.given
    return it.set(stream_epoch=given["epoch"], last_id=given["last_id"], until=it.ends)


def _revise(it: _Statement) -> Rows:
    revision = (it.row or _NONE)["revision"]
    if not it.rules.revised:
        return [{"revision": revision}]
    return it.set(revision=max(revision, it.given["least"]) + 1)


def _state(it: _Statement) -> Rows:
    return [] if it.row is None else [it.row]


def _parked(it: _Statement) -> Rows:
    if not it.rules.parked_follow:
        return []
    keys = json.loads(it.given["keys"])
    return [{"key": key} for key in sorted({row["key"] for row in it.letters().values()} & {*keys})]


def _park(it: _Statement) -> Rows:
    for identifier, key, name, payload, error in json.loads(it.given["entries"]):
        letter = it.database.next_letter()
        it.connection.writes[("letter", letter)] = {
            "id": letter, "stream_epoch": it.given["epoch"], "stream_id": identifier, "key": key,
            "field": name, "payload": payload, "error": error, "created_at": "",
        }  # fmt: skip
    return []


def _letters(it: _Statement) -> Rows:
    keys = json.loads(it.given["keys"])
    progress = it.row or dict.fromkeys(_NONE)
    nothing = {"key": None, "field": None, "payload": None}
    found = [
        {**progress, **{name: row[name] for name in nothing}}
        for row in it.letters().values()
        if it.row is not None and row["key"] in keys and it.rules.parked_counted
    ]
    return found or [{**progress, **nothing}]


def _status(it: _Statement) -> Rows:
    if it.row is None:
        return []
    return [{**it.row, "lease_until": it.row["until"], "held": int(it.is_held)}]


def _count(it: _Statement) -> Rows:
    rows = list(it.letters().values())
    return [{"letters": len(rows), "keys": len({row["key"] for row in rows})}]


def _listed(it: _Statement) -> Rows:
    key, after, limit = it.given["key"], it.given["after"], it.given["limit"]
    rows = [row for row in it.letters().values() if key in (None, row["key"]) and row["id"] > after]
    return rows[:limit]


def _remove(it: _Statement) -> Rows:
    gone = [{"id": each} for each in sorted({*json.loads(it.given["keys"])} & {*it.letters()})]
    for each in gone:
        it.connection.writes[("letter", each["id"])] = None
    return gone


_ALL: Mapping[str, Callable[[_Statement], Rows]] = {
    "bound": _only, "held": _held, "take": _take, "release": _release, "fence": _fence,
    "advance": _advance, "revise": _revise, "state": _state, "hold": _only, "parked": _parked,
    "park": _park,
    "letters": _letters, "status": _status, "count": _count, "listed": _listed, "remove": _remove,
}  # fmt: skip


def execute(
    name: str,
    database: RecordDatabase,
    connection: Connection,
    given: Mapping[str, Any],
    rules: RecordRules,
) -> Rows:
    """The rows that a statement returns. Raises `KeyError` for one that is not known here."""
    return _ALL[name](_Statement(database, connection, given, rules))
