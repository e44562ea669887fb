"""`freshql write-behind`: what waits on its way into the database, and what it refused."""

import asyncio
from dataclasses import dataclass
from typing import Final

import typer

from cache import StoreUnavailable
from cache.writes import Parked, Status, Waiting, WriteBehind
from gql.settings import load, masked
from ops import dead_letter_commands
from ops.errors import explained
from ops.streams import streams, with_services
from resolvers.context import Services

NEEDS_SOMEBODY: Final = 1
"""The exit code where operations wait that nobody flushes, or that the database refused."""

PATIENCE: Final = 3
"""Times the promised age after which what waits is not only late."""

app = typer.Typer(
    name="write-behind",
    help="Look after writes that are acknowledged before they are in the database. Run it with the "
    "server's settings.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.add_typer(dead_letter_commands.app)


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream as of one moment; `waiting` is None, and `problem` says why, without Redis."""

    behind: WriteBehind
    sql: Status
    parked: Parked
    waiting: Waiting | None
    problem: str = ""

    @property
    def is_late(self) -> bool:
        """Whether something waits for much longer than it should."""
        bound = PATIENCE * self.behind.settings.max_age
        return self.waiting is not None and self.waiting.age > bound


@app.command()
def status() -> None:
    """Show each stream: what waits, how far it is applied, who applies it, what was refused.

    Ends with 0 if all is well, with 1 if dead letters wait or nobody flushes, and with 2 if that
    cannot be told: Redis or the database is away, or a setting is wrong.
    """
    with explained():
        settings = load()
        found = asyncio.run(with_services(settings, _look))
        for stream in found:
            _print(stream)
        for stream in found:
            if stream.waiting is None:
                raise StoreUnavailable(
                    f"Redis at {masked(settings.state_redis)} does not answer ({stream.problem}): "
                    "what waits there is not known, the lines above are the database's"
                )
    if any(stream.is_late for stream in found):
        typer.echo(
            f"nobody flushes: the oldest operation has waited for more than {PATIENCE} times what "
            "is promised. Does a server run, and does it reach the database?"
        )
    if any(stream.parked.letters for stream in found):
        typer.echo("the database refused operations: see `freshql write-behind dead-letters list`")
    if any(stream.is_late or stream.parked.letters for stream in found):
        raise typer.Exit(NEEDS_SOMEBODY)


async def _look(services: Services) -> list[Stream]:
    return [await _look_at(behind) for behind in streams(services).values()]


async def _look_at(behind: WriteBehind) -> Stream:
    waiting, problem = None, ""
    try:
        waiting = await behind.journal.peek()
    except StoreUnavailable as error:
        problem = str(error)
    sql, parked = await behind.status(), await behind.dead_letters.parked()
    return Stream(behind, sql, parked, waiting, problem)


def _print(stream: Stream) -> None:
    waiting, sql = stream.waiting, stream.sql
    if waiting is None:
        waits = "not known"
    elif waiting.operations:
        waits = f"{waiting.operations}, the oldest {max(waiting.age, 0):.1f} s old"
    else:
        waits = "0"
    epoch = f" of the stream {sql.applied.epoch}" if sql.applied.epoch else ""
    holder = "nobody" if sql.owner is None else f"{sql.owner}, until {sql.lease_until}"
    typer.echo(f"stream: {stream.behind.name}")
    typer.echo(f"  waiting: {waits}")
    typer.echo(f"  applied up to: {sql.applied.last_id}{epoch}")
    typer.echo(f"  lease: {holder}")
    typer.echo(f"  parked keys: {stream.parked.keys}")
    typer.echo(f"  dead letters: {stream.parked.letters}")
