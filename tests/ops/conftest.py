"""What tests of commands share."""

from collections.abc import Mapping

import pytest


@pytest.fixture
def variables(database: str, redis_url: str, key_prefix: str) -> Mapping[str, str]:
    """The settings of a deployment."""
    return {
        "DATABASE_URL": database,
        "REDIS_URL": redis_url,
        "FRESHQL_KEY_PREFIX": key_prefix.rstrip(":"),
    }
