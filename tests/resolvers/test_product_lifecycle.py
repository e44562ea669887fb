"""Products that come and go: exactly which tags they purge, and what was not there is there."""

import msgspec
import pytest

from cache.facts import Invalidated
from models.tables import Product, Role
from resolvers import products
from resolvers.context import Viewer
from resolvers.errors import ErrorCode, Refused
from resolvers.product_lifecycle import NewProduct, create_product, delete_product
from tests.support.store import Store, Worker, context_of

NEW = NewProduct("N-1", "Nu Phone", "", 100, "smart", "acme", 2)
SCOPES = ("all", "category:smart", "category:phones", "category:electronics", "brand:acme")
MEMBERS = {f"products:{scope}:members" for scope in SCOPES}


def purged(worker: Worker) -> set[str]:
    """The tags that were purged since the last call."""
    purges = [fact.tags for fact in worker.facts if isinstance(fact, Invalidated)]
    worker.facts.clear()
    return {tag for tags in purges for tag in tags}


def staff(store: Store) -> Viewer:
    return Viewer(store.users["staff"].id, Role.STAFF)


async def test_that_there_was_none_is_purged_by_each_of_its_keys(store: Store) -> None:
    number = max(product.id for product in store.products.values()) + 1
    with context_of(store.other, staff(store)) as ctx:
        for read in (products.product, products.sold_product, products.stock, products.units_sold):
            assert await read(ctx, number) is None
        assert await products.product_id_of(ctx, "N-1") is None
    with context_of(store.worker, staff(store)) as ctx:
        assert await create_product(ctx, NEW) == number
    own = {f"product:{number}", "sku:N-1", f"stock:{number}", f"sold:{number}"}
    assert purged(store.worker) == own | MEMBERS
    with context_of(store.other, staff(store)) as ctx:
        row = await products.product(ctx, number)
        assert row == await products.sold_product(ctx, number)
        assert row is not None
        assert (row.name, row.deleted_at) == ("Nu Phone", None)
        assert (await products.stock(ctx, number), await products.units_sold(ctx, number)) == (2, 0)
        assert await products.product_id_of(ctx, "N-1") == number


async def test_a_deleted_one_is_known_to_orders_only(store: Store) -> None:
    with context_of(store.worker, staff(store)) as ctx:
        number = await create_product(ctx, NEW)
        assert await products.product_by_sku(ctx, "N-1") is not None
        purged(store.worker)
        await delete_product(ctx, number)
        assert purged(store.worker) == {f"product:{number}", "sku:N-1"} | MEMBERS
    for worker in (store.worker, store.other):
        with context_of(worker, staff(store)) as ctx:
            assert await products.product(ctx, number) is None
            assert await products.product_by_sku(ctx, "N-1") is None
            assert await products.product_id_of(ctx, "N-1") is None
            kept = await products.sold_product(ctx, number)
            assert kept is not None
            assert (kept.name, kept.version) == ("Nu Phone", 2)
            assert kept.deleted_at is not None


async def test_what_is_refused_writes_and_purges_nothing(store: Store) -> None:
    taken = msgspec.structs.replace(NEW, sku="P-1")
    nowhere = msgspec.structs.replace(NEW, category_slug="none such")
    for wanted, code in ((taken, ErrorCode.INVALID_INPUT), (nowhere, ErrorCode.NOT_FOUND)):
        with context_of(store.worker, staff(store)) as ctx, pytest.raises(Refused) as caught:
            await create_product(ctx, wanted)
        assert [error.code for error in caught.value.errors] == [code]
    assert purged(store.worker) == set()
    assert await Product.all().count() == len(store.products)
