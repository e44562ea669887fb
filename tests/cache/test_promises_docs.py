"""`docs/promises.md` names, for each promise, tests that exist."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "promises.md").read_text()


def held_by() -> dict[int, list[str]]:
    rows = re.findall(r"^\| (\d+)\. .*\| ([^|]*) \|$", PAGE, re.MULTILINE)
    return {int(number): re.findall(r"`(tests/[^`]+)`", tests) for number, tests in rows}


def exists(test: str) -> bool:
    path, _, name = test.partition("::")
    if not (ROOT / path).is_file():
        return False
    tree = ast.parse((ROOT / path).read_text())
    return not name or name in {one.name for one in ast.walk(tree) if hasattr(one, "name")}


def test_each_promise_has_a_test_that_exists() -> None:
    assert list(held_by()) == list(range(1, 11))
    for number, tests in held_by().items():
        assert tests, number
        assert [test for test in tests if not exists(test)] == []


def test_the_check_can_fail() -> None:
    assert not exists("tests/cache/test_promises_docs.py::test_that_is_not_here")
    assert not exists("tests/cache/test_that_is_not_here.py")
