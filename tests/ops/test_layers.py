"""The layers are held, and the guard that holds them can fail."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("cache", "gql", "models", "ops", "resolvers")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the packages, to break."""
    directory = tmp_path_factory.mktemp("layers")
    shutil.copy(ROOT / "pyproject.toml", directory)
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__", "*.json", "*.lua")
        shutil.copytree(ROOT / package, directory / package, ignore=ignored)
    return directory


def lint(directory: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter there."""
    return subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        check=False,
        cwd=directory,
        capture_output=True,
        text=True,
    )


def test_the_layers_are_kept(copy: Path) -> None:
    done = lint(copy)
    assert done.returncode == 0, done.stdout


def test_every_file_of_the_core_is_held_to_be_pure() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    [pure] = [one for one in contracts["contracts"] if "is pure" in one["name"]]
    core = {f"cache.{path.stem}" for path in (ROOT / "cache").glob("*.py")}
    assert core - {"cache.__init__", "cache.records"} <= set(pure["source_modules"])


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("models/url.py", "import resolvers.ids"),
        ("models/url.py", "import cache.keys"),
        ("cache/keys.py", "import models.url"),
        ("resolvers/ids.py", "import gql.settings"),
        ("gql/settings.py", "import ops.place"),
        ("resolvers/ids.py", "import strawberry"),
        ("resolvers/ids.py", "import redis"),
        ("cache/keys.py", "import redis"),
        ("cache/engine.py", "import tortoise"),
        ("cache/relay.py", "import cache.integrations.sqlalchemy"),
    ],
)
def test_a_forbidden_import_is_found(copy: Path, module: str, line: str) -> None:
    file = copy / module
    kept = file.read_text()
    file.write_text(f"{kept}\n{line}\n")
    try:
        done = lint(copy)
    finally:
        file.write_text(kept)
    assert done.returncode != 0
    assert "BROKEN" in done.stdout


def test_our_packages_are_the_ones_that_load(tmp_path: Path) -> None:
    # Another distribution also has a top-level package `gql`.
    script = f"import {', '.join(PACKAGES)}; print(*(p.__file__ for p in ({', '.join(PACKAGES)})))"
    found = subprocess.check_output([sys.executable, "-c", script], cwd=tmp_path, text=True)
    assert found.split() == [str(ROOT / package / "__init__.py") for package in PACKAGES]
