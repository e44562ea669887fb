"""Expected errors of commands, as messages."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.markup import escape

from cache import StoreUnavailable
from gql.settings import SettingsError
from models.database import DatabaseSettingInvalid, DatabaseUnavailable
from ops import schema
from ops.embedded import EmbeddedServerError
from ops.place import PlaceTaken

EXPECTED_ERRORS = (
    StoreUnavailable,
    SettingsError,
    PlaceTaken,
    EmbeddedServerError,
    DatabaseUnavailable,
    DatabaseSettingInvalid,
    schema.SchemaDriftError,
    schema.SchemaUnwritableError,
)
USAGE_ERROR = 2


@contextmanager
def explained() -> Iterator[None]:
    """Prints an expected error as a message, without a traceback, and ends with code 2."""
    try:
        yield
    except EXPECTED_ERRORS as error:
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        console.print(f"[bold red]error:[/] {escape(str(error))}")
        raise typer.Exit(USAGE_ERROR) from error
