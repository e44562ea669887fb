"""Settings: a wrong one names the variable, what it holds and what it should."""

from pathlib import Path

import pytest

from gql.settings import SHOULD, Settings, SettingsError, load, masked


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SHOULD:
        monkeypatch.delenv(name, raising=False)


def test_defaults_need_no_environment() -> None:
    settings = load()
    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 8000, 1)
    assert settings.redis_url is None
    assert settings.environment == "development"
    assert settings.database == f"sqlite://{Path('.freshql').resolve()}/store.sqlite3"


def test_every_variable_is_described_and_has_a_default() -> None:
    fields = Settings.model_fields
    assert [field.alias for field in fields.values()] == list(SHOULD)
    assert all(field.description and not field.is_required() for field in fields.values())


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "")
    monkeypatch.setenv("PORT", "")
    assert load().redis_url is None
    assert load().port == 8000


@pytest.mark.parametrize(
    ("variable", "wrong"),
    [
        ("PORT", "eighty"),
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("PORT", "80.5"),
        ("HOST", "http://localhost"),
        ("WORKERS", "0"),
        ("WORKERS", "many"),
        ("REDIS_URL", "localhost:6379"),
        ("REDIS_URL", "http://localhost"),
        ("REDIS_URL", "redis://"),
        ("REDIS_URL", "redis://host:99999"),
        ("REDIS_URL", "redis://host/first"),
        ("REDIS_URL", "redis://host?sokcet_timeout=1"),
        ("REDIS_URL", "rediss://host?ssl_cert_reqs=perhaps"),
        ("REDIS_URL", "unix://"),
        ("DATABASE_URL", "mysql://host/store"),
        ("DATABASE_URL", "sqlite://:memory:"),
        ("DATABASE_URL", "postgresql://host"),
        ("FRESHQL_KEY_PREFIX", "shop{1}"),
        ("FRESHQL_KEY_PREFIX", "x" * 65),
        ("FRESHQL_CURRENCY", "dollars"),
        ("FRESHQL_ENVIRONMENT", "prod"),
        ("FRESHQL_LOG_LEVEL", "loud"),
        ("FRESHQL_METRICS", "perhaps"),
        ("PROMETHEUS_MULTIPROC_DIR", "/nowhere/at/all"),
        ("FRESHQL_AUDIT_RATE", "1.5"),
    ],
)
def test_a_wrong_setting_is_explained(
    variable: str, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, wrong)
    with pytest.raises(SettingsError) as refused:
        load()
    message = str(refused.value)
    assert message.startswith(f"{variable} holds {wrong!r}; it should be {SHOULD[variable]}")


def test_values_given_instead_win_and_are_checked_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "8001")
    assert load({"PORT": "8002"}).port == 8002
    with pytest.raises(SettingsError, match="PORT holds 'x'"):
        load({"PORT": "x"})


def test_all_wrong_settings_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "x")
    monkeypatch.setenv("WORKERS", "y")
    with pytest.raises(SettingsError, match=r"PORT holds 'x'.*\nWORKERS holds 'y'"):
        load()


def test_a_mistyped_name_of_ours_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRESHQL_CURENCY", "EUR")
    with pytest.raises(SettingsError, match=r"FRESHQL_CURENCY .* did you mean FRESHQL_CURRENCY"):
        load()


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1:6379/0",
        "redis://shop:secret@cache.example.com:6379/2",
        "rediss://shop:p%40ss@cache.example.com:6380/0?ssl_ca_certs=/etc/ca.pem",
        "redis://[::1]:6379",
        "unix:///run/valkey.sock",
        "unix://shop:secret@/run/valkey.sock?db=1",
    ],
)
def test_redis_urls_with_tls_users_and_sockets(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", url)
    assert load().redis == url


def test_where_redis_is_needed_it_is_asked_for_by_name() -> None:
    with pytest.raises(SettingsError, match="REDIS_URL is not set; it should be redis://"):
        _ = load().redis


@pytest.mark.parametrize(
    ("shown", "held"),
    [
        ("redis://shop:***@host/0", "redis://shop:secret@host/0"),
        ("redis://:***@host/0", "redis://:secret@host/0"),
        ("postgresql://shop:***@host/x", "postgresql://shop:se@c/r:et@host/x"),
        ("redis://host/0?password=***&db=1", "redis://host/0?password=secret&db=1"),
        ("redis://host:6379/0", "redis://host:6379/0"),
        ("eighty", "eighty"),
    ],
)
def test_passwords_are_masked(shown: str, held: str) -> None:
    assert masked(held) == shown


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("REDIS_URL", "redis://shop:hunter2@host:port/0"),
        ("DATABASE_URL", "postgresql://shop:hunter2@host:port/store"),
        ("DATABASE_URL", "oracle://shop:hunter2@host/store"),
        ("DATABASE_URL", "postgresql://shop:hun/ter2@host/store?nonsense=1"),
    ],
)
def test_no_message_shows_a_password(
    variable: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, url)
    with pytest.raises(SettingsError) as refused:
        load()
    assert "ter2" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_published_settings_are_what_a_worker_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SHOULD:
        monkeypatch.setenv(name, "")
    settings = Settings(REDIS_URL="unix:///tmp/x.sock", PORT=8123, FRESHQL_CURRENCY="EUR")
    settings.publish()
    assert load() == settings
