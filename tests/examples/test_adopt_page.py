"""`docs/adopt.md` is true: its diff, its program, its messages, its names, its table."""

import difflib
import re
import subprocess
from pathlib import Path

import aiocache
import cashews

from cache.promises import promises_off
from tests.support.library import EXAMPLE, ROOT
from tests.support.servers import ValkeyServer, valkey
from tests.support.wheel import SOURCE

PAGE = ROOT / "docs" / "adopt.md"
RUNNER = ROOT / "tests" / "examples" / "page.py"


def blocks(language: str, page: Path = PAGE) -> list[str]:
    """The blocks of a page that are in this language."""
    pattern = rf"^```{language}\n(.*?)^```$"
    return re.findall(pattern, page.read_text(), re.MULTILINE | re.DOTALL)


def run(python: Path, page: Path, directory: Path, server: ValkeyServer) -> str:
    """Run a page's program in a virtualenv with the wheel; what it printed, or its error."""
    environment = {
        "PATH": str(python.parent),
        "DATABASE_URL": f"sqlite+aiosqlite:///{directory / 'articles.db'}",
        "REDIS_URL": server.url,
    }
    done = subprocess.run(
        [python, "-W", "error", RUNNER, page],
        env=environment, cwd=directory, check=False, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    return done.stdout if done.returncode == 0 else done.stderr


def test_its_diff_is_what_the_example_changes() -> None:
    before, after = ((EXAMPLE / f"{name}.py").read_text() for name in ("before", "after"))
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=1)
    wanted = ["@@" if line.startswith("@@") else line for line in lines][2:]
    assert blocks("diff") == ["\n".join(line.rstrip() for line in wanted) + "\n"]


def test_its_program_runs(library_python: Path, tmp_path: Path) -> None:
    with valkey() as server:
        said = run(library_python, PAGE, tmp_path, server)
    assert said == f"{len(blocks('python'))} blocks ran\n"


def test_a_page_that_is_wrong_is_noticed_with_its_line(
    library_python: Path, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.md"
    promise = 'assert await article(1) == before, "nobody purged it"'
    assert promise in PAGE.read_text()
    wrong.write_text(PAGE.read_text().replace(promise, promise.replace("==", "!=")))
    [line] = [
        at for at, text in enumerate(wrong.read_text().splitlines(), 1) if "nobody purged" in text
    ]
    with valkey() as server:
        said = run(library_python, wrong, tmp_path, server)
    assert f'wrong.md", line {line}' in said
    assert "AssertionError: nobody purged it" in said


def test_its_messages_are_those_of_a_cache_without_an_outbox() -> None:
    off = promises_off(has_outbox=False, is_shared=True)
    assert blocks("text") == ["".join(f"{one}\n" for one in off)]


def test_what_it_installs_exists() -> None:
    [asked] = re.findall(r'"freshql-cache\[(.*)\]"', "".join(blocks("sh")))
    declared = (SOURCE / "pyproject.toml").read_text()
    for extra in asked.split(","):
        assert f"\n{extra} = [" in declared


def test_every_page_that_it_names_exists() -> None:
    for name in re.findall(r"\]\(([\w.-]+\.md)\)", PAGE.read_text()):
        assert (PAGE.parent / name).exists(), name


def test_what_it_says_of_others_is_theirs() -> None:
    table = PAGE.read_text().partition("## From cashews or aiocache")[2]
    for name in re.findall(r"`@?cache\.(\w+)", table):
        assert hasattr(cashews.cache, name), name
    for name in ("cached_stampede", "multi_cached"):
        assert f"`{name}" in table
        assert hasattr(aiocache, name)
