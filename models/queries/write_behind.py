"""Progress of write-behinds, and the product views that one of them applies.

`take_lease`, `fence` and `commit_views` are transactions of their own. Times are the database's:
workers whose clocks differ agree on when a lease has ended.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.context import require_context

from models.database import locked, transaction
from models.tables import Product, WriteBehindProgress


class ProgressColumns(NamedTuple):
    """How far a stream is applied, and the token of the only one who may apply more."""

    token: int
    stream_epoch: str
    last_id: str


async def take_lease(stream: str, owner: str, seconds: float) -> ProgressColumns | None:
    """Make `owner` the holder for `seconds`; None while somebody else's lease runs."""
    if await _is_held(stream, owner):
        return None
    async with transaction() as connection:
        await _ensure_row(connection, stream)
        now = await _now(connection)
        row = await locked(WriteBehindProgress.filter(stream=stream)).get()
        if row.owner != owner and row.lease_until is not None and row.lease_until > now:
            return None
        token = row.token + 1
        await WriteBehindProgress.filter(stream=stream).update(
            owner=owner, token=token, lease_until=now + timedelta(seconds=seconds)
        )
        return ProgressColumns(token, row.stream_epoch, row.last_id)


async def _is_held(stream: str, owner: str) -> bool:
    """Without a write lock: most of the time another worker has the lease."""
    row = await WriteBehindProgress.get_or_none(stream=stream)
    if row is None or row.owner == owner or row.lease_until is None:
        return False
    return row.lease_until > await _now(require_context().db())


async def release_lease(stream: str, token: int) -> None:
    """End the lease of this token, if it is still the current one."""
    await WriteBehindProgress.filter(stream=stream, token=token).update(lease_until=None)


async def fence(stream: str) -> ProgressColumns:
    """End every lease and void its token; return the progress."""
    async with transaction() as connection:
        await _ensure_row(connection, stream)
        row = await locked(WriteBehindProgress.filter(stream=stream)).get()
        token = row.token + 1
        await WriteBehindProgress.filter(stream=stream).update(token=token, lease_until=None)
        return ProgressColumns(token, row.stream_epoch, row.last_id)


async def commit_views(
    stream: str, progress: ProgressColumns, seconds: float, views: Mapping[int, int]
) -> frozenset[int] | None:
    """Add `views` (product to number), move the progress to `progress`, renew the lease.

    One transaction, on condition of `progress.token`; None if the token is void, and then nothing
    is written. Returns the products that do not exist: their views are not added.
    """
    async with transaction() as connection:
        now = await _now(connection)
        changed = await WriteBehindProgress.filter(stream=stream, token=progress.token).update(
            stream_epoch=progress.stream_epoch,
            last_id=progress.last_id,
            lease_until=now + timedelta(seconds=seconds),
        )
        if changed != 1:
            return None
        found = await Product.filter(id__in=list(views)).order_by("id").values_list("id")
        known = {int(number): views[number] for (number,) in found}
        await _add_views(connection, known)
        return frozenset(views.keys() - known.keys())


async def _add_views(connection: BaseDBAsyncClient, views: Mapping[int, int]) -> None:
    if not views:
        return
    marks = _marks(connection, 2 * len(views))
    rows = ", ".join(f"({one}, {two})" for one, two in zip(marks[::2], marks[1::2], strict=True))
    await connection.execute_query(
        f"INSERT INTO product_stats (product_id, views) VALUES {rows} "  # noqa: S608 - place-holders
        "ON CONFLICT (product_id) DO UPDATE SET views = product_stats.views + excluded.views",
        [part for item in views.items() for part in item],
    )


async def views_and_progress(
    stream: str, product_ids: Sequence[int]
) -> tuple[ProgressColumns, dict[int, int]]:
    """The views of these products, where there are any, and the progress: one snapshot."""
    connection = require_context().db()
    first, *marks = _marks(connection, 1 + len(product_ids))
    # One statement sees one snapshot, on both databases. The sub-select is there for streams that
    # have no progress yet: products may have views all the same.
    _, found = await connection.execute_query(
        "SELECT p.token, p.stream_epoch, p.last_id, s.product_id, s.views "  # noqa: S608 - the same
        f"FROM (SELECT 1 AS one) AS o LEFT JOIN write_behind_progress p ON p.stream = {first} "
        f"LEFT JOIN product_stats s ON s.product_id IN ({', '.join(marks) or 'NULL'})",
        [stream, *product_ids],
    )
    rows = [tuple(row) for row in found]
    token, stream_epoch, last_id, *_ = rows[0]
    progress = ProgressColumns(token or 0, stream_epoch or "", last_id or "0-0")
    return progress, {int(row[3]): int(row[4]) for row in rows if row[3] is not None}


async def _ensure_row(connection: BaseDBAsyncClient, stream: str) -> None:
    [mark] = _marks(connection, 1)
    await connection.execute_query(
        "INSERT INTO write_behind_progress (stream, stream_epoch, last_id, token, owner) "  # noqa: S608
        f"VALUES ({mark}, '', '0-0', 0, '') ON CONFLICT (stream) DO NOTHING",
        [stream],
    )


async def _now(connection: BaseDBAsyncClient) -> datetime:
    if connection.capabilities.dialect != "postgres":
        return datetime.now(UTC)  # SQLite has no server: its clock is that of this machine
    _, rows = await connection.execute_query("SELECT clock_timestamp() AS now")
    now: datetime = rows[0]["now"]
    return now


def _marks(connection: BaseDBAsyncClient, count: int) -> list[str]:
    """Place-holders for so many values."""
    if connection.capabilities.dialect == "postgres":
        return [f"${number}" for number in range(1, count + 1)]
    return ["?"] * count
