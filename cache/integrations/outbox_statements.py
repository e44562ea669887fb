"""The statements of the outbox in SQL, for SQLite (3.38 and up) and PostgreSQL (9.5 and up).

Parameters are written `:name`. Times are the database's own clock, and only it compares them.
"""
# ruff: noqa: S608 - the one thing that is put into a statement is the table's name, and checked

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

COLUMNS = ("id", "tags", "created_at", "published_epoch", "published_position", "published_at")

INDEX = ("published_epoch", "created_at")
"""The columns of the index without which every look reads the whole table."""

PRUNED = 1_000
"""Rows that are removed at once."""

T = TypeVar("T")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?")


def create_statements(dialect: str, table: str = "outbox") -> list[str]:
    """What makes the table and its index; `dialect` is `sqlite` or `postgresql`.

    Raises `ValueError` for another dialect, and for a table's name that is none.
    """
    moment = chosen(dialect, {"sqlite": "TEXT", "postgresql": "TIMESTAMPTZ"})
    name = quoted(table)
    index = quoted(table.rpartition(".")[2] + "_unpublished")
    return [
        f"CREATE TABLE {name} (id VARCHAR(16) NOT NULL PRIMARY KEY, tags TEXT NOT NULL, "
        f"created_at {moment} NOT NULL, published_epoch VARCHAR(64), published_position BIGINT, "
        f"published_at {moment})",
        f"CREATE INDEX {index} ON {name} ({', '.join(INDEX)})",
    ]


@dataclass(frozen=True, slots=True)
class Statements:
    """The statements for one table; `hold` is None where rows cannot be locked."""

    insert: str
    waiting: str
    hold: str | None
    mark: str
    read: str
    prune: str


def statements(dialect: str, table: str = "outbox") -> Statements:
    """The statements for `table`. Raises `ValueError` as `create_statements` does."""
    return chosen(dialect, {"sqlite": _sqlite, "postgresql": _postgresql})(quoted(table))


def _sqlite(table: str) -> Statements:
    now = "strftime('%Y-%m-%d %H:%M:%f', 'now')"
    old = "strftime('%Y-%m-%d %H:%M:%f', 'now', '-' || :age || ' seconds')"
    named = "id IN (SELECT value FROM json_each(:ids))"
    return Statements(
        insert=_insert(table, now),
        waiting=_waiting(table),
        # A lock on a row of SQLite is a lock on everything, for everybody. Held while the purge is
        # under way it would stop every writer, for as long as this process is stopped.
        hold=None,
        mark=f"{_mark(table, now)} WHERE {named}",
        read=f"{_select(table)} WHERE {named}",
        prune=f"DELETE FROM {table} WHERE id IN "
        f"(SELECT id FROM {table} WHERE published_at < {old} LIMIT {PRUNED})",
    )


def _postgresql(table: str) -> Statements:
    now = "clock_timestamp()"  # not now(): that is when the transaction began
    old = f"{now} - make_interval(secs => CAST(:age AS double precision))"
    named = "id IN (SELECT jsonb_array_elements_text(CAST(CAST(:ids AS text) AS jsonb)))"
    skip = "FOR UPDATE SKIP LOCKED"
    unpublished = "(published_epoch IS NULL OR published_epoch <> :epoch)"
    return Statements(
        insert=_insert(table, now),
        waiting=_waiting(table),
        # Asked for again under its lock: another relay may have published it meanwhile.
        hold=f"{_select(table)} WHERE id IN (SELECT id FROM ({_waiting(table)}) AS waiting) "
        f"AND {unpublished} ORDER BY created_at, id {skip}",
        mark=f"{_mark(table, now)} WHERE id IN (SELECT id FROM {table} WHERE {named} {skip})",
        read=f"{_select(table)} WHERE {named}",
        prune=f"DELETE FROM {table} WHERE id IN "
        f"(SELECT id FROM {table} WHERE published_at < {old} LIMIT {PRUNED} {skip})",
    )


def _insert(table: str, now: str) -> str:
    return f"INSERT INTO {table} (id, tags, created_at) VALUES (:id, :tags, {now})"


def _select(table: str) -> str:
    return f"SELECT id, tags, published_epoch, published_position FROM {table}"


def _waiting(table: str) -> str:
    """Three ranges of the index, which leave out what is published: `<>` would read everything."""
    ranges = " UNION ALL ".join(
        f"SELECT * FROM (SELECT id, tags, published_epoch, published_position, created_at "
        f"FROM {table} WHERE published_epoch {which} "
        f"ORDER BY published_epoch, created_at LIMIT :limit) AS {name}"
        for name, which in (("never", "IS NULL"), ("below", "< :epoch"), ("above", "> :epoch"))
    )
    return (
        f"SELECT id, tags, published_epoch, published_position FROM ({ranges}) AS unpublished "
        "ORDER BY created_at, id LIMIT :limit"
    )


def _mark(table: str, now: str) -> str:
    # The time of the *first* publication: two worlds that publish the same rows in turns, while a
    # network is split, must not keep them for ever.
    return (
        f"UPDATE {table} SET published_epoch = :epoch, published_position = :position, "
        f"published_at = COALESCE(published_at, {now})"
    )


def quoted(table: str) -> str:
    """A table's name for a statement. Raises `ValueError` for one that is none."""
    if not _NAME.fullmatch(table):
        raise ValueError(
            f"expected a table's name of letters, digits and underscores, with its schema before "
            f"a dot if need be, got {table!r}"
        )
    return ".".join(f'"{part}"' for part in table.split("."))


def chosen(dialect: str, options: Mapping[str, T]) -> T:
    """What is for this dialect. Raises `ValueError` for another."""
    if dialect not in options:
        known = " or ".join(options)
        raise ValueError(
            f"these statements are for {known}, got {dialect!r}: write an adapter of your own"
        )
    return options[dialect]
