"""Notes of imports that may have left a purge undone.

A batch is purged after its commit. An import that is killed between the two would leave old
answers behind, and the next one would find nothing to change, so nothing to purge. So each batch
leaves a note *in its transaction*, which the import removes once its last purge is confirmed; an
import that finds a note purges everything that imports can change before it begins.

A note is a row of `write_behind_progress`, the table of who applied how much of a stream: stream
`import:superstore:<run>`, and in `token` the number of batches.
"""

from tortoise.expressions import F

from models.tables import Brand, Category, WriteBehindProgress
from ops.importers.purging import Purger
from resolvers import tags

_STREAM = "import:superstore:"


async def note(run: str) -> None:
    """Say in the open transaction that the run `run` has something to purge."""
    mine = WriteBehindProgress.filter(stream=_STREAM + run)
    if not await mine.update(token=F("token") + 1):
        await WriteBehindProgress.create(stream=_STREAM + run, token=1, owner=run)


async def finish(run: str) -> None:
    """Remove the note of a run whose purges are all confirmed."""
    await WriteBehindProgress.filter(stream=_STREAM + run).delete()


async def make_up(purger: Purger) -> None:
    """Purge what earlier imports may have left, and remove their notes.

    A note stays when its import landed another batch meanwhile (it still runs).
    """
    notes = await WriteBehindProgress.filter(stream__startswith=_STREAM).values_list(
        "stream", "token"
    )
    if not notes:
        return
    await purger.purge(await _everything())
    for stream, token in notes:
        await WriteBehindProgress.filter(stream=stream, token=token).delete()


async def _everything() -> set[str]:
    """All that an import can make stale. Categories and brands are in no namespace, and few."""
    categories = [slug for (slug,) in await Category.all().values_list("slug")]
    brands = [slug for (slug,) in await Brand.all().values_list("slug")]
    namespaces = {tags.PRODUCTS, tags.ORDERS, tags.USERS, tags.CATEGORIES, tags.BRANDS}
    return namespaces | set(map(tags.category, categories)) | set(map(tags.brand, brands))
