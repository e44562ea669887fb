"""The README's queries run as they stand, and its files exist."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.serving import serving

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def questions() -> list[str]:
    """The bodies that the README's section of first queries sends."""
    section = README.partition("## First queries")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("ask '")]
    return [shlex.split(line)[1] for line in lines]


def answered(url: str, body: str, token: str) -> dict[str, Any]:
    """The data of one answer; fails on errors, typed ones too."""
    headers = {"content-type": "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    answer = httpx.post(f"{url}/graphql", content=body, headers=headers, timeout=30).json()
    assert "errors" not in answer, f"{body}\n{answer}"
    assert '"errors": [{' not in json.dumps(answer), f"{body}\n{answer}"
    data: dict[str, Any] = answer["data"]
    return data


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_first_queries_are_answered(tmp_path: Path, workers: str) -> None:
    with serving(tmp_path, WORKERS=workers) as server:
        url, token, data = server.url, "", dict[str, Any]()
        for body in questions():
            data |= answered(url, body, token)
            token = data.get("login", {}).get("token", "")  # as the README says: TOKEN=...
    assert data["product"] == {
        "name": "AeroPress Original",
        "price": {"amount": "39.95", "currency": "USD"},
        "stock": 90,
    }
    assert len(data["products"]["edges"]) == 20
    assert all(edge["node"]["brand"]["name"] for edge in data["products"]["edges"])
    assert data["me"]["email"] == "customer@example.com"
    assert data["me"]["orders"]["totalCount"] == len(data["me"]["orders"]["edges"]) > 0
    assert data["placeOrder"]["order"]["status"] == "PENDING"
    board = data["leaderboard"]["window"]
    assert board["top"]["edges"][0]["node"]["rank"] == 1
    assert board["entry"]["rank"] in [entry["rank"] for entry in board["around"]]


PAGES = ["README.md", *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES)
def test_linked_files_exist(page: str) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (ROOT / page).read_text())
    missing = [link for link in links if not (ROOT / page).parent.joinpath(link).exists()]
    assert missing == []


def test_files_and_commands_that_the_readme_names_exist() -> None:
    named = re.findall(r"`((?:tests|ops|docs)/[\w/.]+|\.ci/run)`", README)
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []
    targets = set(re.findall(r"`?make ([a-z-]+)", README)) - {"changes"}
    rules = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert targets <= set(rules)
