"""Categories and brands of imported products: found, or made."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import count, islice
from typing import Final

from tortoise.expressions import Q

from models.queries.categories import child_path
from models.tables import Brand, Category
from models.text import folded, slug
from ops.importers.purging import Purge
from resolvers import tags

_SLUG_LENGTH: Final = 100


@dataclass(frozen=True, slots=True)
class Shelf:
    """A category, with the slugs of itself and its ancestors."""

    id: int
    slug: str
    path: str
    slugs: tuple[str, ...]


@dataclass(slots=True)
class Taxonomy:
    """The categories and brands that one batch met. Call its methods in the batch's transaction.

    A top-level category is found by its name or slug among the roots, a subcategory among its
    category's children. `purge` has the tags of what was made.
    """

    purge: Purge = field(default_factory=Purge)
    _shelves: dict[tuple[int | None, str], Shelf] = field(default_factory=dict)
    _brands: dict[str, int] = field(default_factory=dict)

    async def shelf(self, category: str, subcategory: str) -> Shelf:
        """The subcategory of the category."""
        return await self._child(await self._child(None, category), subcategory)

    async def brand(self, name: str) -> tuple[int, str]:
        """The id and the slug of a brand. Names with the same slug are the same brand."""
        brand_slug = _slug_of(name)
        if brand_slug not in self._brands:
            found, is_new = await Brand.get_or_create({"name": name}, slug=brand_slug)
            self._brands[brand_slug] = found.id
            if is_new:
                self.purge.add(None, tags.brand(brand_slug), tags.BRANDS)
        return self._brands[brand_slug], brand_slug

    async def _child(self, parent: Shelf | None, name: str) -> Shelf:
        known = (parent.id if parent else None, name)
        if known not in self._shelves:
            found = await _find(parent, name) or await self._make(parent, name)
            above = parent.slugs if parent else ()
            self._shelves[known] = Shelf(found.id, found.slug, found.path, (*above, found.slug))
        return self._shelves[known]

    async def _make(self, parent: Shelf | None, name: str) -> Category:
        free = await _free_slug(parent, name)
        made = await Category.create(name=name, slug=free, parent_id=parent.id if parent else None)
        made.path = child_path(parent.path if parent else None, made.id)
        await made.save(update_fields=["path"])
        self.purge.add(None, tags.category(free), tags.CATEGORIES)
        return made


async def _find(parent: Shelf | None, name: str) -> Category | None:
    """The sibling of that name, of that name but for case, or of that slug, in this order."""
    siblings = (
        Category.filter(parent_id=parent.id) if parent else Category.filter(parent_id__isnull=True)
    )
    plain, longer = islice(_slugs(parent, name), 2)
    found = await siblings.filter(Q(name=name) | Q(slug__in=[plain, longer])).order_by("id")
    for same in (
        lambda one: one.name == name,
        lambda one: folded(one.name) == folded(name),
        lambda one: one.slug == plain,
    ):
        for one in found:
            if same(one):
                return one
    return None


async def _free_slug(parent: Shelf | None, name: str) -> str:
    for candidate in _slugs(parent, name):
        if not await Category.filter(slug=candidate).exists():
            return candidate
    raise AssertionError("unreachable: the candidates never end")


def _slugs(parent: Shelf | None, name: str) -> Iterator[str]:
    """`paper`, `office-supplies-paper`, then numbered ones."""
    plain = _slug_of(name)
    yield plain
    longer = f"{parent.slug}-{plain}" if parent else plain
    if parent:
        yield longer[:_SLUG_LENGTH].rstrip("-")
    for number in count(2):
        ending = f"-{number}"
        yield longer[: _SLUG_LENGTH - len(ending)].rstrip("-") + ending


def _slug_of(name: str) -> str:
    """The name's slug; for a name that has nothing in ASCII, a digest of it."""
    return slug(name) or f"x-{blake2b(name.encode(), digest_size=6).hexdigest()}"
