"""`freshql outbox`: the purges that are committed and not yet published."""

import asyncio
from dataclasses import dataclass

import typer
from tortoise.exceptions import OperationalError

from cache import StoreUnavailable
from cache.protocol import Position
from gql.app import open_services
from gql.settings import Settings, load, masked
from models.database import DatabaseUnavailable, is_unavailable
from models.queries.outbox import OutboxState, outbox_state
from ops.attached import attached
from ops.errors import explained
from resolvers.context import Services

STUCK = 1
"""The exit code where rows have waited for longer than the staleness bound."""

app = typer.Typer(
    name="outbox",
    help="Look at the outbox of a store. Run it with the server's settings.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


@dataclass(frozen=True, slots=True)
class Status:
    """The outbox as of one moment; `head` is None, and `problem` says why, without Redis."""

    state: OutboxState
    head: Position | None = None
    problem: str = ""


@app.callback()
def outbox() -> None:
    """Keeps `status` a command of its own while it is the only one."""


@app.command()
def status() -> None:
    """Show how many purges wait, and for how long.

    Ends with 0 if none has waited for longer than FRESHQL_MAX_STALENESS, with 1 if one has, and
    with 2 if that cannot be told: Redis or the database is away, or a setting is wrong.
    """
    with explained():
        settings = load()
        found = asyncio.run(_status(settings))
        _print(found)
        if found.head is None:
            raise StoreUnavailable(
                f"{found.problem}. What was published is judged by Redis's epoch: without it only "
                "the rows that were never published are known, those above"
            )
    if _is_late(found, settings.max_staleness):
        typer.echo(
            f"stuck: the oldest has waited for more than {settings.max_staleness:g} s "
            "(FRESHQL_MAX_STALENESS). No relay reaches both the database and Redis: does a server "
            "run, and what does its /readyz say?"
        )
        raise typer.Exit(STUCK)


async def _status(settings: Settings) -> Status:
    with attached(settings) as complete:
        try:
            async with open_services(complete) as services:
                found = await _look(services, complete)
                if _is_late(found, settings.max_staleness):
                    # A new epoch makes old rows unpublished, and a long transaction commits a row
                    # that is old already: relays get the time that they are promised to have.
                    await asyncio.sleep(settings.max_staleness)
                    found = await _look(services, complete)
                return found
        except OperationalError as error:
            raise DatabaseUnavailable(settings.database, _explained(error)) from error


async def _look(services: Services, settings: Settings) -> Status:
    head, problem = None, ""
    try:
        head = (await services.cache.store.look(())).head
    except StoreUnavailable as error:
        problem = f"Redis at {masked(settings.state_redis)} does not answer ({error})"
    return Status(await outbox_state(None if head is None else head.epoch), head, problem)


def _explained(error: OperationalError) -> str:
    if is_unavailable(error):
        return str(error)
    return f"{error}. If it was never prepared, `freshql init` does that"


def _is_late(found: Status, bound: float) -> bool:
    oldest = found.state.oldest
    return found.head is not None and oldest is not None and oldest > bound


def _print(found: Status) -> None:
    state, head = found.state, found.head
    which = "unpublished" if head is not None else "never published"
    oldest = "" if state.oldest is None else f", the oldest {state.oldest:.1f} s old"
    typer.echo(f"epoch: {'not known' if head is None else head.epoch}")
    typer.echo(f"head: {'not known' if head is None else head.id}")
    typer.echo(f"{which}: {state.unpublished}{oldest}")
    typer.echo(f"kept: {state.kept}, published ones for a minute")
