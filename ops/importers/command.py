"""`freshql import`: importers on the command line."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from gql.app import open_services
from gql.settings import Settings, SettingsError, load
from models.database import DatabaseSettingInvalid, DatabaseUnavailable, migrate
from ops.attached import attached
from ops.embedded import EmbeddedServerError
from ops.importers.problems import ImportRefused
from ops.importers.report import ExitCode, Summary
from ops.importers.superstore import BATCH_ROWS, Options, import_superstore, sizes_of
from ops.place import PlaceTaken

app = typer.Typer(
    name="import",
    help="Bring files into the store. A running server answers with what is imported at once.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

logger = logging.getLogger(__name__)

_REFUSALS = (
    ImportRefused,
    SettingsError,
    PlaceTaken,
    EmbeddedServerError,
    DatabaseUnavailable,
    DatabaseSettingInvalid,
    OSError,
)


@app.callback()
def importers() -> None:
    """Keeps `superstore` a command of its own while it is the only one."""


@app.command()
def superstore(
    directory: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="A folder with products.csv, customers.csv, orders.csv and order_lines.csv.",
        ),
    ],
    rejects: Annotated[
        Path, typer.Option(help="Where rows that do not go in are listed, if there are any.")
    ] = Path("superstore-rejects.csv"),
    batch_rows: Annotated[
        int, typer.Option(min=1, max=5000, help="Rows for each transaction.")
    ] = BATCH_ROWS,
) -> None:
    """Import a Superstore folder: products, customers, orders and their lines.

    Run it with the server's settings: REDIS_URL, DATABASE_URL, FRESHQL_DATA_DIR.
    Repeating it changes nothing; after an interrupt it goes on.

    Ends with 0 when every row is in, 1 when some were rejected, 2 when it was refused.
    docs/import.md has the layout of the files and every rule.
    """
    with _explained():
        options = Options(rejects=rejects, batch_rows=batch_rows)
        summary = asyncio.run(_run(load(), directory, options))
    summary.print(Console())
    raise typer.Exit(summary.exit_code)


async def _run(settings: Settings, directory: Path, options: Options) -> Summary:
    sizes_of(directory)  # before anything is made for the sake of a folder that is refused
    if settings.database_url is None:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with attached(settings) as complete:
        await migrate(complete.database)
        async with open_services(complete) as services:
            return await import_superstore(directory, services.cache, options)


@contextmanager
def _explained() -> Iterator[None]:
    """Prints why an import did not end, without a traceback, and ends with the code for it."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        yield
    except _REFUSALS as error:
        console.print(f"[bold red]error:[/] {escape(str(error))}")
        raise typer.Exit(ExitCode.REFUSED) from error
    except KeyboardInterrupt:
        console.print("Interrupted. What landed stays: run the same command again to go on.")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except Exception as error:
        # Python would end with 1, which says here that rows were rejected.
        logger.exception("The import stopped at a mistake of its own. What landed stays")
        raise typer.Exit(ExitCode.REFUSED) from error
