"""`freshql serve` as a process of its own, for tests that start, ask and end it."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.support.processes import alive, until

ROOT = Path(__file__).resolve().parents[2]
FRESHQL = str(Path(sys.executable).with_name("freshql"))
SMALL_APP = "tests.support.small_app:create_app"


class Serving:
    """One supervisor in a session of its own, its output in a file."""

    def __init__(self, directory: Path, *arguments: str, **variables: str) -> None:
        self.output = directory / "output.txt"
        with self.output.open("w") as sink:
            self.process = subprocess.Popen(
                [FRESHQL, "serve", *arguments],
                cwd=directory,
                env=environment(variables),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def text(self) -> str:
        """What it has printed so far."""
        return self.output.read_text()

    @property
    def url(self) -> str:
        """Where it answers; waits until it says so."""
        until(lambda: "stop with" in self.text or self.process.poll() is not None, 60)
        found = re.search(r"(http://\S+)/graphql", self.text)
        assert found, self.text
        return found.group(1)

    def get(self, path: str = "/") -> dict[str, object]:
        """What it answers to a GET, on a connection of its own."""
        answer: dict[str, object] = httpx.get(self.url + path, timeout=30).raise_for_status().json()
        return answer

    def interrupt(self) -> None:
        """What Ctrl-C does in a terminal: SIGINT to the whole foreground process group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send one signal to the supervisor alone; its exit code when it has ended."""
        self.process.send_signal(number)
        return self.process.wait(40)


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """This environment without settings of ours, with `variables`, and the tests importable."""
    ours = {"REDIS_URL", "DATABASE_URL", "HOST", "PORT", "WORKERS"}
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ours and not name.startswith("FRESHQL_")
    }
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "PORT": "0", **variables}


@contextmanager
def serving(directory: Path, *arguments: str, **variables: str) -> Iterator[Serving]:
    """Serve in `directory` on a free port; ended at the end, if the test did not."""
    server = Serving(directory, *arguments, **variables)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.end()
        assert not alive(server.process.pid)
