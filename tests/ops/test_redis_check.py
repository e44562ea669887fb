"""A Redis that is away only warns; one that will not do stops the start."""

import re
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import NoPermissionError

from gql.settings import SettingsError
from ops.embedded import ValkeyServer
from ops.redis_check import check
from tests.support.servers import free_port, valkey
from tests.support.serving import SMALL_APP, serving


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


def test_a_log_that_is_off_is_warned_of_with_what_can_be_lost_and_what_turns_it_on() -> None:
    with valkey(appendonly="no", tcp=True) as server:
        warning = check(server.tcp_url.replace("//", "//default:hunter2@"))
        assert "PRODUCT VIEWS CAN BE LOST" in warning
        assert "those of the last 5 s" in warning
        assert "up to 50,000" in warning
        assert "hunter2" not in warning
        [command] = re.findall(r"`CONFIG SET (\w+) (\w+)`", warning)
        with Redis.from_url(server.url) as admin:
            admin.config_set(*command)
        assert check(server.url) == ""


def test_a_server_that_forbids_config_is_looked_at_all_the_same() -> None:
    """Hosted servers do: what INFO says is enough."""
    with valkey(appendonly="no", tcp=True) as server:
        with Redis.from_url(server.url) as admin:
            admin.acl_setuser("shop", enabled=True, nopass=True, commands=["+info"])
        with (
            pytest.raises(NoPermissionError),
            Redis.from_url(server.tcp_url.replace("//", "//shop:any@")) as shop,
        ):
            shop.config_get("appendonly")
        assert "append-only log off" in check(server.tcp_url.replace("//", "//shop:any@"))


def test_a_server_for_entries_alone_needs_no_log() -> None:
    with valkey(appendonly="no") as server:
        assert check(server.url, may_evict=True) == ""


def test_the_embedded_server_has_its_log_on(tmp_path: Path) -> None:
    with ValkeyServer(tmp_path / "valkey") as server, Redis.from_url(server.url) as client:
        persistence = client.info("persistence")
        assert isinstance(persistence, dict)
        assert persistence["aof_enabled"] == 1
        assert check(server.url) == ""


def test_freshql_serve_starts_all_the_same_and_says_it_first(tmp_path: Path) -> None:
    with (
        valkey(appendonly="no") as server,
        serving(tmp_path, "--app", SMALL_APP, REDIS_URL=server.url) as running,
    ):
        assert running.get()["pid"]
        assert "warning: PRODUCT VIEWS CAN BE LOST" in running.text.partition("answers")[0]


def test_the_variable_that_is_wrong_is_named() -> None:
    refusal = pytest.raises(SettingsError, match=r"^STATE_REDIS_URL holds")
    with valkey(maxmemory_policy="allkeys-lru") as server, refusal:
        check(server.url, "STATE_REDIS_URL")
