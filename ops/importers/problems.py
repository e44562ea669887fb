"""What can be wrong with a file, and with a row. A leaf: it imports nothing of ours."""

from dataclasses import dataclass


class ImportRefused(Exception):  # noqa: N818 - it names what happened to the import
    """The import cannot start, or cannot go on. The message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why one row does not go in.

    `column` is the header's name of the column at fault, `column 7` for one beyond the header.
    """

    column: str
    reason: str


class BadRow(Exception):  # noqa: N818 - it is reported, not a failure of the program
    """Raised while a row is read; carries the problem."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(f"{column}: {reason}")
        self.problem = Problem(column, reason)
