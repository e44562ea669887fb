"""What `docs/outbox.md` says of the relay's times and of its tests is so."""

import re
import subprocess
import sys
from pathlib import Path

from cache import publishing, relay
from cache.integrations.outbox_statements import COLUMNS, INDEX

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "outbox.md").read_text("utf-8")


def test_its_figures_are_those_of_the_code() -> None:
    assert f"for {publishing.PATIENCE:g} s, rows may" in PAGE
    assert f"(they are kept for {publishing.KEPT:g})" in PAGE
    assert f"pages of {publishing.ROWS:,} rows" in PAGE
    assert f"some {publishing._TAGS} tags" in PAGE
    assert "once a second" in PAGE
    assert relay._LONGEST_PAUSE == 1


def test_its_table_has_every_column() -> None:
    section = PAGE.split("## The table")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert sorted(named) == sorted(COLUMNS)
    assert f"`{', '.join(INDEX)}`" in section


def test_the_files_that_it_names_are_there() -> None:
    named = re.findall(r"`((?:tests|resolvers|models|benchmarks)/[\w./]+)`", PAGE)
    assert len(named) >= 8
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_its_benchmark_runs() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.outbox", "--short"],
        check=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "the outbox adds" in done.stdout
