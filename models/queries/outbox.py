"""What an operator asks of the outbox; the engine's own statements are in `cache.integrations`."""

from typing import NamedTuple

from tortoise.context import require_context


class OutboxState(NamedTuple):
    """Rows of the outbox: `unpublished` ones, the age of the oldest of those, and all.

    `oldest` is in seconds, by the database's clock; None where there is none.
    """

    unpublished: int
    oldest: float | None
    kept: int


async def outbox_state(epoch: str | None) -> OutboxState:
    """How many rows are not published under `epoch`; None: that were never published at all."""
    connection = require_context().db()
    is_postgres = connection.capabilities.dialect == "postgres"
    mark = "$1" if is_postgres else "?"
    age = (
        "EXTRACT(EPOCH FROM clock_timestamp() - MIN(created_at))"
        if is_postgres
        else "(julianday('now') - julianday(MIN(created_at))) * 86400.0"
    )
    others = f" OR published_epoch <> {mark}" if epoch is not None else ""
    _, rows = await connection.execute_query(
        f"SELECT COUNT(*) AS unpublished, {age} AS oldest, "  # noqa: S608 - nothing of a caller's
        "(SELECT COUNT(*) FROM outbox) AS kept "
        f"FROM outbox WHERE published_epoch IS NULL{others}",
        [] if epoch is None else [epoch],
    )
    found = rows[0]
    oldest = None if found["oldest"] is None else max(0.0, float(found["oldest"]))
    return OutboxState(int(found["unpublished"]), oldest, int(found["kept"]))
