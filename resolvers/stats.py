"""What is counted of a product. Views are live: written behind, never part of a stored answer.

Units sold are an entry like any other: `resolvers.products.units_sold`.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from cache.writes import (
    Applied,
    Batch,
    KeyReusedError,
    Lease,
    LeaseLost,
    NotAcknowledged,
    Once,
    Snapshot,
)
from models.queries import write_behind
from models.queries.write_behind import ProgressColumns
from resolvers.context import Context
from resolvers.errors import ErrorCode, refused
from resolvers.idempotency import Call, mismatch
from resolvers.products import product
from resolvers.rows import ProductRow

VIEWS: Final = "product-views"
"""The name of the write-behind of product views, and of its row of progress."""


async def views(ctx: Context, product_id: int) -> int:
    """Return how often a product was viewed, with every acknowledged view. Not cached: live.

    All products of one tick are one round trip. While Redis is away it is the database's number.
    """
    [counted] = await ctx.views.read([str(product_id)])
    return counted


async def record_product_view(ctx: Context, product_id: int, key: str | None = None) -> ProductRow:
    """Count one view and return the product; with an idempotency key once only. Raises `Refused`.

    - NOT_FOUND: there is no such product.
    - UNAVAILABLE: the view was not acknowledged. The message says whether it may count all the
      same (Redis did not answer in time) or certainly does not (Redis was not reached). With a key
      it is safe to send it again.
    - IDEMPOTENCY_MISMATCH: the key was used for another product.
    """
    row = await product(ctx, product_id)
    if row is None:
        raise refused(ErrorCode.NOT_FOUND, "There is no such product.", "input", "productId")
    call = Call("recordProductView", key, product_id)
    try:
        await ctx.views.add(str(product_id), once=_once(ctx, call))
    except KeyReusedError as error:
        raise mismatch(call) from error
    except NotAcknowledged as error:
        raise refused(ErrorCode.UNAVAILABLE, _explained(error)) from error
    return row


def _once(ctx: Context, call: Call) -> Once | None:
    return None if call.key is None else Once(call.id_for(ctx.viewer.user_id), call.digest)


def _explained(error: NotAcknowledged) -> str:
    if error.sent:
        return "The view may or may not have been counted: the counter did not answer in time."
    return "The view was not counted: the counter is not available. Try again later."


class ViewProgress:
    """How the write-behind of views gets into SQL: a `cache.writes.Progress`.

    Keys are product numbers. `stream` names the row of progress.
    """

    def __init__(self, stream: str = VIEWS) -> None:
        """Use the row of progress of this stream."""
        self._stream = stream

    async def take_lease(self, owner: str, seconds: float) -> Lease | None:
        """Take the lease unless another's runs."""
        taken = await write_behind.take_lease(self._stream, owner, seconds)
        return None if taken is None else Lease(taken.token, seconds, _applied(taken))

    async def release_lease(self, lease: Lease) -> None:
        """End the lease."""
        await write_behind.release_lease(self._stream, lease.token)

    async def fence(self) -> Applied:
        """Void every lease; how far SQL is."""
        return _applied(await write_behind.fence(self._stream))

    async def commit(self, lease: Lease, batch: Batch) -> Mapping[str, int]:
        """Add the views and move the progress, in one transaction; the keys without a product."""
        numbers = {key: int(key) for key in batch.increments if _is_number(key)}
        progress = ProgressColumns(lease.token, batch.applied.epoch, batch.applied.last_id)
        added = {number: batch.increments[key] for key, number in numbers.items()}
        unknown = await write_behind.commit_views(self._stream, progress, lease.seconds, added)
        if unknown is None:
            raise LeaseLost(f"the lease of {self._stream!r} with token {lease.token} is void")
        kept = {key for key, number in numbers.items() if number not in unknown}
        return {key: amount for key, amount in batch.increments.items() if key not in kept}

    async def read(self, keys: Sequence[str]) -> Snapshot:
        """The views of these products and the progress, of one snapshot."""
        numbers = {key: int(key) for key in keys if _is_number(key)}
        columns, found = await write_behind.views_and_progress(self._stream, list(numbers.values()))
        values = {key: found.get(numbers[key], 0) if key in numbers else 0 for key in keys}
        return Snapshot(_applied(columns), values)


def _applied(columns: ProgressColumns) -> Applied:
    return Applied(columns.stream_epoch, columns.last_id)


def _is_number(key: str) -> bool:
    """Whether the key is a product's number in the one way that it is written."""
    return key.isascii() and key.isdigit() and len(key) < 19 and str(int(key)) == key
