"""GraphiQL's example operations, and a plain HTTP client to run and compare them with."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

EXAMPLES = Path(__file__).resolve().parents[2] / "web" / "src" / "examples"


@dataclass(frozen=True)
class Example:
    """One tab: its file's name without the ending, the document, and its variables."""

    name: str
    query: str
    variables: dict[str, Any]


def examples() -> list[Example]:
    """All of them, in the order of the tabs."""
    return [example(path.stem) for path in sorted(EXAMPLES.glob("*.graphql"))]


def example(name: str) -> Example:
    """The example of that name, such as `03-login`."""
    variables = EXAMPLES / f"{name}.json"
    return Example(
        name,
        (EXAMPLES / f"{name}.graphql").read_text(encoding="utf-8"),
        json.loads(variables.read_text(encoding="utf-8")) if variables.exists() else {},
    )


def send(
    origin: str, query: str, variables: dict[str, Any], token: str | None = None
) -> dict[str, Any]:
    """The server's answer to one operation."""
    response = httpx.post(
        f"{origin}/graphql",
        json={"query": query, "variables": variables},
        headers={} if token is None else {"Authorization": f"Bearer {token}"},
    )
    answer: dict[str, Any] = response.json()
    return answer


def login(origin: str, name: str) -> str:
    """A token of the sample login `name` (`admin`, `staff`, `customer`: also the password)."""
    variables = {"email": f"{name}@example.com", "password": name}
    answer = send(origin, example("03-login").query, variables)
    token: str = answer["data"]["login"]["token"]
    return token


def problems(answer: dict[str, Any]) -> list[Any]:
    """What went wrong in an answer: its errors, its payloads' errors, objects that are null."""
    found = list(answer.get("errors", []))
    for field, value in (answer.get("data") or {}).items():
        if value is None:
            found.append(f"{field} is null")
        elif isinstance(value, dict):
            found += value.get("errors", [])
    return found
