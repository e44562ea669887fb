"""From DATABASE_URL to Tortoise's settings."""

from pathlib import Path

import pytest

from models.url import (
    DatabaseSettingInvalid,
    connection_config,
    sqlite_path,
    without_password,
)


def test_sqlite_urls_name_absolute_and_relative_files():
    assert sqlite_path("sqlite:///var/lib/store.db") == Path("/var/lib/store.db")
    assert sqlite_path("sqlite://data/store.db") == Path("data/store.db")
    assert sqlite_path("sqlite:///with%20space.db") == Path("/with space.db")
    assert sqlite_path("postgres://localhost/store") is None


def test_a_postgres_url_is_taken_apart_and_decoded():
    url = "postgresql://us%40er:p%2Fw@db.example:6543/st%20ore?sslmode=require&connect_timeout=2.5"
    credentials = connection_config(url, pool_size=7)["credentials"]
    assert credentials["host"] == "db.example"
    assert credentials["port"] == 6543
    assert credentials["user"] == "us@er"
    assert credentials["password"] == "p/w"
    assert credentials["database"] == "st ore"
    assert credentials["maxsize"] == 7
    assert credentials["ssl"] == "require"
    assert credentials["timeout"] == 2.5


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "scheme is ''"),
        ("store.db", "scheme is ''"),
        ("mysql://localhost/store", "scheme is 'mysql'"),
        ("sqlite://", "names no file"),
        ("sqlite://:memory:", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("sqlite:///store.db?mode=ro", "takes no options"),
        ("postgres://localhost", "names no database"),
        ("postgres://localhost:port/store", "port is wrong"),
        ("postgres://localhost:99999/store", "port is wrong"),
        ("postgres://[/store", "cannot be read"),
        ("postgres://localhost/store?pool=3", "'pool' is unknown"),
        ("postgres://localhost/store?connect_timeout=soon", "should be a number, got 'soon'"),
    ],
)
def test_a_wrong_url_is_refused_with_what_is_wrong(url, said):
    with pytest.raises(DatabaseSettingInvalid) as refused:
        connection_config(url, pool_size=1)
    assert said in str(refused.value)


def test_no_message_shows_a_password():
    url = "postgres://me:s3cret@localhost/"
    with pytest.raises(DatabaseSettingInvalid) as refused:
        connection_config(url, pool_size=1)
    assert "s3cret" not in str(refused.value)
    assert without_password(url) == "postgres://me:***@localhost/"
    assert without_password("postgres://localhost/store") == "postgres://localhost/store"
