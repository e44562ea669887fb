"""`freshql cache`: what an operator does to the cache by hand."""

import asyncio

import typer

from gql.app import open_services
from gql.settings import Settings, load
from ops.attached import attached
from ops.errors import explained

app = typer.Typer(
    name="cache",
    help="Look after the cache of a store. Run it with the server's settings.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


@app.callback()
def cache() -> None:
    """Keeps `new-epoch` a command of its own while it is the only one."""


@app.command("new-epoch")
def new_epoch() -> None:
    """Invalidate everything that is cached, at once and in constant time.

    For a database that was changed behind the store's back: restored from a backup, or edited by
    hand. Every worker's memory is included. Reads are loads again until the cache is warm.
    """
    with explained():
        epoch = asyncio.run(_begin(load()))
        typer.echo(f"A new epoch has begun ({epoch}): nothing that was cached before is served.")


async def _begin(settings: Settings) -> str:
    with attached(settings) as complete:
        async with open_services(complete) as services:
            return (await services.cache.new_epoch()).epoch
