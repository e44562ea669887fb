"""Another database behind the same Redis: nothing of the first is ever served for the second."""

from pathlib import Path

import pytest

from gql.app import open_services
from gql.settings import Settings
from models import database
from models.tables import Brand
from resolvers.catalogue import brand
from resolvers.context import Context


async def _name(settings: Settings) -> str | None:
    """What the store says of one brand, twice: the second time from the cache."""
    names = set()
    async with open_services(settings) as services:
        for _ in range(2):
            with Context(services) as context:
                found = await brand(context, "acme")
                names.add(None if found is None else found.name)
    [name] = names
    return name


async def _make(path: Path, name: str) -> None:
    """A migrated database at `path` whose one brand has this name."""
    url = f"sqlite://{path}"
    await database.migrate(url)
    await database.connect(url)
    await Brand.create(slug="acme", name=name)
    await database.disconnect()


async def _swap(settings: Settings, tmp_path: Path) -> tuple[str | None, str | None]:
    """What is answered before and after the second database takes the first one's place.

    Both have a brand of the same slug and the same id.
    """
    await _make(tmp_path / "first.sqlite3", "First")
    await _make(tmp_path / "second.sqlite3", "Second")
    before = await _name(settings)
    (tmp_path / "second.sqlite3").replace(tmp_path / "first.sqlite3")
    return before, await _name(settings)


@pytest.fixture
def settings(redis_url: str, key_prefix: str, tmp_path: Path) -> Settings:
    url = f"sqlite://{tmp_path / 'first.sqlite3'}"
    return Settings(redis_url=redis_url, database_url=url, key_prefix=key_prefix.replace(":", "."))


async def test_the_database_is_swapped(settings: Settings, tmp_path: Path) -> None:
    assert await _swap(settings, tmp_path) == ("First", "Second")


async def test_the_control_has_one_name_for_both(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the database's own id in every key the second is answered with the first's."""

    async def same() -> str:
        return "same"

    monkeypatch.setattr(database, "database_id", same)
    assert await _swap(settings, tmp_path) == ("First", "First")
