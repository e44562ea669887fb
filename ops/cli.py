"""The command line: `freshql`."""

import asyncio
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from gql.settings import load, masked
from ops import schema, store, supervisor
from ops.cache_commands import app as cache_commands
from ops.errors import explained
from ops.importers.command import app as importers
from ops.outbox_commands import app as outbox_commands
from ops.write_behind_commands import app as write_behind_commands

app = typer.Typer(
    name="freshql",
    help="A store's GraphQL API in which every resolver is cached and stays fresh.\n\n"
    "Begin with [bold]freshql serve[/]: it starts its own Valkey, keeps its data in .freshql "
    "and prints where GraphiQL is. Settings are variables of the environment (REDIS_URL, "
    "DATABASE_URL, PORT and more): docs/operations.md lists them.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

app.add_typer(importers)
app.add_typer(cache_commands)
app.add_typer(write_behind_commands)
app.add_typer(outbox_commands)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"freshql {version('freshql')}")
        raise typer.Exit


@app.callback()
def options(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and end."
        ),
    ] = False,
) -> None:
    """Options of the program itself."""


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.", metavar="HOST")] = "",
    port: Annotated[str, typer.Option(help="The port to listen on.", metavar="PORT")] = "",
    workers: Annotated[str, typer.Option(help="How many processes answer.", metavar="N")] = "",
    build_pages: Annotated[
        bool, typer.Option("--build-pages", help="First build GraphiQL, if web/ changed.")
    ] = False,
    application: Annotated[str, typer.Option("--app", hidden=True)] = supervisor.APP,
) -> None:
    """Serve the store until Ctrl-C.

    Without REDIS_URL it runs a Valkey of its own; without DATABASE_URL it keeps SQLite in .freshql.
    An empty database gets the newest schema and, in development, a sample store.
    """
    given = {"HOST": host, "PORT": port, "WORKERS": workers}
    with explained():
        settings = load({name: value for name, value in given.items() if value})
        if build_pages:
            from ops.web import build_if_stale  # noqa: PLC0415 (only for a start from the sources)

            build_if_stale()
        supervisor.serve(settings, application)


@app.command()
def init() -> None:
    """Prepare the database: the newest schema and, in development, the sample store if empty.

    `freshql serve` does the same on its own; use this where servers should find it done.
    """
    with explained():
        settings = load()
        prepared = asyncio.run(store.prepare(settings))
        done = "the sample store was put in" if prepared.filled else "its content was left as it is"
        typer.echo(f"{masked(settings.database)} has the newest schema; {done}.")


@app.command("export-schema")
def export_schema(
    file: Annotated[Path | None, typer.Argument(help="Write there, not to the terminal.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail if FILE is not what is served.")
    ] = False,
) -> None:
    """Print the API's schema in GraphQL's own language."""
    with explained():
        if check:
            schema.check(file or Path("schema.graphql"))
        elif file is None:
            typer.echo(schema.printed(), nl=False)
        else:
            schema.write(file)


def main() -> None:
    """The console script."""
    app()


if __name__ == "__main__":
    main()
