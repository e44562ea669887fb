"""A Redis that is away only warns; one that will not do stops the start."""

import pytest
from redis import Redis

from gql.settings import SettingsError
from ops.redis_check import check
from tests.support.servers import free_port, valkey


def test_a_suitable_server_is_fine(redis_url: str) -> None:
    assert check(redis_url) == ""


def test_a_server_that_is_away_is_a_warning_without_the_password() -> None:
    warning = check(f"redis://shop:hunter2@127.0.0.1:{free_port()}/0")
    assert "does not answer" in warning
    assert "hunter2" not in warning


def test_a_wrong_password_is_refused() -> None:
    with valkey(tcp=True) as server:
        with Redis.from_url(server.url) as admin:
            admin.config_set("requirepass", "right")
        assert check(server.tcp_url.replace("//", "//:right@")) == ""
        with pytest.raises(SettingsError, match="refuses its user or password") as refused:
            check(server.tcp_url.replace("//", "//:hunter2@"))
        assert "hunter2" not in str(refused.value)
        with pytest.raises(SettingsError, match="refuses its user or password"):
            check(server.tcp_url)


def test_a_user_without_info_is_sent_to_the_documentation() -> None:
    with valkey(tcp=True) as server:
        with Redis.from_url(server.url) as admin:
            admin.acl_setuser("shop", enabled=True, nopass=True, commands=["+get"])
        with pytest.raises(SettingsError, match=r"docs/operations\.md"):
            check(server.tcp_url.replace("//", "//shop:any@"))


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-random"])
def test_a_policy_that_evicts_anything_is_refused(policy: str) -> None:
    refusal = pytest.raises(SettingsError, match=f"maxmemory-policy {policy}.*noeviction")
    with valkey(maxmemory_policy=policy) as server, refusal:
        check(server.url)


def test_a_policy_that_evicts_what_expires_is_fine() -> None:
    with valkey(maxmemory_policy="volatile-lru") as server:
        assert check(server.url) == ""


def test_an_old_version_is_refused(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Redis, "info", lambda self, section: {"redis_version": "6.2.14"})
    with pytest.raises(SettingsError, match=r"version 6\.2\.14; it should be 7\.0"):
        check(redis_url)


def test_a_server_for_entries_alone_may_evict_anything() -> None:
    with valkey(maxmemory_policy="allkeys-lru") as server:
        assert check(server.url, may_evict=True) == ""


def test_the_variable_that_is_wrong_is_named() -> None:
    refusal = pytest.raises(SettingsError, match=r"^STATE_REDIS_URL holds")
    with valkey(maxmemory_policy="allkeys-lru") as server, refusal:
        check(server.url, "STATE_REDIS_URL")
