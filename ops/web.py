"""Builds the GraphiQL page where Node is there: once, and again when its sources change.

Nothing here stops a start. Without Node, or when the build fails, FreshQL serves the hosted page
(or an earlier build) and this says why.
"""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import typer

WEB = Path(__file__).resolve().parent.parent / "web"
"""The page's sources; what is built from them is in `dist/` there."""

_TIMEOUT_SECONDS = 300.0
_SHOWN_LINES = 12
_INSTALL = ("npm", "ci")  # npm's settings are in web/.npmrc
_BUILD = ("npm", "run", "build")

Say = Callable[[str], None]


class _NotBuiltError(Exception):
    """Why there is no new build."""


def build_if_stale(web: Path = WEB, say: Say = typer.echo) -> bool:
    """Build `web` unless `web/dist` is up to date; True if it is, in the end.

    What happens, and what does not and why, goes to `say`, a line at a time; nothing is said
    when there is nothing to do. Takes seconds to a minute, at most ten.
    """
    if not (web / "package.json").is_file():
        say("GraphiQL: the hosted page (this installation comes without the sources in web/)")
        return False
    digest = source_digest(web)
    mark = web / "dist" / ".digest"
    if mark.is_file() and mark.read_text(encoding="ascii") == digest:
        return True
    try:
        _build(web, say)
        mark.write_text(digest, encoding="ascii")
    except (_NotBuiltError, OSError) as error:
        say(f"GraphiQL: not built: {error}")
        earlier = (web / "dist" / "index.html").is_file()
        say(f"GraphiQL: {'an earlier build is used' if earlier else 'the hosted page is used'}")
        return False
    return True


def source_digest(web: Path) -> str:
    """The SHA-256, in hexadecimal, of the names and contents of everything the build reads."""
    total = hashlib.sha256()
    for path in sorted(_sources(web)):
        name = path.relative_to(web).as_posix().encode()
        total.update(hashlib.sha256(name).digest())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def _sources(web: Path) -> Iterator[Path]:
    for path in web.iterdir():
        if path.is_file():
            yield path
        elif path.name in {"src", "public"}:
            yield from (inner for inner in path.rglob("*") if inner.is_file())


def _build(web: Path, say: Say) -> None:
    wanted = _node_wanted(web)
    _check_node(wanted)
    say("GraphiQL: building the page with npm...")
    start = time.monotonic()
    _install(web)
    _run(_BUILD, web)
    if not (web / "dist" / "index.html").is_file():
        raise _NotBuiltError(f"npm run build ended well but left no index.html in {web / 'dist'}")
    say(f"GraphiQL: built in {time.monotonic() - start:.0f} s")


def _install(web: Path) -> None:
    """Install what the lock file says, unless that was done: npm ci begins with deleting it all."""
    wanted = hashlib.sha256((web / "package-lock.json").read_bytes()).hexdigest()
    mark = web / "node_modules" / ".digest"
    if not mark.is_file() or mark.read_text(encoding="ascii") != wanted:
        _run(_INSTALL, web)
        mark.parent.mkdir(exist_ok=True)
        mark.write_text(wanted, encoding="ascii")


def _node_wanted(web: Path) -> str:
    package = json.loads((web / "package.json").read_bytes())
    return str(package["engines"]["node"])


def _check_node(wanted: str) -> None:
    for command in ("node", "npm"):
        if shutil.which(command) is None:
            raise _NotBuiltError(f"{command} is not installed (Node {wanted} brings it)")
    version = _run(("node", "--version"), Path.cwd()).strip()
    if not satisfies(version, wanted):
        raise _NotBuiltError(f"this needs Node {wanted}, and `node --version` says {version!r}")


def satisfies(version: str, wanted: str) -> bool:
    """Whether `version` (`v20.20.2`) is in `wanted` (`^20.19.0 || >=22.12.0`, npm's notation).

    Knows `^`, `>=` and `*`, which is all that our package.json uses.
    """
    have = _numbers(version)
    for alternative in wanted.split("||"):
        operator, least = alternative.strip().rstrip("0123456789."), _numbers(alternative)
        if operator == "*" or (operator == ">=" and have >= least):
            return True
        if operator == "^" and have[:1] == least[:1] and have >= least:
            return True
    return False


def _numbers(text: str) -> tuple[int, ...]:
    found = re.search(r"\d+(?:\.\d+)*", text)
    return tuple(int(part) for part in found.group().split(".")) if found else ()


def _run(step: tuple[str, ...], web: Path) -> str:
    """Run one step in `web`: what it printed. Raises _NotBuiltError with its errors."""
    shown = " ".join(step)
    with subprocess.Popen(  # noqa: S603 (fixed commands, no shell)
        step,
        cwd=web,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            raise _NotBuiltError(f"`{shown}` did not end in {_TIMEOUT_SECONDS:.0f} s") from None
        finally:
            # npm leaves its children behind when only it is killed: on time-out and on Ctrl-C.
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode != 0:
        code = process.returncode
        raise _NotBuiltError(f"`{shown}` ended with code {code}:\n{_telling_lines(output)}")
    return output


def _telling_lines(output: str) -> str:
    """From the first line that speaks of an error; the last ones where none does."""
    lines = output.strip().splitlines()
    first = next((n for n, line in enumerate(lines) if "error" in line.lower()), -_SHOWN_LINES)
    return "\n".join(lines[first:][:_SHOWN_LINES])
