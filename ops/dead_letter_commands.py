"""`freshql write-behind dead-letters`: operations that the database refused."""

import asyncio
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from cache.writes import DeadLetter, DeadLetters
from gql.settings import load
from models.database import is_unavailable
from ops.errors import explained
from ops.streams import streams, with_services
from resolvers.context import Services

SOME_FAILED: Final = 1
"""The exit code where something that was asked for could not be done."""

app = typer.Typer(
    name="dead-letters",
    help="Operations that were acknowledged and that the database refused. They wait here, with "
    "all later ones on the same key, until they are replayed or dropped.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

Ids = Annotated[list[int] | None, typer.Argument(help="Ids, as `list` shows them.", metavar="ID")]
Key = Annotated[str, typer.Option(help="All of this key.", metavar="KEY")]
All = Annotated[bool, typer.Option("--all", help="All that there are.")]


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a command is about: ids, a key, or everything."""

    ids: Collection[int]
    key: str
    everything: bool

    @classmethod
    def of(cls, ids: list[int] | None, key: str, everything: bool) -> "Chosen":
        """Exactly one of the three. Raises `typer.BadParameter`."""
        if sum([bool(ids), bool(key), everything]) != 1:
            raise typer.BadParameter("name ids, or --key KEY, or --all: one of the three")
        return cls(frozenset(ids or ()), key, everything)

    def has(self, letter: DeadLetter) -> bool:
        """Whether it is about this one."""
        return self.everything or letter.id in self.ids or letter.entry.key == self.key


@dataclass(frozen=True, slots=True)
class Found:
    """Dead letters of one stream."""

    stream: str
    letters: DeadLetters
    chosen: list[DeadLetter]


@app.command("list")
def list_letters(key: Key = "") -> None:
    """Show the dead letters, the oldest first."""
    with explained():
        found = asyncio.run(with_services(load(), lambda services: _find(services, key)))
    rows = [(one.stream, letter) for one in found for letter in one.chosen]
    if not rows:
        typer.echo("There are no dead letters.")
        return
    table = Table("id", "stream", "key", "field", "value", "since", "error", box=None)
    for stream, letter in rows:
        entry = letter.entry
        said = (stream, entry.key, entry.field, entry.payload, letter.created_at, letter.error)
        table.add_row(str(letter.id), *said)
    width = None if Console().is_terminal else 10_000  # whoever reads a pipe wants whole lines
    Console(width=width, markup=False, highlight=False).print(table)


@app.command()
def replay(ids: Ids = None, key: Key = "", everything: All = False) -> None:
    """Apply dead letters, those of each key in order, and remove them.

    An ID means its key up to that one. What is refused again stays, with all of its key, and is
    shown with the error; then the command ends with 1.
    """
    with explained():
        chosen = Chosen.of(ids, key, everything)
        failed = asyncio.run(with_services(load(), lambda services: _replay(services, chosen)))
    if failed:
        raise typer.Exit(SOME_FAILED)


@app.command()
def drop(
    ids: Ids = None,
    key: Key = "",
    everything: All = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove dead letters for good: what was acknowledged to clients is then never done."""
    with explained():
        chosen = Chosen.of(ids, key, everything)
        if not yes:
            typer.confirm("They were acknowledged, and will be gone. Drop them?", abort=True)
        failed = asyncio.run(with_services(load(), lambda services: _drop(services, chosen)))
    if failed:
        raise typer.Exit(SOME_FAILED)


async def _find(services: Services, key: str) -> list[Found]:
    return await _chosen(services, Chosen((), key, not key))


async def _chosen(services: Services, chosen: Chosen) -> list[Found]:
    found = []
    for name, behind in streams(services).items():
        letters = behind.dead_letters
        picked = [one async for one in _all(letters) if chosen.has(one)]
        found.append(Found(name, letters, picked))
    return found


async def _all(letters: DeadLetters) -> AsyncIterator[DeadLetter]:
    after = 0
    while page := await letters.listed(after=after):
        for one in page:
            yield one
        after = page[-1].id


async def _replay(services: Services, chosen: Chosen) -> bool:
    found = await _chosen(services, chosen)
    failed = _missing(found, chosen)
    for one in found:
        last: dict[str, int] = {letter.entry.key: letter.id for letter in one.chosen}
        for key, identifier in last.items():
            try:
                done = await one.letters.replay(key, identifier)
            except Exception as error:
                if is_unavailable(error):
                    raise
                failed = True
                typer.echo(f"failed again: {one.stream} {key!r}: {type(error).__name__}: {error}")
            else:
                typer.echo(f"applied: {one.stream} {key!r}: {done} operations")
    await _say_if_unheard(services)
    return failed


async def _drop(services: Services, chosen: Chosen) -> bool:
    found = await _chosen(services, chosen)
    failed = _missing(found, chosen)
    for one in found:
        if one.chosen:
            done = await one.letters.drop([letter.id for letter in one.chosen])
            typer.echo(f"dropped: {one.stream}: {done} operations")
    await _say_if_unheard(services)
    return failed


def _missing(found: list[Found], chosen: Chosen) -> bool:
    """Say what was asked for and is not there."""
    known = {letter.id for one in found for letter in one.chosen}
    missing = sorted(set(chosen.ids) - known)
    for identifier in missing:
        typer.echo(f"not found: there is no dead letter {identifier}")
    if not known and not chosen.ids:
        which = "" if chosen.everything else f" of {chosen.key!r}"
        typer.echo(f"There are no dead letters{which}.")
    return bool(missing)


async def _say_if_unheard(services: Services) -> None:
    if not await services.cache.reaches_store():
        typer.echo(
            "Redis does not answer: what is shown from there is made right when it is back, by the "
            "relay of a server",
            err=True,
        )
