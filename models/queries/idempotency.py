"""Idempotency keys: claimed first in a write's transaction, and kept with it.

All of it is for an open transaction. Times are the database's own, and only it compares them.
"""

from typing import Final, NamedTuple

from models.tables import IdempotencyKey

HOURS: Final = 24
"""How long a key is kept."""
PRUNED: Final = 10
"""Keys that a new one removes at most, of those that are older: the table cannot grow for long."""


class Kept(NamedTuple):
    """What a mutation with this key was asked, and what it came to."""

    arguments: str
    secret: str | None
    outcome: str | None
    outbox: str | None


async def claim(key: str, arguments: str, secret: str | None) -> Kept | None:
    """Take a key; None when it is the caller's now, and else what it came to.

    One that another transaction has taken is waited for: until that has committed, or is rolled
    back. Older ones are as if they were not there.
    """
    first, second, third = _marks(3)
    now, old = _times()
    # DO UPDATE, not DO NOTHING: it locks the row that is there, so that nobody removes it.
    taken = await _run(
        "INSERT INTO idempotency_keys (id, arguments, secret, created_at) "  # noqa: S608 - no values
        f"VALUES ({first}, {second}, {third}, {now}) ON CONFLICT (id) DO UPDATE SET "
        "arguments = excluded.arguments, secret = excluded.secret, outcome = NULL, outbox = NULL, "
        f"created_at = excluded.created_at WHERE idempotency_keys.created_at < {old} RETURNING id",
        [key, arguments, secret],
    )
    if taken:
        await _prune(old)
        return None
    [found] = await IdempotencyKey.filter(id=key).values_list(*Kept._fields)
    return Kept(*found)


async def keep(key: str, outcome: str, outbox: str | None) -> None:
    """Note what a claimed key came to: JSON, and the id of the write's outbox row."""
    await IdempotencyKey.filter(id=key).update(outcome=outcome, outbox=outbox)


async def _prune(old: str) -> None:
    locks = "FOR UPDATE SKIP LOCKED" if _is_postgres() else ""
    await _run(
        "DELETE FROM idempotency_keys WHERE id IN (SELECT id FROM idempotency_keys "  # noqa: S608
        f"WHERE created_at < {old} ORDER BY created_at LIMIT {PRUNED} {locks})",
        [],
    )


def _times() -> tuple[str, str]:
    """The present, and the time before which a key counts no more."""
    if _is_postgres():
        return "clock_timestamp()", f"clock_timestamp() - interval '{HOURS} hours'"
    form = "'%Y-%m-%d %H:%M:%f', 'now'"
    return f"strftime({form})", f"strftime({form}, '-{HOURS} hours')"


def _marks(count: int) -> list[str]:
    return [f"${at}" for at in range(1, count + 1)] if _is_postgres() else ["?"] * count


def _is_postgres() -> bool:
    return IdempotencyKey._meta.db.capabilities.dialect == "postgres"


async def _run(statement: str, values: list[str | None]) -> bool:
    """Run a statement; whether it returned a row."""
    # Not `execute_query`, which leaves out what an INSERT returns on PostgreSQL.
    return bool(await IdempotencyKey._meta.db.execute_query_dict(statement, values))
