"""The file of rows that did not go in."""

import csv
from pathlib import Path
from types import TracebackType
from typing import IO, Final

from ops.importers.problems import ImportRefused, Problem

HEADER: Final = ("file", "line", "column", "reason", "row")
LONGEST_ROW: Final = 2000
"""Bytes of a rejected row that are kept."""


class Rejects:
    """Writes rejected rows to `path`: CSV in UTF-8, made with the first of them.

    A rejects file of an earlier import is replaced, or removed when this one rejects nothing.
    Raises `ImportRefused` where `path` cannot be written, or is another kind of file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._file: IO[str] | None = None
        self._is_earlier = self._check()

    def add(self, file: str, line: int, problem: Problem, raw: bytes) -> None:
        """Write one row down."""
        if self._file is None:
            self._file = self._opened()
            csv.writer(self._file).writerow(HEADER)
        csv.writer(self._file).writerow((file, line, problem.column, problem.reason, _shown(raw)))
        self.count += 1

    def flush(self) -> None:
        """Bring to the disk what was added."""
        if self._file is not None:
            self._file.flush()

    def __enter__(self) -> "Rejects":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()
        elif kind is None and self._is_earlier:
            self.path.unlink(missing_ok=True)

    def _check(self) -> bool:
        """Whether there is a rejects file of an earlier import."""
        if not self.path.parent.is_dir():
            raise ImportRefused(_unwritable(self.path, "there is no such folder"))
        if self.path.is_dir():
            raise ImportRefused(_unwritable(self.path, "it is a folder"))
        if not self.path.is_file():
            return False
        try:
            with self.path.open("rb") as existing:
                first = existing.readline(200).strip()
        except OSError as error:
            raise ImportRefused(_unwritable(self.path, error)) from error
        if first and first != ",".join(HEADER).encode():
            raise ImportRefused(
                f"{self.path} exists and is no file of rejected rows: name another one with "
                "--rejects. Nothing was imported"
            )
        return bool(first)

    def _opened(self) -> IO[str]:
        try:
            return self.path.open("w", encoding="utf-8", newline="")
        except OSError as error:
            raise ImportRefused(_unwritable(self.path, error)) from error


def _unwritable(path: Path, reason: object) -> str:
    return f"Rejected rows cannot be written to {path}: {reason}. Name another file with --rejects"


def _shown(raw: bytes) -> str:
    """The row as text: what is no UTF-8, and NUL, as `\\x..`."""
    cut = raw[:LONGEST_ROW] + (b"..." if len(raw) > LONGEST_ROW else b"")
    return cut.decode(errors="backslashreplace").replace("\0", "\\x00")
