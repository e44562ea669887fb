"""Clients that log what they ask and what they are told."""

import re
import time
from collections import Counter as Tally
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx
import orjson

from cache.protocol import Token
from tests.history.records import History
from tests.nemesis.goods import Goods

HEADER = "FreshQL-Position"
PATIENCE = 4.0
"""Seconds that a client waits for an answer. What it asked may have happened, then."""

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class Asked(Protocol):
    """A worker, by its name and address."""

    @property
    def name(self) -> str: ...

    @property
    def url(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Exchange:
    """One operation and what became of it. `data` is None without an answer.

    `was_sent` is False where no worker can have got it; `is_whole`: it was answered without errors.
    """

    start: float
    end: float
    worker: str
    sent: Token
    answer: Token = field(default_factory=Token)
    data: Mapping[str, Any] | None = None
    was_sent: bool = True
    is_whole: bool = False

    def part(self, name: str) -> Any:
        """One field of the answer; None where there is none."""
        return None if self.data is None else self.data.get(name)


@dataclass
class Log:
    """The history, and what happened besides."""

    history: History
    goods: Goods
    requests: Tally[str] = field(default_factory=Tally)
    errors: Tally[str] = field(default_factory=Tally)
    internal: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        """How many fields were read and written."""
        history = self.history
        return self._fields(history.reads, "reads") + self._fields(history.writes, "writes")

    def __post_init__(self) -> None:
        self._counted = {"reads": (0, 0), "writes": (0, 0)}

    def _fields(self, records: list[Any], kind: str) -> int:
        """Summed up from where the last look ended."""
        seen, total = self._counted[kind]
        more: int = sum(record.fields for record in records[seen:])
        total += more
        self._counted[kind] = (len(records), total)
        return total


class Client:
    """Somebody who asks one thing after the other, of whichever worker.

    `viewer` is whose session it has: a customer's id, `staff`, or nobody's. `echoes`: it sends the
    token of the last answer with the next question.
    """

    def __init__(
        self,
        number: int,
        log: Log,
        *,
        viewer: str = "",
        token: str | None = None,
        echoes: bool = True,
    ) -> None:
        self.number, self.log = number, log
        self.viewer, self.echoes = viewer, echoes
        self._authorization = {"authorization": f"Bearer {token}"} if token else {}
        self._kept = ""

    async def ask(
        self, http: httpx.AsyncClient, server: Asked, document: str, **variables: Any
    ) -> Exchange:
        """Ask one worker. Whatever happens is an exchange."""
        sent = self._kept if self.echoes else ""
        headers = {**self._authorization, "content-type": "application/json"}
        if sent:
            headers[HEADER] = sent
        body = orjson.dumps({"query": document, "variables": variables})
        self.log.requests[_name(document)] += 1
        token = Token.decode(sent) or Token()
        start = time.monotonic()
        try:
            response = await http.post(f"{server.url}/graphql", content=body, headers=headers)
            answer = orjson.loads(response.content)
        except (httpx.HTTPError, orjson.JSONDecodeError) as error:
            self.log.errors[type(error).__name__] += 1
            was_sent = not isinstance(error, _NOT_SENT)
            return Exchange(start, time.monotonic(), server.name, token, was_sent=was_sent)
        end = time.monotonic()
        self._note(answer.get("errors", ()), server)
        said = response.headers.get(HEADER)
        if said is not None:
            self._kept = said
        told = Token.decode(said or "") or Token()
        is_whole = "errors" not in answer
        data = answer.get("data")
        return Exchange(start, end, server.name, token, told, data, is_whole=is_whole)

    def _note(self, errors: list[dict[str, Any]], server: Asked) -> None:
        for error in errors:
            code = error.get("extensions", {}).get("code", "?")
            self.log.errors[code] += 1
            if code != "UNAVAILABLE":
                self.log.internal.append(f"{server.name}: {error}")


def _name(document: str) -> str:
    """`query Catalogue`; the only one without a name is `query Me`."""
    found = re.match(r"\w+ \w+", document)
    return found.group() if found else "query Me"
