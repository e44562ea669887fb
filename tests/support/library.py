"""Processes of the library in `examples/adopt`, and its database."""

import json
import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "adopt"
PROCESS = ROOT / "tests" / "examples" / "library_process.py"

ROWS = """
INSERT INTO authors VALUES (1, 'Jane Austen'), (2, 'Mary Shelley');
INSERT INTO books VALUES (1, 'Emma', 1, 2), (2, 'Persuasion', 1, 1), (3, 'Frankenstein', 2, 3);
INSERT INTO loans VALUES (1, 1, 'ann');
"""


@dataclass(frozen=True)
class Answer:
    """One answer of a process: data or errors, headers, and the SQL that it took."""

    status: int
    headers: dict[str, str]
    body: dict[str, Any]
    sql: list[str]

    @property
    def data(self) -> dict[str, Any]:
        """The data of an operation that succeeded."""
        assert self.status == 200
        assert "errors" not in self.body, self.body
        data: dict[str, Any] = self.body["data"]
        return data

    @property
    def token(self) -> str:
        """Its position token."""
        return self.headers["freshql-position"]


class Process:
    """A running process of the library."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._input: IO[str] = process.stdin
        self._output: IO[str] = process.stdout
        assert json.loads(self._output.readline()) == "ready"

    def ask(self, query: str, *, reader: str = "", token: str = "") -> Answer:
        """Send one operation; `token` is echoed as a client does."""
        headers = {"x-reader": reader, "freshql-position": token}
        asked = {"query": query, "headers": {name: said for name, said in headers.items() if said}}
        self._input.write(json.dumps(asked) + "\n")
        self._input.flush()
        return Answer(**json.loads(self._output.readline()))

    def kill(self) -> None:
        """End it as a crash does."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(10)

    def close(self) -> None:
        """End it as a stop does; fails if it does not."""
        if self._process.poll() is None:
            self._input.close()
            assert self._process.wait(20) == 0
        self._output.close()


class Library:
    """One database and one Redis, for any number of processes of one of the two modules."""

    def __init__(self, python: Path, module: Path, directory: Path, redis_url: str) -> None:
        self._python = python
        self.module = module
        self.file = directory / f"{module.stem}.db"
        self._redis_url = redis_url

    @contextmanager
    def process(self) -> Iterator[Process]:
        """One more process."""
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(self.module.parent),
            "DATABASE_URL": f"sqlite+aiosqlite:///{self.file}",
            "REDIS_URL": self._redis_url,
        }
        command = [self._python, "-W", "error", PROCESS, self.module.stem]
        with subprocess.Popen(
            command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as running:
            one = Process(running)
            try:
                if not self._has_rows():
                    self.run(ROWS)
                yield one
            finally:
                one.close()

    def run(self, script: str) -> None:
        """Change the database past every process."""
        with closing(sqlite3.connect(self.file)) as connection:
            connection.executescript(script)

    def outbox(self) -> list[str]:
        """The tags of each row of the outbox."""
        return [tags for (tags,) in self._read("SELECT tags FROM outbox ORDER BY created_at")]

    def _has_rows(self) -> bool:
        return bool(self._read("SELECT id FROM books"))

    def _read(self, query: str) -> list[Any]:
        with closing(sqlite3.connect(self.file)) as connection:
            return connection.execute(query).fetchall()
