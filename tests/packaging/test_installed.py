"""The wheel in an empty virtualenv: everything imports, a program runs, types are seen."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.wheel import run

NEEDS = {
    "integrations": {
        "opentelemetry", "prometheus_client", "sqlalchemy", "strawberry", "tortoise",
    },
    "testing": {"pytest"},
}  # fmt: skip
"""What the parts of the engine that are for others may need: each comes with an extra."""

IMPORT_ALL = """
import importlib, pkgutil, sys
import freshql_cache

def refuse(name):
    raise AssertionError(name)

failed = {}
for found in pkgutil.walk_packages(freshql_cache.__path__, "freshql_cache.", refuse):
    try:
        importlib.import_module(found.name)
    except ModuleNotFoundError as error:
        failed[found.name] = error.name.partition(".")[0]
ours = {"cache", "gql", "models", "ops", "resolvers", "tests"} & {
    name.partition(".")[0] for name in sys.modules
}
assert not ours, ours
for name, missing in sorted(failed.items()):
    print(name, missing)
"""

PROGRAM = '''
"""A user's program: a cached function, a purge, and another process's purge in the log."""

import asyncio
import sys

import msgspec
from freshql_cache import Cache, CachePolicy, CacheScope, RedisStore, cached
from freshql_cache.stores.connection import open_redis


class Book(msgspec.Struct, frozen=True):
    title: str


BOOKS = {1: "Emma"}
LOADS = []


@cached(CachePolicy(ttl=60, scope=CacheScope.PUBLIC), tags=lambda number: [f"book:{number}"])
async def book(number: int) -> Book:
    LOADS.append(number)
    return Book(BOOKS[number])


async def main(url: str, prefix: str) -> None:
    redis = open_redis(url)
    cache = Cache(RedisStore(redis, prefix))
    await cache.start()
    with cache.activate("anonymous"):
        assert [await book(1), await book(1), LOADS] == [Book("Emma"), Book("Emma"), [1]]
        BOOKS[1] = "Persuasion"
        await cache.invalidate(["book:1"])
        assert [await book(1), LOADS] == [Book("Persuasion"), [1, 1]]
    await cache.close()
    await redis.aclose()
    print("ran")


asyncio.run(main(*sys.argv[1:]))
'''

TYPED = """
from freshql_cache import Cache, CachePolicy, CacheScope, cached


@cached(CachePolicy(ttl=60, scope=CacheScope.PUBLIC), tags=lambda number: [f"book:{number}"])
async def title(number: int) -> str | None:
    return None


async def show(cache: Cache) -> None:
    with cache.activate("anonymous"):
        found: str | None = await title(1)
        print(found)
"""

WRONG = (
    TYPED
    + """

async def wrong() -> int:
    await title("1")
    return await title(1)
"""
)


def types(python: Path, file: Path, source: str) -> list[str]:
    """What strict mypy says of a user's file, whose imports are those of `python`."""
    file.write_text(source)
    done = subprocess.run(
        [
            sys.executable, "-m", "mypy", "--strict", "--no-error-summary",
            "--cache-dir", file.parent / "mypy", "--python-executable", python, file,
        ],
        cwd=file.parent, check=False, capture_output=True, text=True, timeout=170,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout.splitlines()


def test_everything_imports_but_what_an_extra_is_for(bare: Path, tmp_path: Path) -> None:
    said = run(bare, "-W", "error", "-c", IMPORT_ALL, cwd=tmp_path)
    missing = dict(line.split() for line in said.splitlines())
    for name, of in missing.items():
        part = name.split(".")[1]
        assert part in NEEDS, f"{name} needs {of}, and no extra is for it"
        assert of in NEEDS[part], f"{name} needs {of}, which no extra brings"


def test_everything_imports_with_all_extras(full: Path, tmp_path: Path) -> None:
    assert run(full, "-W", "error", "-c", IMPORT_ALL, cwd=tmp_path) == ""


def test_a_program_runs(bare: Path, tmp_path: Path, redis_url: str, key_prefix: str) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    said = run(bare, "-W", "error", "program.py", redis_url, key_prefix, cwd=tmp_path)
    assert said == "ran\n"


def test_its_types_are_seen(bare: Path, tmp_path: Path) -> None:
    assert types(bare, tmp_path / "right.py", TYPED) == []
    said = types(bare, tmp_path / "wrong.py", WRONG)
    assert [line.rpartition("[")[2] for line in said] == ["arg-type]", "return-value]"]


def test_what_is_not_declared_is_not_there(bare: Path, tmp_path: Path) -> None:
    for name in ("cache", "strawberry", "starlette", "sqlalchemy"):
        with pytest.raises(AssertionError, match=f"No module named '{name}'"):
            run(bare, "-c", f"import {name}", cwd=tmp_path)
