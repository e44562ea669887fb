"""The import of a Superstore folder: products, customers, orders, order lines, in this order."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from ops.importers.batches import FileImport, Job
from ops.importers.cells import FIRST_YEAR, Cells
from ops.importers.customers import Customers
from ops.importers.layout import CUSTOMERS, LINES, ORDERS, PRODUCTS, Layout
from ops.importers.order_lines import OrderLines
from ops.importers.orders import Orders
from ops.importers.problems import BadRow, ImportRefused
from ops.importers.products import Products
from ops.importers.progress import Bars
from ops.importers.purging import Invalidates, Purger
from ops.importers.records import Records
from ops.importers.rejects import Rejects
from ops.importers.report import Summary, Tally

BATCH_ROWS: Final = 500
LAYOUTS: Final[tuple[Layout[Any], ...]] = (PRODUCTS, CUSTOMERS, ORDERS, LINES)


@dataclass(frozen=True)
class Options:
    """How to import.

    `rejects`: where rejected rows go. `batch_rows`: rows for each transaction. `patience`: seconds
    that the cache may need to answer at the start. `console`: where progress shows; standard error
    if not given.
    """

    rejects: Path = Path("superstore-rejects.csv")
    batch_rows: int = BATCH_ROWS
    patience: float = 5.0
    console: Console | None = None


async def import_superstore(
    directory: Path, cache: Invalidates, options: Options | None = None
) -> Summary:
    """Import the folder into the connected database, and purge from `cache` what that changes.

    `docs/import.md` has the rules. Repeating it changes nothing; after an interrupt, repeating it
    goes on. Raises `ImportRefused` when the folder, a file's header or the rejects file is not
    usable, or the cache does not answer, before anything is written; or when the database goes
    away and stays away.
    """
    options = options or Options()
    sizes = sizes_of(directory)
    rejects = Rejects(options.rejects)
    as_of = newest_day(directory)
    purger = Purger(cache, options.patience)
    await purger.reach()
    console = options.console or Console(stderr=True)
    with rejects, Bars(console, sizes) as bars:
        job = Job(directory, rejects, purger, options.batch_rows, bars.advanced)
        summary = Summary(options.rejects)
        for step in _steps(job, as_of):
            summary.files.append(await step())
    return summary


def sizes_of(directory: Path) -> dict[str, int]:
    """The files of a folder with their bytes. Raises `ImportRefused` for one without a header."""
    return {layout.file: _checked(directory, layout) for layout in LAYOUTS}


def newest_day(directory: Path) -> date:
    """The newest day on which an order of the folder was placed: the day of derived statuses."""
    path = directory / ORDERS.file
    newest = date(FIRST_YEAR, 1, 1)
    with path.open("rb") as file:
        records = Records(path, file, ORDERS.columns)
        for record in records:
            if record.problem is None:
                newest = max(newest, _day(Cells(records.positions, record.fields)) or newest)
    return newest


def _day(cells: Cells) -> date | None:
    try:
        return ORDERS.read(cells).placed_on
    except BadRow:
        return None


def _steps(job: Job, as_of: date) -> tuple[Callable[[], Awaitable[Tally]], ...]:
    now = datetime.now(UTC)
    return (
        FileImport(job, PRODUCTS, lambda _: Products(now)).run,
        FileImport(job, CUSTOMERS, lambda _: Customers(now)).run,
        FileImport(job, ORDERS, lambda connection: Orders(connection, as_of)).run,
        FileImport(job, LINES, OrderLines).run,
    )


def _checked(directory: Path, layout: Layout[Any]) -> int:
    """The size of a file, in bytes. Raises `ImportRefused` when it is missing or has no header."""
    path = directory / layout.file
    try:
        with path.open("rb") as file:
            Records(path, file, layout.columns)
        return path.stat().st_size
    except OSError as error:
        expected = ", ".join(one.file for one in LAYOUTS)
        raise ImportRefused(
            f"{path} cannot be read: {error.strerror or error}. A Superstore folder has the files "
            f"{expected}. Nothing was imported"
        ) from error
