"""From ``DATABASE_URL`` to what Tortoise wants to know."""

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

SQLITE = "sqlite"
POSTGRES = ("postgres", "postgresql")
EXPECTED = (
    "expected sqlite:///absolute/path.db, sqlite://relative/path.db or "
    "postgresql://user:password@host:5432/database"
)
CONNECT_TIMEOUT = 5.0
COMMAND_TIMEOUT = 30.0
BUSY_TIMEOUT_MS = 5000

_OPTIONS: dict[str, tuple[str, type]] = {
    "sslmode": ("ssl", str),
    "host": ("host", str),
    "application_name": ("application_name", str),
    "connect_timeout": ("timeout", float),
}
_PASSWORD = re.compile(r"(?<=:)[^:@/]+(?=@)")


class DatabaseSettingInvalid(ValueError):  # noqa: N818 - the state that it tells of
    """The database URL cannot be used. The message says what was expected and what arrived."""

    def __init__(self, url: str, problem: str) -> None:
        super().__init__(f"Database URL {without_password(url)!r}: {problem}")


def without_password(url: str) -> str:
    """``url`` as it may be printed or logged."""
    return _PASSWORD.sub("***", url)


def connection_config(url: str, pool_size: int) -> dict[str, Any]:
    """Tortoise's ``engine`` and ``credentials`` for ``url``.

    Raises ``DatabaseSettingInvalid``.
    """
    parts = _split(url)
    if parts.scheme == SQLITE:
        return {
            "engine": "models.backends.sqlite",
            "credentials": {
                "file_path": str(_sqlite_path(url, parts)),
                "journal_mode": "WAL",
                "busy_timeout": BUSY_TIMEOUT_MS,
                "synchronous": "NORMAL",
            },
        }
    return {
        "engine": "models.backends.postgres",
        "credentials": _postgres_credentials(url, parts, pool_size),
    }


def sqlite_path(url: str) -> Path | None:
    """The file of a SQLite URL; None for PostgreSQL. Raises ``DatabaseSettingInvalid``."""
    parts = _split(url)
    return _sqlite_path(url, parts) if parts.scheme == SQLITE else None


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise DatabaseSettingInvalid(url, f"{EXPECTED}, but it cannot be read: {error}") from error
    if parts.scheme != SQLITE and parts.scheme not in POSTGRES:
        raise DatabaseSettingInvalid(url, f"{EXPECTED}, but the scheme is {parts.scheme!r}")
    return parts


def _sqlite_path(url: str, parts: SplitResult) -> Path:
    if parts.query or parts.fragment:
        raise DatabaseSettingInvalid(url, f"{EXPECTED}; a SQLite URL takes no options: remove them")
    path = unquote(parts.netloc + parts.path)
    if path.lstrip("/") in {"", ":memory:"} or path.endswith("/"):
        raise DatabaseSettingInvalid(
            url, f"{EXPECTED}, but it names no file; a database in memory cannot be shared"
        )
    return Path(path)


def _postgres_credentials(url: str, parts: SplitResult, pool_size: int) -> dict[str, Any]:
    if find_spec("asyncpg") is None:
        raise DatabaseSettingInvalid(
            url, "PostgreSQL needs asyncpg, which is not installed: pip install 'freshql[postgres]'"
        )
    try:
        port = parts.port or 5432
    except ValueError as error:
        raise DatabaseSettingInvalid(url, f"{EXPECTED}; the port is wrong: {error}") from error
    if not parts.path.strip("/"):
        raise DatabaseSettingInvalid(url, f"{EXPECTED}, but it names no database")
    credentials = {
        "host": parts.hostname,
        "port": port,
        "user": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password) if parts.password else None,
        "database": unquote(parts.path[1:]),
        "minsize": 1,
        "maxsize": pool_size,
        "timeout": CONNECT_TIMEOUT,
        "command_timeout": COMMAND_TIMEOUT,
    }
    return credentials | _options(url, parts.query)


def _options(url: str, query: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in _OPTIONS:
            known = ", ".join(_OPTIONS)
            raise DatabaseSettingInvalid(
                url, f"the option {name!r} is unknown, expected {known}: remove it"
            )
        option, read = _OPTIONS[name]
        try:
            options[option] = read(value)
        except ValueError as error:
            raise DatabaseSettingInvalid(
                url, f"the option {name} should be a number, got {value!r}"
            ) from error
    return options
