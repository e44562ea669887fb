"""The engine as others get it: its wheel, in a virtualenv with what it declares and nothing else.

Nothing is fetched: dependencies are linked from the virtualenv that runs the tests, those that the
wheel's metadata names and no others. So what it uses without declaring it is not there.
"""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "cache"
_LEFTOVERS = shutil.ignore_patterns("__pycache__", "build", "dist", "*.egg-info")
_UV = Path(sys.executable).with_name("uv")


def copy_source(directory: Path) -> Path:
    """A copy of `cache/` to build from, or to change: a build leaves things in its tree."""
    return Path(shutil.copytree(SOURCE, directory / "source", ignore=_LEFTOVERS))


def build_wheel(source: Path, directory: Path) -> Path:
    """Build the source distribution of `source`, and of that the wheel; returns the wheel."""
    # The build back end of this virtualenv: an isolated build would fetch one.
    _run([
        _UV, "build", "--offline", "--no-build-isolation",
        "--python", sys.executable, "--out-dir", directory, source,
    ])  # fmt: skip
    [wheel] = directory.glob("*.whl")
    return wheel


def install(wheel: Path, directory: Path, *, extras: Iterable[str] = (), more: str = "") -> Path:
    """Make a virtualenv with `wheel`, these extras of it, and `more` (requirements); its Python."""
    _run([_UV, "venv", "--quiet", "--offline", "--python", sys.executable, directory])
    python = directory / "bin" / "python"
    _run([
        _UV, "pip", "install", "--quiet", "--offline", "--no-deps", "--python", python, wheel,
    ])  # fmt: skip
    [site] = directory.glob("lib/python*/site-packages")
    wanted = [Requirement(line) for line in requirements(wheel)]
    asked = [one for one in wanted if _applies(one, {"", *extras})]
    for distribution in _closure([*asked, *map(Requirement, more.split())]):
        _link(distribution, site)
    _run([_UV, "pip", "check", "--quiet", "--offline", "--python", python])
    return python


def requirements(wheel: Path) -> list[str]:
    """What the wheel's metadata asks for, extras included."""
    with zipfile.ZipFile(wheel) as archive:
        [name] = [one for one in archive.namelist() if one.endswith(".dist-info/METADATA")]
        message = metadata.PathDistribution(zipfile.Path(archive, str(Path(name).parent) + "/"))
        return message.requires or []


def run(python: Path, *arguments: str | Path, cwd: Path) -> str:
    """The output of that virtualenv's Python: no path of this repository, no user's settings."""
    return _run([python, *arguments], cwd=cwd)


def _run(command: list[str | Path], cwd: Path | None = None) -> str:
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    done = subprocess.run(
        command, cwd=cwd, env=environment, check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def _applies(requirement: Requirement, extras: Iterable[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in extras)


def _closure(requirements: list[Requirement]) -> Iterator[metadata.Distribution]:
    """The installed distributions of these requirements, and of those that they have."""
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = list(requirements)
    while waiting:
        one = waiting.pop()
        known = (one.name.lower(), frozenset(one.extras))
        if known in seen:
            continue
        seen.add(known)
        distribution = metadata.distribution(one.name)
        yield distribution
        below = map(Requirement, distribution.requires or [])
        waiting += [each for each in below if _applies(each, {"", *one.extras})]


def _link(distribution: metadata.Distribution, site: Path) -> None:
    """Link each file: whole directories may be shared by distributions that are not wanted."""
    for file in distribution.files or ():
        if ".." not in file.parts and not (target := site / file).exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(Path(str(distribution.locate_file(file))))
