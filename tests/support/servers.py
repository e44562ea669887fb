"""Servers and databases for tests: real ones, shared by a session, reaped with it.

`ValkeyServer` (start, stop, pause, resume, url) is the product's own; `PostgresServer` is beside.
`Databases` makes a fresh, migrated database for each test by copying one template.
"""

import asyncio
import itertools
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops.embedded import ValkeyServer
from tests.support.postgres import PostgresServer, free_port

__all__ = [
    "PostgresServer",
    "PostgresTemplate",
    "SqliteTemplate",
    "ValkeyServer",
    "free_port",
    "valkey",
]


@contextmanager
def valkey(*, tcp: bool = False, **options: str) -> Iterator[ValkeyServer]:
    """A Valkey of one's own, its data in a temporary directory: for tests that break it.

    `options` are Valkey's settings with underscores: `valkey(maxmemory="20mb")`.
    """
    directory = Path(tempfile.mkdtemp(prefix="fqv"))
    settings = {name.replace("_", "-"): value for name, value in options.items()}
    server = ValkeyServer(directory, port=free_port() if tcp else None, options=settings)
    try:
        with server:
            yield server
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def migrate(url: str) -> None:
    """Bring the database behind `url` to the newest schema."""
    from models.database import migrate as run  # noqa: PLC0415 (only tests with a database need it)

    asyncio.run(run(url))


class SqliteTemplate:
    """Fresh migrated SQLite databases: copies of one file."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._template = directory / "template.sqlite3"
        self._numbers = itertools.count()
        migrate(f"sqlite://{self._template}")

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """The URL of a database of one's own; removed at the end."""
        copy = self._directory / f"{next(self._numbers)}.sqlite3"
        shutil.copyfile(self._template, copy)
        try:
            yield f"sqlite://{copy}"
        finally:
            for leftover in self._directory.glob(f"{copy.name}*"):
                leftover.unlink()


class PostgresTemplate:
    """Fresh migrated PostgreSQL databases: `CREATE DATABASE ... TEMPLATE`."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._numbers = itertools.count()
        self._run("CREATE DATABASE template_freshql")
        migrate(server.url("template_freshql"))

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """The URL of a database of one's own; dropped at the end."""
        name = f"test_{next(self._numbers)}"
        self._run(
            f"CREATE DATABASE {name} TEMPLATE template_freshql STRATEGY FILE_COPY",
        )
        try:
            yield self._server.url(name)
        finally:
            self._run(f"DROP DATABASE {name} WITH (FORCE)")

    def _run(self, statement: str) -> None:
        asyncio.run(self._server.execute(statement))
