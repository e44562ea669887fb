"""Edits of products: who, from which version, and exactly which tags they purge."""

import asyncio
from typing import Any

import pytest

from cache.facts import Invalidated
from models.tables import Product
from resolvers.context import ANONYMOUS, Viewer
from resolvers.errors import ErrorCode, Refused
from resolvers.product_edits import ProductChanges, update_product
from tests.support.store import LONG_AGO, Store, Worker, context_of


def _staff(store: Store) -> Viewer:
    user = store.users["staff"]
    return Viewer(user.id, user.role)


async def _edit(store: Store, sku: str, at: Worker | None = None, **changes: Any) -> set[str]:
    """Edit a product; return the tags that were purged."""
    worker = at or store.worker
    worker.facts.clear()
    with context_of(worker, _staff(store)) as ctx:
        await update_product(ctx, store.products[sku].id, ProductChanges(**changes))
    purges = [fact.tags for fact in worker.facts if isinstance(fact, Invalidated)]
    return {tag for tags in purges for tag in tags}


def _facets(aspect: str, *scopes: str) -> set[str]:
    return {f"products:{scope}:{aspect}" for scope in scopes}


PHONE = ("all", "category:electronics", "category:phones", "brand:acme")


async def test_what_an_edit_purges(store: Store) -> None:
    row, pieces = f"product:{store.products['P-1'].id}", f"stock:{store.products['P-1'].id}"
    assert await _edit(store, "P-1", description="New.") == {row}
    assert await _edit(store, "P-1", name="ALPHA PHONE") == {row}
    assert await _edit(store, "P-1", name="Omega") == {row, *_facets("name", *PHONE)}
    assert await _edit(store, "P-1", price_minor=5) == {row, *_facets("price", *PHONE)}
    assert await _edit(store, "P-1", stock=9) == {row, pieces}
    assert await _edit(store, "P-1", stock=0) == {row, pieces, *_facets("stock", *PHONE)}
    assert await _edit(store, "P-1", stock=1) == {row, pieces, *_facets("stock", *PHONE)}


async def test_a_move_purges_where_it_leaves_and_arrives(store: Store) -> None:
    row = f"product:{store.products['P-1'].id}"
    below = await _edit(store, "P-1", category_slug="smart")
    assert below == {row, *_facets("members", "category:smart")}
    beside = await _edit(store, "P-1", category_slug="audio")
    expected = _facets("members", "category:smart", "category:phones", "category:audio")
    assert beside == {row, *expected}
    brand = await _edit(store, "P-1", brand_slug="globex")
    assert brand == {row, *_facets("members", "brand:acme", "brand:globex")}
    nowhere = await _edit(store, "P-1", category_slug=None, brand_slug=None)
    expected = _facets("members", "category:audio", "category:electronics", "brand:globex")
    assert nowhere == {row, *expected}


async def test_a_move_with_another_change_reaches_both_places(store: Store) -> None:
    tags = await _edit(store, "P-1", category_slug="home", price_minor=1)
    assert _facets("price", *PHONE, "category:home") <= tags


async def test_what_it_writes(store: Store) -> None:
    changes = {
        "name": "Straße",
        "description": "New.",
        "price_minor": 1,
        "category_slug": "home",
        "brand_slug": None,
        "stock": 2,
    }
    await _edit(store, "P-1", **changes)
    product = await Product.get(id=store.products["P-1"].id)
    assert (product.name, product.name_key, product.description) == ("Straße", "strasse", "New.")
    assert (product.price_minor, product.stock, product.brand_id) == (1, 2, None)
    assert product.category_id == store.categories["home"].id
    assert (product.version, product.sku) == (2, "P-1")
    assert product.updated_at > LONG_AGO
    assert product.created_at == LONG_AGO


async def test_an_edit_that_changes_nothing_writes_and_purges_nothing(store: Store) -> None:
    assert await _edit(store, "P-1") == set()
    same = {"name": "Alpha Phone", "price_minor": 50_000, "category_slug": "phones", "stock": 10}
    assert await _edit(store, "P-1", **same) == set()
    product = await Product.get(id=store.products["P-1"].id)
    assert (product.version, product.updated_at) == (1, LONG_AGO)


async def test_one_of_two_edits_from_one_version_wins(store: Store) -> None:
    both = await asyncio.gather(
        _edit(store, "P-1", name="One", version=1),
        _edit(store, "P-1", at=store.other, name="Two", version=1),
        return_exceptions=True,
    )
    [conflict] = [outcome for outcome in both if isinstance(outcome, Refused)]
    [error] = conflict.errors
    assert (error.code, error.current_version) == (ErrorCode.CONFLICT, 2)
    assert error.path == ("input", "version")
    assert (await Product.get(id=store.products["P-1"].id)).version == 2


async def test_a_sale_does_not_make_an_edit_conflict(store: Store) -> None:
    await Product.filter(id=store.products["P-1"].id).update(stock=3)
    assert await _edit(store, "P-1", name="New", version=1)


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"category_slug": "none such"}, ("input", "categorySlug")),
        ({"brand_slug": "none such"}, ("input", "brandSlug")),
    ],
)
async def test_unknown_slugs_write_nothing(
    store: Store, changes: dict[str, str], path: tuple[str, ...]
) -> None:
    with pytest.raises(Refused) as raised:
        await _edit(store, "P-1", name="New", **changes)
    [error] = raised.value.errors
    assert (error.code, error.path) == (ErrorCode.NOT_FOUND, path)
    assert (await Product.get(id=store.products["P-1"].id)).name == "Alpha Phone"


@pytest.mark.parametrize(
    ("name", "code"), [("ada", ErrorCode.FORBIDDEN), ("nobody", ErrorCode.UNAUTHENTICATED)]
)
async def test_who_may_not(store: Store, name: str, code: ErrorCode) -> None:
    user = store.users.get(name)
    viewer = Viewer(user.id, user.role) if user else ANONYMOUS
    with context_of(store.worker, viewer) as ctx, pytest.raises(Refused) as raised:
        await update_product(ctx, store.products["P-1"].id, ProductChanges(name="X"))
    assert raised.value.errors[0].code is code


async def test_an_unknown_product(store: Store) -> None:
    with context_of(store.worker, _staff(store)) as ctx, pytest.raises(Refused) as raised:
        await update_product(ctx, 10**12, ProductChanges(name="X"))
    assert raised.value.errors[0].code is ErrorCode.NOT_FOUND
