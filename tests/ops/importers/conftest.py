"""The folder that the importer's tests read."""

from pathlib import Path

import pytest

from tests.support.superstore import REAL, generate


@pytest.fixture(scope="session")
def superstore(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real Superstore where it is there, else a smaller one of the same make."""
    if REAL.is_dir():
        return REAL
    folder = tmp_path_factory.mktemp("superstore")
    return generate(folder, products=400, customers=150, orders=900)
