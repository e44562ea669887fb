"""An environment for examples and pages: the engine's wheel, and what their applications need."""

from pathlib import Path

import pytest

from tests.support.wheel import build_wheel, copy_source, install


@pytest.fixture(scope="session")
def library_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a virtualenv in which the library of `examples/adopt` runs."""
    directory = tmp_path_factory.mktemp("library")
    wheel = build_wheel(copy_source(directory), directory / "out")
    extras = ("sqlalchemy", "strawberry", "tortoise")
    more = "aiosqlite httpx pytest pytest-asyncio starlette"
    return install(wheel, directory / "venv", extras=extras, more=more)
