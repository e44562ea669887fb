"""What is counted of a product. Views are live: written behind, never part of a stored answer.

Units sold are an entry like any other: `resolvers.products.units_sold`.
"""

from collections.abc import Sequence
from typing import Final

from tortoise.backends.base.client import BaseDBAsyncClient

from cache.integrations.tortoise_progress import TortoiseProgress
from cache.outbox import Outbox
from cache.writes import SUM, Changes, KeyReusedError, NotAcknowledged, Once, Operation
from models.database import is_unavailable
from models.queries import write_behind
from models.tables import DeadLetter, WriteBehindProgress
from resolvers.context import Context
from resolvers.errors import ErrorCode, refused
from resolvers.idempotency import Call, mismatch
from resolvers.products import product
from resolvers.rows import ProductRow


async def views(ctx: Context, product_id: int) -> int:
    """Return how often a product was viewed, with every acknowledged view. Not cached: live.

    All products of one tick are one round trip. While Redis is away it is the database's number.
    """
    barrier = ctx.session.barrier
    if barrier.token.outbox or barrier.token.everything:
        await ctx.cache.resolve(barrier)  # it may be of a view that went to the database directly
    counted: int
    [counted] = await ctx.views.read([str(product_id)], anew=barrier.alone)
    return counted


async def record_product_view(ctx: Context, product_id: int, key: str | None = None) -> ProductRow:
    """Count one view and return the product; with an idempotency key once only. Raises `Refused`.

    - NOT_FOUND: there is no such product.
    - UNAVAILABLE: the view was not acknowledged. The message says whether it may count all the
      same (Redis did not answer in time) or certainly does not. With a key it is safe to send it
      again; without one it goes to the database at once while Redis cannot be reached.
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


async def _add_views(connection: BaseDBAsyncClient, changes: Changes[int]) -> frozenset[str]:
    """Add the views; the keys that are no product's."""
    numbers = {key: int(key) for key in changes if _is_number(key)}
    added = {number: changes[key]["value"] for key, number in numbers.items()}
    unknown = await write_behind.add_views(connection, added) if added else frozenset[int]()
    kept = {key for key, number in numbers.items() if number not in unknown}
    return frozenset(changes.keys() - kept)


async def _views_of(connection: BaseDBAsyncClient, keys: Sequence[str]) -> Changes[int]:
    numbers = {key: int(key) for key in keys if _is_number(key)}
    found = await write_behind.views_of(connection, list(numbers.values()))
    return {key: {"value": found[n]} for key, n in numbers.items() if n in found}


VIEWS: Final = Operation(
    name="product-views", rule=SUM, apply=_add_views, read=_views_of, directly=True
)
"""The write-behind of product views: keys are product numbers."""


def view_progress(outbox: Outbox) -> TortoiseProgress:
    """Where the write-behind of views gets into SQL."""
    return TortoiseProgress(
        VIEWS, WriteBehindProgress, DeadLetter, is_unavailable=is_unavailable, outbox=outbox
    )


def _is_number(key: str) -> bool:
    """Whether the key is a product's number in the one way that it is written."""
    return key.isascii() and key.isdigit() and len(key) < 19 and str(int(key)) == key
