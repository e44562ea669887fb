"""The README's queries run as they stand, and its files exist."""

import re
from pathlib import Path
from typing import Any

import pytest

from gql.settings import SHOULD, Settings
from tests.support.questions import README_QUESTIONS, Asker
from tests.support.serving import ROOT, serving

README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_first_queries_are_answered(tmp_path: Path, workers: str) -> None:
    with serving(tmp_path, WORKERS=workers) as server:
        asker, data = Asker(server.url), dict[str, Any]()
        for question in README_QUESTIONS:
            data |= asker.ask_as_text(question)
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


def test_every_setting_is_documented_as_it_is() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| `") and line.count("|") == 5]
    expected = [
        f"| `{field.alias}` | {'' if field.default is None else f'`{field.default}`'} "
        f"| {field.description} | {SHOULD[str(field.alias)]} |"
        for field in Settings.model_fields.values()
    ]
    assert rows == expected
