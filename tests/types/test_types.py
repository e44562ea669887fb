"""`@cached` keeps the signature of what it decorates, for mypy and for pyright."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SIGNATURES, MISTAKES = HERE / "signatures.py", HERE / "mistakes.py"

LOOSE = '''
from collections.abc import Callable
from typing import Any

def cached(*args: Any, **kwargs: Any) -> Callable[..., Callable[..., Any]]:
    """A decorator that loses the signature, as most caches have it."""
    return lambda function: function

'''

Problem = tuple[str, int, str]
"""Where a checker found something, and its name for it: file, line, rule."""
Checker = Callable[[Sequence[Path]], set[Problem]]


def run(*command: str) -> str:
    """The output of a checker of this environment."""
    quiet = os.environ | {"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=quiet,
        capture_output=True,
        check=False,
        text=True,
        timeout=170,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


def mypy(files: Sequence[Path]) -> set[Problem]:
    """What `mypy --strict` finds."""
    options = ("--strict", "--output=json", "--cache-dir=.mypy_cache/types")
    lines = run("mypy", *options, *map(str, files)).splitlines()
    found = [json.loads(line) for line in lines if line.startswith("{")]
    names = {file.name for file in files}
    problems = {(Path(it["file"]).name, it["line"], it["code"]) for it in found}
    return {problem for problem in problems if problem[0] in names}  # not of what they import


def pyright(files: Sequence[Path]) -> set[Problem]:
    """What pyright finds. With `--outputjson` its wheel asks nobody for a newer version."""
    options = ("--outputjson", "--pythonpath", sys.executable)
    report = json.loads(run("pyright", *options, *map(str, files)))
    assert report["summary"]["filesAnalyzed"] > 0, report
    return {
        (Path(it["file"]).name, it["range"]["start"]["line"] + 1, it.get("rule", it["message"]))
        for it in report["generalDiagnostics"]
        if it["severity"] == "error"
    }


def marked(file: Path, checker: Checker) -> set[Problem]:
    """What the comments of a file say that a checker finds in it."""
    which = 1 if checker is mypy else 2
    return {
        (file.name, number, found[which])
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1)
        if (found := re.search(r"# wrong: (\S+) (\S+)$", line))
    }


@pytest.fixture(scope="module", params=[mypy, pyright], ids=["mypy", "pyright"])
def checker(request: pytest.FixtureRequest) -> Checker:
    """Each checker."""
    checker: Checker = request.param
    return checker


def test_signatures_are_kept_and_mistakes_are_found(checker: Checker) -> None:
    found = checker([SIGNATURES, MISTAKES])
    wanted = marked(MISTAKES, checker)
    assert len(wanted) > 12
    assert found == wanted


def test_a_decorator_that_loses_the_signature_would_be_noticed(
    checker: Checker, tmp_path: Path
) -> None:
    """The control: the mistakes are found because of what `@cached` says, not anyhow."""
    loose = tmp_path / "loose.py"
    text = MISTAKES.read_text("utf-8").replace("CachePolicy, cached", "CachePolicy")
    loose.write_text(text.replace("class Context", LOOSE + "class Context"), "utf-8")
    found = len({line for _, line, _ in checker([loose])})
    assert found < len(marked(MISTAKES, checker)) - 8
