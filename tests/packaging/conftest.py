"""The wheel of `cache/`, built once."""

from pathlib import Path

import pytest

from tests.support.wheel import build_wheel, copy_source, install


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a copy of `cache/`."""
    directory = tmp_path_factory.mktemp("wheel")
    return build_wheel(copy_source(directory), directory / "out")


@pytest.fixture(scope="session")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a virtualenv with the wheel and what it cannot do without."""
    return install(wheel, tmp_path_factory.mktemp("bare") / "venv")


@pytest.fixture(scope="session")
def full(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a virtualenv with the wheel and all of its extras."""
    extras = ("opentelemetry", "prometheus", "sqlalchemy", "strawberry", "testing", "tortoise")
    return install(wheel, tmp_path_factory.mktemp("full") / "venv", extras=extras)
