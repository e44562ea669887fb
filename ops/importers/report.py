"""What an import did, in numbers."""

from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table


class ExitCode(IntEnum):
    """How an import ended, for scripts."""

    GOOD = 0
    """Every row is in the store."""
    REJECTED = 1
    """The good rows are; others are in the file of rejected rows."""
    REFUSED = 2
    """The import could not start, or could not go on."""
    INTERRUPTED = 130
    """Ctrl-C, as shells count it. The next run goes on."""


@dataclass(slots=True)
class Tally:
    """The rows of one file: each is added, changed, unchanged or rejected."""

    file: str
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    rejected: int = 0
    ignored: tuple[str, ...] = ()
    """Columns of the header that the store has no place for."""

    @property
    def rows(self) -> int:
        """All of them."""
        return self.added + self.changed + self.unchanged + self.rejected


@dataclass(slots=True)
class Summary:
    """An import's tallies, and where its rejected rows are."""

    rejects: Path
    files: list[Tally] = field(default_factory=list)

    @property
    def changes(self) -> int:
        """Rows added or changed."""
        return sum(tally.added + tally.changed for tally in self.files)

    @property
    def rejected(self) -> int:
        """Rows rejected."""
        return sum(tally.rejected for tally in self.files)

    @property
    def exit_code(self) -> ExitCode:
        """How the import ended."""
        return ExitCode.REJECTED if self.rejected else ExitCode.GOOD

    def print(self, console: Console) -> None:
        """Print the numbers, and where to look further."""
        columns = ("rows", "added", "changed", "unchanged", "rejected")
        table = Table("file", *columns)
        for name in columns:
            table.columns[columns.index(name) + 1].justify = "right"
        for tally in self.files:
            table.add_row(tally.file, *(f"{getattr(tally, name):,}" for name in columns))
        console.print(table)
        for tally in self.files:
            if tally.ignored:
                names = escape(", ".join(tally.ignored))
                console.print(f"{tally.file}: ignored the columns {names}", highlight=False)
        console.print(_counted(self.changes, "change", "changes"), highlight=False)
        if self.rejected:
            rows = _counted(self.rejected, "row was", "rows were")
            console.print(
                f"{rows} rejected; {escape(str(self.rejects))} says why",
                highlight=False,
                soft_wrap=True,
            )


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"
