"""What the benchmarks share: a server of their own, and the options of their command lines."""

import argparse
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops.embedded import ValkeyServer


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def valkey(**options: str) -> Iterator[int]:
    """A Valkey for the block; its port. `options` are its settings, with underscores."""
    port = free_port()
    settings = {name.replace("_", "-"): value for name, value in options.items()}
    with (
        tempfile.TemporaryDirectory() as directory,
        ValkeyServer(Path(directory), port=port, options=settings),
    ):
        yield port


def command_line(description: str | None) -> argparse.ArgumentParser:
    """A parser with `--short`: does it run at all?"""
    first = description.splitlines()[0] if description else ""
    parser = argparse.ArgumentParser(description=first)
    parser.add_argument("--short", action="store_true", help="a small run: does it run at all?")
    return parser
