"""products.csv into the catalogue."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

from tortoise.expressions import F

from models.database import locked
from models.tables import Product
from models.text import folded
from ops.importers.layout import ProductRow
from ops.importers.problems import Problem
from ops.importers.scopes import scopes_of
from ops.importers.target import Entry, Saved, Target
from ops.importers.taxonomy import Taxonomy
from resolvers import tags
from resolvers.tags import Aspect

STOCK: Final = 100
"""Pieces of a new product: the files hold none."""

_COMPARED: Final = ("id", "sku", "name_key", "price_minor", "category_id", "brand_id")


class Products(Target[ProductRow]):
    """One batch of products."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._digests: dict[str, str | None] = {}
        self._taxonomy = Taxonomy()

    async def load(self, entries: Sequence[Entry[ProductRow]]) -> None:
        """Read which of the SKUs are there."""
        skus = [entry.key for entry in entries]
        found = await Product.filter(sku__in=skus).values_list("sku", "import_digest")
        self._digests = dict(found)

    def admit(self, entry: Entry[ProductRow]) -> Problem | None:
        """Nothing outside its row keeps a product out."""
        del entry
        return None

    async def save(self, entries: Sequence[Entry[ProductRow]]) -> Saved:
        """Add new products with their categories and brands, and update changed ones."""
        new = [entry for entry in entries if entry.key not in self._digests]
        changed = [
            entry
            for entry in entries
            if entry.key in self._digests and self._digests[entry.key] != entry.digest
        ]
        saved = Saved(added=len(new), changed=len(changed))
        await self._add(new, saved)
        await self._update(changed, saved)
        saved.purge.merge(self._taxonomy.purge)
        return saved

    async def _add(self, entries: Sequence[Entry[ProductRow]], saved: Saved) -> None:
        if not entries:
            return
        await Product.bulk_create([await self._product(entry) for entry in entries])
        ids = await _ids([entry.key for entry in entries])
        for scopes in (await scopes_of(ids.values())).values():
            saved.purge.add(tags.PRODUCTS, *tags.facets(scopes, Aspect))
        for sku, product_id in ids.items():
            # The ids too: somebody may have asked for one before it was there.
            saved.purge.add(tags.PRODUCTS, tags.sku(sku), tags.product(product_id))
            saved.purge.add(tags.PRODUCTS, tags.stock(product_id), tags.sold(product_id))

    async def _product(self, entry: Entry[ProductRow]) -> Product:
        return Product(
            sku=entry.key,
            stock=STOCK,
            created_at=self._now,
            **await self._columns(entry),
        )

    async def _columns(self, entry: Entry[ProductRow]) -> dict[str, object]:
        """The file's columns as the table has them, and what goes along with any change."""
        row = entry.row
        shelf = await self._taxonomy.shelf(row.category, row.subcategory)
        brand = await self._taxonomy.brand(row.brand) if row.brand else (None, None)
        return {
            "name": row.name,
            "name_key": folded(row.name),
            "price_minor": row.price_minor,
            "category_id": shelf.id,
            "brand_id": brand[0],
            "updated_at": self._now,
            "import_digest": entry.digest,
        }

    async def _update(self, entries: Sequence[Entry[ProductRow]], saved: Saved) -> None:
        if not entries:
            return
        skus = [entry.key for entry in entries]
        rows = await locked(Product.filter(sku__in=skus).order_by("id")).only(*_COMPARED)
        before = {row.sku: row for row in rows}
        scopes_before = await scopes_of([row.id for row in rows])
        aspects: dict[int, set[Aspect]] = {}
        for entry in entries:
            row, columns = before[entry.key], await self._columns(entry)
            await Product.filter(id=row.id).update(**columns, version=F("version") + 1)
            aspects[row.id] = _changed_aspects(row, columns)
        scopes_after = await scopes_of(aspects)
        for product_id, changed in aspects.items():
            old, new = scopes_before[product_id], scopes_after[product_id]
            members = {Aspect.MEMBERS} & changed
            saved.purge.add(
                tags.PRODUCTS,
                tags.product(product_id),
                # Members change where it comes or goes, the rest wherever it is or was.
                *tags.facets(old ^ new, members),
                *tags.facets(old | new, changed - members),
            )


def _changed_aspects(before: Product, columns: Mapping[str, object]) -> set[Aspect]:
    changed = {name for name, value in columns.items() if getattr(before, name, value) != value}
    found = {Aspect.NAME: {"name_key"}, Aspect.PRICE: {"price_minor"}}
    found[Aspect.MEMBERS] = {"category_id", "brand_id"}
    return {aspect for aspect, names in found.items() if names & changed}


async def _ids(skus: Collection[str]) -> dict[str, int]:
    return dict(await Product.filter(sku__in=list(skus)).values_list("sku", "id"))
