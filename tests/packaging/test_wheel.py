"""What is in the wheel `freshql-cache`: the whole engine, what it declares, and nothing else."""

import subprocess
import tomllib
import zipfile
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from tests.support.wheel import ROOT, SOURCE, build_wheel, copy_source, requirements

APART = {"pyproject.toml", "README.md", "LICENSE"}
"""Files of `cache/` that are for the build."""


def tree(source: Path) -> set[str]:
    """The files that belong into a wheel made from `source`."""
    files = (path.relative_to(source) for path in source.rglob("*") if path.is_file())
    return {str(file) for file in files if str(file) not in APART}


def packed(wheel: Path) -> set[str]:
    """The files of the package in the wheel, as paths below `cache/`."""
    names = zipfile.ZipFile(wheel).namelist()
    assert all(name.startswith(("freshql_cache/", "freshql_cache-")) for name in names)
    return {
        name.removeprefix("freshql_cache/") for name in names if name.startswith("freshql_cache/")
    }


def project(file: Path) -> dict[str, Any]:
    """The `[project]` table of a pyproject."""
    table: dict[str, Any] = tomllib.loads(file.read_text())["project"]
    return table


def test_every_file_of_the_engine_is_in_it_and_no_other(wheel: Path, tmp_path: Path) -> None:
    assert packed(wheel) == tree(copy_source(tmp_path))


def test_a_package_that_the_build_does_not_list_is_noticed(tmp_path: Path) -> None:
    source = copy_source(tmp_path)
    (source / "forgotten").mkdir()
    (source / "forgotten" / "__init__.py").touch()
    (source / "forgotten" / "part.lua").touch()
    missing = tree(source) - packed(build_wheel(source, tmp_path / "out"))
    assert missing == {"forgotten/__init__.py", "forgotten/part.lua"}


def test_it_is_typed_and_licensed_and_says_what_it_is(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    [licence] = [name for name in archive.namelist() if name.endswith("licenses/LICENSE")]
    [metadata] = [name for name in archive.namelist() if name.endswith("/METADATA")]
    assert "py.typed" in packed(wheel)
    assert archive.read(licence) == (ROOT / "LICENSE").read_bytes()
    assert (SOURCE / "README.md").read_text() in archive.read(metadata).decode()


def test_it_is_this_repositorys_version_and_asks_for_the_same_as_the_store() -> None:
    ours, engine = project(ROOT / "pyproject.toml"), project(SOURCE / "pyproject.toml")
    assert (engine["version"], engine["requires-python"]) == (
        ours["version"],
        ours["requires-python"],
    )
    extras = ours["optional-dependencies"].values()
    known = {*ours["dependencies"], *(line for lines in extras for line in lines)}
    optional = (line for lines in engine["optional-dependencies"].values() for line in lines)
    assert {*engine["dependencies"], *optional} <= known


def test_what_an_integration_needs_is_an_extra(wheel: Path) -> None:
    hard = {Requirement(line).name for line in requirements(wheel) if "extra ==" not in line}
    assert hard == {"cachetools", "msgspec", "orjson", "redis", "zstandard"}


def test_building_leaves_nothing_in_the_tree(wheel: Path) -> None:
    assert wheel.exists()
    asked = ["git", "status", "--porcelain", "--ignored", "--", "cache"]
    done = subprocess.run(asked, cwd=ROOT, check=True, capture_output=True, text=True)
    built = [line for line in done.stdout.splitlines() if "egg-info" in line or "build/" in line]
    assert not built
