"""Which keys of a file were met already: on disk, so that memory does not grow with the file."""

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType


@dataclass(frozen=True, slots=True)
class Met:
    """Where a key was met first, and the digest of that row."""

    line: int
    digest: str


class Seen:
    """The keys of one file.

    They are in a private temporary database of SQLite (the empty name), which the system removes
    when the process ends, however it ends; SQLite keeps about 2 MB of it in memory.
    """

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute(
            "CREATE TABLE seen (key TEXT PRIMARY KEY, line INTEGER, digest BLOB) WITHOUT ROWID"
        )

    def find(self, keys: Iterable[str]) -> dict[str, Met]:
        """Those of `keys` that were met."""
        found: dict[str, Met] = {}
        for key in keys:
            row = self._database.execute("SELECT line, digest FROM seen WHERE key = ?", (key,))
            for line, digest in row:
                found[key] = Met(line, digest.hex())
        return found

    def remember(self, met: Mapping[str, Met]) -> None:
        """Add keys that were not met before."""
        rows = ((key, one.line, bytes.fromhex(one.digest)) for key, one in met.items())
        self._database.execute("BEGIN")
        self._database.executemany("INSERT INTO seen VALUES (?, ?, ?)", rows)
        self._database.execute("COMMIT")

    def __enter__(self) -> "Seen":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._database.close()
