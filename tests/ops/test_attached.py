"""Commands beside the server use its Redis, or the one that it will use next."""

from pathlib import Path

import pytest
from redis import Redis

from gql.settings import Settings, SettingsError
from ops.attached import attached
from ops.place import DataDirectory, DirectoryTaken, Holder, holder
from tests.support.serving import SMALL_APP, serving


def settings_in(directory: Path, redis_url: str | None = None) -> Settings:
    """Settings whose data directory is that of a server started in `directory`."""
    return Settings(FRESHQL_DATA_DIR=directory / ".freshql", REDIS_URL=redis_url)


def test_a_redis_that_was_given_is_used(tmp_path: Path) -> None:
    given = settings_in(tmp_path, "redis://127.0.0.1:1/0")
    with attached(given) as settings:
        assert settings is given
    assert not given.data_dir.exists()


def test_the_valkey_of_a_running_server_is_joined(tmp_path: Path) -> None:
    with serving(tmp_path, "--app", SMALL_APP) as server:
        used = server.get()["redis"]
        with attached(settings_in(tmp_path)) as settings:
            assert settings.redis == used
        assert server.get()["redis"] == used


def test_a_running_server_with_a_redis_of_its_own_choice_asks_for_the_same(
    tmp_path: Path, redis_url: str
) -> None:
    with serving(tmp_path, "--app", SMALL_APP, REDIS_URL=redis_url) as server:
        assert server.url
        with pytest.raises(SettingsError, match="set REDIS_URL to the same"):
            attached(settings_in(tmp_path)).__enter__()


def test_without_a_server_its_valkey_runs_for_the_block_and_keeps_what_changed(
    tmp_path: Path,
) -> None:
    given = settings_in(tmp_path)
    with attached(given) as settings, Redis.from_url(settings.redis) as client:
        client.set("purged", "yes", ex=600)
        held = holder(given.data_dir)
        assert held is not None
        assert held.redis == settings.redis
        with attached(given) as joined:
            assert joined.redis == settings.redis
        with pytest.raises(DirectoryTaken, match=f"by process {held.pid}"):
            DataDirectory(given.data_dir).__enter__()
    assert holder(given.data_dir) is None
    with attached(given) as again, Redis.from_url(again.redis) as client:
        assert client.get("purged") == b"yes"


def test_a_lock_file_that_cannot_be_read_still_counts(tmp_path: Path) -> None:
    (tmp_path / "serve.lock").write_text("12 http://127.0.0.1:8000")
    assert holder(tmp_path) == Holder(pid=0)
