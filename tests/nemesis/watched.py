"""The application of the servers: the store's own, with an observer that keeps a diary.

Which is a file of the working directory, one JSON object a line, on the clock that all processes
of a machine share: when Redis did not answer in time, and every defect that the engine found in
itself.
"""

import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from cache.facts import BreakerChanged, Defect, Fact
from cache.stores.connection import GuardedRedis
from gql.app import create_app as create
from tests.history.records import Fault

DIARY = "diary.jsonl"


class Diary:
    """Writes down what happens, so that a SIGKILL loses nothing of it."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", buffering=1)
        self.note("started")

    def note(self, what: str, **more: Any) -> None:
        """One line."""
        self._file.write(json.dumps({"at": time.monotonic(), "what": what, **more}) + "\n")

    def observe(self, fact: Fact) -> None:
        """What of the engine's facts matters here."""
        if isinstance(fact, BreakerChanged):
            self.note("away" if fact.is_open else "back")
        elif isinstance(fact, Defect):
            self.note("defect", text=repr(fact))


def create_app() -> Starlette:
    """The store, observed."""
    diary = Diary(Path(DIARY))
    _note_failures(diary)
    return create(observers=[diary.observe])


def _note_failures(diary: Diary) -> None:
    """Also single ones that open no breaker: a live value is read from SQL then as well."""
    failed = GuardedRedis._failed

    def noted(self: GuardedRedis, began: float, *, waited: bool) -> None:
        diary.note("failed")
        failed(self, began, waited=waited)

    GuardedRedis._failed = noted  # type: ignore[method-assign]  # there is no fact for it


def read_diary(directory: Path) -> list[dict[str, Any]]:
    """The lines of a server's diary; none if it never started."""
    path = directory / DIARY
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def outages(name: str, diary: Iterable[dict[str, Any]], end: float) -> Iterator[Fault]:
    """When Redis was away, by a worker's own word. A breaker opens when a time-out is over."""
    since: float | None = None
    for line in diary:
        if line["what"] == "away" and since is None:
            since = line["at"]
        elif line["what"] in ("back", "started") and since is not None:
            yield Fault(name, since, line["at"])
            since = None
        elif line["what"] == "failed":
            yield Fault(name, line["at"], line["at"])
    if since is not None:
        yield Fault(name, since, end)
